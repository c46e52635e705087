"""Facts about a trace as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracetape._lazy import loading
from tracetape.capture.conversion import text_of
from tracetape.entities.constants import TraceState
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.names import COST, TOKEN_USAGE, TRACE_NAME
from tracetape.formats.timestamps import milliseconds_of, rfc3339

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment
    from tracetape.entities.trace_location import TraceLocation

__all__ = ["DEFAULT_EXPERIMENT", "TraceInfo", "location_of"]

DEFAULT_EXPERIMENT = "0"


@dataclass
class TraceInfo:
    """Facts about a trace as a whole.

    Attributes:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        trace_location: where it is kept, in MLflow's terms; without more the experiment ``0``,
            which is MLflow's default one.
        request_time: when it began, in milliseconds since the epoch.
        state: a `TraceState`.
        request_preview: the root's inputs as JSON text, or the last user message among them,
            shortened to 1,000 characters.
        response_preview: the root's outputs, likewise.
        client_request_id: the id that the caller's own system has for it.
        execution_duration: how long it took, in milliseconds; None while it runs.
        trace_metadata: what does not change once the trace has ended; under MLflow's names.
        tags: what may change later.
        assessments: judgements of people, models or code.
        span_count: spans so far.
        error_count: spans with status ERROR.
        duration_ns: how long it took, in nanoseconds; None while it runs.
    """

    trace_id: str
    trace_location: TraceLocation
    request_time: int
    state: TraceState
    request_preview: str | None = None
    response_preview: str | None = None
    client_request_id: str | None = None
    execution_duration: int | None = None
    trace_metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    assessments: list[Assessment] = field(default_factory=list)
    # Ours; no part of MLflow's JSON, and known again from the spans.
    span_count: int = field(default=0, kw_only=True, compare=False)
    error_count: int = field(default=0, kw_only=True, compare=False)
    duration_ns: int | None = field(default=None, kw_only=True, compare=False)

    @property
    def name(self) -> str | None:
        """The root span's name, or what was put in its place (the tag ``mlflow.traceName``)."""
        return self.tags.get(TRACE_NAME)

    @name.setter
    def name(self, value: str | None) -> None:
        if value is None:
            self.tags.pop(TRACE_NAME, None)
        else:
            self.tags[TRACE_NAME] = value

    @property
    def token_usage(self) -> dict[str, int] | None:
        """Tokens summed over the spans, those below a span that has its own left out.

        ``input_tokens`` (cached ones included), ``output_tokens``, ``total_tokens``, and where
        known ``cache_read_input_tokens``, ``cache_creation_input_tokens``, ``reasoning_tokens``.
        None if there are none.
        """
        return self._amounts(TOKEN_USAGE)

    @property
    def cost(self) -> dict[str, float] | None:
        """Costs in US dollars: ``input_cost``, ``output_cost``, ``total_cost``; None if unknown."""
        return self._amounts(COST)

    @property
    def experiment_id(self) -> str | None:
        """The MLflow experiment that it belongs to; None if to none."""
        experiment = self.trace_location.mlflow_experiment
        return None if experiment is None else experiment.experiment_id

    @experiment_id.setter
    def experiment_id(self, value: str) -> None:
        self.trace_location = location_of(value)

    # The names of MLflow 2.

    @property
    def request_id(self) -> str:
        """Deprecated: use `trace_id`."""
        return self.trace_id

    @property
    def request_metadata(self) -> dict[str, str]:
        """Deprecated: use `trace_metadata`."""
        return self.trace_metadata

    @property
    def timestamp_ms(self) -> int:
        """The same as `request_time`."""
        return self.request_time

    @timestamp_ms.setter
    def timestamp_ms(self, value: int) -> None:
        self.request_time = value

    @property
    def execution_time_ms(self) -> int | None:
        """The same as `execution_duration`."""
        return self.execution_duration

    @execution_time_ms.setter
    def execution_time_ms(self, value: int | None) -> None:
        self.execution_duration = value

    @property
    def status(self) -> TraceState:
        """Deprecated: use `state`."""
        return self.state

    @status.setter
    def status(self, value: TraceState) -> None:
        self.state = TraceState(value)

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's trace JSON (schema 3); fields without a value are left out."""
        fields = {
            "trace_id": self.trace_id,
            "client_request_id": self.client_request_id,
            "trace_location": self.trace_location.to_dict(),
            "request_preview": self.request_preview,
            "response_preview": self.response_preview,
            "request_time": rfc3339(self.request_time),
            "execution_duration_ms": self.execution_duration,
            "state": TraceState(self.state).value,
            "trace_metadata": _texts(self.trace_metadata),
            "tags": _texts(self.tags),
            "assessments": [each.to_dictionary() for each in self.assessments],
        }
        return {name: value for name, value in fields.items() if value not in (None, {}, [])}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> TraceInfo:
        """The info in MLflow's trace JSON, of schema 3 or 2.

        Raises:
            InvalidTypeError: it is not a dictionary.
            InvalidValueError: something is missing, or of a wrong kind.
        """
        if not isinstance(d, dict):
            raise InvalidTypeError(
                f"TraceInfo.from_dict() expects a dictionary. Got: {type(d).__name__}"
            )
        try:
            return _from_2(d) if "request_id" in d else _from_3(d)
        except Exception as error:
            # Whatever it is that the dictionary lacks.
            raise InvalidValueError(
                "Failed to create a TraceInfo object from the given dictionary: "
                f"{type(error).__name__}: {error}"
            ) from error

    def to_proto(self) -> Any:
        """A ``TraceInfoV3`` of MLflow's protobuf; in Unity Catalog, Databricks' own ``TraceInfo``.

        As in MLflow, keys and metadata are cut off after 250 characters and tags after 4,096.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        with loading:
            from tracetape.formats.mlflow_proto import info_to_proto

        return info_to_proto(self.to_dict())

    @classmethod
    def from_proto(cls, proto: Any) -> TraceInfo:
        """The info of such a message, or of MLflow 2's ``TraceInfo``."""
        with loading:
            from tracetape.formats.mlflow_proto import info_from_proto

        return cls.from_dict(info_from_proto(proto))

    def _amounts(self, key: str) -> dict[str, Any] | None:
        text = self.trace_metadata.get(key)
        try:
            given = json.loads(text) if text else None
        except (TypeError, ValueError, RecursionError):  # someone's own words
            return None
        if not isinstance(given, dict):
            return None
        return {k: v for k, v in given.items() if type(v) in (int, float)}


def location_of(experiment_id: str | None) -> TraceLocation:
    """The location of a trace in an MLflow experiment; without one, in MLflow's default one."""
    # Loaded here: half a dozen dataclasses that a program which only records never needs.
    with loading:
        from tracetape.entities.trace_location import TraceLocation

    return TraceLocation.from_experiment_id(
        DEFAULT_EXPERIMENT if experiment_id is None else experiment_id
    )


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {text_of(key): text_of(value) for key, value in values.items()}


def _from_3(data: dict[str, Any]) -> TraceInfo:
    with loading:
        from tracetape.entities.trace_location import TraceLocation

    location = data.get("trace_location")
    duration = data.get("execution_duration_ms")
    return TraceInfo(
        trace_id=data["trace_id"],
        trace_location=TraceLocation.from_dict(location) if location else location_of(None),
        request_time=milliseconds_of(data["request_time"]),
        state=TraceState(data.get("state") or TraceState.STATE_UNSPECIFIED),
        request_preview=data.get("request_preview"),
        response_preview=data.get("response_preview"),
        client_request_id=data.get("client_request_id"),
        execution_duration=None if duration is None else int(duration),
        trace_metadata=dict(data.get("trace_metadata") or {}),
        tags=dict(data.get("tags") or {}),
        assessments=_assessments(data),
    )


def _from_2(data: dict[str, Any]) -> TraceInfo:
    status = data["status"]
    return TraceInfo(
        trace_id=data["request_id"],
        trace_location=location_of(data["experiment_id"]),
        request_time=data["timestamp_ms"],
        state=(
            TraceState.STATE_UNSPECIFIED
            if status == "TRACE_STATUS_UNSPECIFIED"
            else TraceState(status)
        ),
        execution_duration=data.get("execution_time_ms"),
        trace_metadata=dict(data.get("request_metadata") or {}),
        tags=dict(data.get("tags") or {}),
        assessments=_assessments(data),
    )


def _assessments(data: dict[str, Any]) -> list[Assessment]:
    given = data.get("assessments")
    if not given:
        return []
    with loading:
        from tracetape.entities.assessment import Assessment

    return [Assessment.from_dictionary(each) for each in given]
