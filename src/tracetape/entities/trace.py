"""A trace as users hold it: what is known of the whole, and its spans."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tracetape._lazy import loading
from tracetape.capture import encode
from tracetape.entities.constants import SpanStatusCode
from tracetape.entities.span import Span
from tracetape.entities.trace_data import TraceData
from tracetape.entities.trace_info import TraceInfo
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.json_text import json_text

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment

__all__ = ["Trace", "TraceData", "TraceInfo"]

_SHOWN = 500  # characters of bad JSON in an error


@dataclass
class Trace:
    """A tree of spans under one root.

    Attributes:
        info: what is known of the whole.
        data: the spans.
    """

    info: TraceInfo
    data: TraceData

    @property
    def trace_id(self) -> str:
        """Id of the trace."""
        return self.info.trace_id

    @property
    def duration_ns(self) -> int | None:
        """How long it took, in nanoseconds; None while it runs."""
        return self.info.duration_ns

    def search_spans(
        self,
        span_type: str | None = None,
        name: str | re.Pattern[str] | None = None,
        span_id: str | None = None,
    ) -> list[Span]:
        """The spans that meet all given conditions, in order.

        Args:
            span_type: one of `SpanType`, or any other type's name.
            name: the exact name, or a compiled pattern that is searched in it.
            span_id: 16 hexadecimal digits.

        Raises:
            InvalidTypeError: a condition has a wrong type.
        """
        if span_type is not None and not isinstance(span_type, str):
            raise InvalidTypeError(
                f"Invalid type for 'span_type'. Expected str. Got: {type(span_type)}"
            )
        if name is not None and not isinstance(name, (str, re.Pattern)):
            raise InvalidTypeError(
                f"Invalid type for 'name'. Expected str or re.Pattern. Got: {type(name)}"
            )
        return [
            span
            for span in self.data.spans
            if (span_type is None or span.span_type == span_type)
            and (span_id is None or span.span_id == span_id)
            and (name is None or _name_matches(span.name, name))
        ]

    def search_assessments(
        self,
        name: str | None = None,
        *,
        span_id: str | None = None,
        all: bool = False,  # noqa: A002 - MLflow's name
        type: Literal["expectation", "feedback"] | None = None,  # noqa: A002 - MLflow's name
    ) -> list[Assessment]:
        """The assessments that meet all given conditions, in order.

        Args:
            name: the assessment's name.
            span_id: of the span that it is about.
            all: also those that another assessment has overridden.
            type: ``expectation`` or ``feedback``; None: any.
        """
        with loading:
            from tracetape.entities.assessment import Expectation, Feedback

        kind = {"expectation": Expectation, "feedback": Feedback}.get(type or "", object)
        return [
            each
            for each in self.info.assessments
            if (name is None or each.name == name)
            and (span_id is None or each.span_id == span_id)
            and (all or each.valid is not False)
            and isinstance(each, kind)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The trace as MLflow's trace JSON has it (schema 3)."""
        return {"info": self.info.to_dict(), "data": self.data.to_dict()}

    @classmethod
    def from_dict(cls, trace_dict: dict[str, Any]) -> Trace:
        """The trace of a dictionary in MLflow's trace JSON, of schema 3 or 2.

        Raises:
            InvalidValueError: it is not such a dictionary.
        """
        parts = trace_dict if isinstance(trace_dict, dict) else {}
        if parts.get("info") is None or parts.get("data") is None:
            raise InvalidValueError(
                "Unable to parse Trace from dictionary. Expected keys: 'info' and 'data'. "
                f"Received keys: {list(parts)}"
            )
        return cls._of(TraceInfo.from_dict(parts["info"]), TraceData.from_dict(parts["data"]))

    def to_proto(self) -> Any:
        """A ``Trace`` of MLflow's protobuf; in Unity Catalog, Databricks' own.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        with loading:
            from tracetape.formats.mlflow_proto import uc_place
            from tracetape.formats.proto_messages import message_class

        place = uc_place(self.info.trace_location.to_dict())
        return message_class("Trace" if place is None else "UcTrace")(
            trace_info=self.info.to_proto(),
            spans=[span.to_otel_proto() for span in self.data.spans],
        )

    @classmethod
    def from_proto(cls, proto: Any) -> Trace:
        """The trace of such a message."""
        with loading:
            from tracetape.formats.mlflow_proto import uc_place

        info = TraceInfo.from_proto(proto.trace_info)
        place = uc_place(info.trace_location.to_dict())
        return cls._of(info, TraceData([Span.from_otel_proto(one, place) for one in proto.spans]))

    @classmethod
    def _of(cls, info: TraceInfo, data: TraceData) -> Trace:
        """With what is known again from the spans."""
        root = data._root()
        info.duration_ns = None if root is None else root.duration_ns
        info.span_count = len(data.spans)
        info.error_count = sum(
            span.status.status_code is SpanStatusCode.ERROR for span in data.spans
        )
        return cls(info, data)

    def to_json(self, pretty: bool = False) -> str:
        """The trace as JSON text that `from_json` and MLflow read."""
        text = json_text(encode(self.to_dict()))
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False) if pretty else text

    @classmethod
    def from_json(cls, trace_json: str) -> Trace:
        """The trace of JSON text that `to_json` or MLflow wrote.

        Raises:
            InvalidValueError: it is not JSON, or none of a trace.
        """
        try:
            data = json.loads(trace_json)
        except (TypeError, ValueError) as error:
            raise InvalidValueError(
                f"Unable to parse trace JSON: {str(trace_json)[:_SHOWN]}. Error: {error}"
            ) from None
        return cls.from_dict(data)

    def to_pandas_dataframe_row(self) -> dict[str, Any]:
        """One row of the table that `search_traces` gives, by column."""
        return {
            "trace_id": self.info.trace_id,
            "trace": self.to_json(),
            "client_request_id": self.info.client_request_id,
            "state": self.info.state,
            "request_time": self.info.request_time,
            "execution_duration": self.info.execution_duration,
            "request": _decoded(self.data.request),
            "response": _decoded(self.data.response),
            "trace_metadata": self.info.trace_metadata,
            "tags": self.info.tags,
            "spans": [span.to_dict() for span in self.data.spans],
            "assessments": [each.to_dictionary() for each in self.info.assessments],
        }

    @staticmethod
    def pandas_dataframe_columns() -> list[str]:
        """The names of the columns of `to_pandas_dataframe_row`, in order."""
        return [
            "trace_id",
            "trace",
            "client_request_id",
            "state",
            "request_time",
            "execution_duration",
            "request",
            "response",
            "trace_metadata",
            "tags",
            "spans",
            "assessments",
        ]

    def __repr__(self) -> str:
        return f"Trace(trace_id={self.info.trace_id})"


def _name_matches(name: str, wanted: str | re.Pattern[str]) -> bool:
    return wanted == name if isinstance(wanted, str) else wanted.search(name) is not None


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
