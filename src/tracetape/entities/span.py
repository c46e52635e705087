"""A finished span, as users hold it: read-only, its values decoded on access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tracetape._lazy import loading
from tracetape.capture import decode, encode
from tracetape.entities.event import SpanEvent
from tracetape.entities.span_record import SpanRecord
from tracetape.entities.status import SpanStatus, status_of
from tracetape.exceptions import InvalidValueError
from tracetape.formats.ids import span_id_text, trace_id_text
from tracetape.formats.names import (
    LOG_LEVEL,
    NAME_OF_FIELD,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
)

# Readers only need these: a program that makes spans does not load them.
if TYPE_CHECKING:
    from tracetape.entities.link import Link
    from tracetape.entities.log_level import SpanLogLevel

__all__ = ["Span", "record_of", "span_id_text", "trace_id_text"]

_T = TypeVar("_T")
_MUTATORS = {"add_event", "add_link", "end", "record_exception"}


class Span:
    """One timed step of a trace.

    Inputs, outputs and attributes are kept as JSON and decoded again on each access, so that
    changing what an accessor returned changes nothing that was recorded. Finished spans are equal
    if all that they hold is, and can be members of sets; live spans are equal to themselves only.
    """

    __slots__ = ("_record",)

    _record: SpanRecord

    def __init__(self, record: SpanRecord) -> None:
        """Internal: stores and live spans make spans."""
        self._record = record

    @property
    def trace_id(self) -> str:
        """Id of the trace: ``tr-`` and 32 hexadecimal digits.

        Spans that were loaded from elsewhere keep what is there, such as MLflow 2's own ids.
        """
        foreign = self._record.foreign_trace_id
        return trace_id_text(self._record.trace_id) if foreign is None else foreign

    @property
    def request_id(self) -> str:
        """Deprecated: use `trace_id`."""
        return self.trace_id

    @property
    def span_id(self) -> str:
        """Id of the span: 16 hexadecimal digits."""
        return span_id_text(self._record.span_id)

    @property
    def parent_id(self) -> str | None:
        """Id of the parent span; None for a root."""
        parent = self._record.parent_id
        return None if parent is None else span_id_text(parent)

    @property
    def name(self) -> str:
        """The span's name."""
        return self._record.name

    @property
    def span_type(self) -> str:
        """One of `SpanType`, or any other string."""
        return self._record.span_type

    @property
    def start_time_ns(self) -> int:
        """When it began, in nanoseconds since the epoch."""
        return self._record.start_time_ns

    @property
    def end_time_ns(self) -> int | None:
        """When it ended, in nanoseconds since the epoch; None while it is open."""
        return self._record.end_time_ns

    @property
    def duration_ns(self) -> int | None:
        """How long it took, in nanoseconds; None while it is open."""
        record = self._record
        end = record.end_time_ns
        return None if end is None else end - record.start_time_ns

    @property
    def status(self) -> SpanStatus:
        """Outcome; a finished span is OK or ERROR."""
        status = self._record.status
        return SpanStatus(status.status_code, status.description)

    @property
    def inputs(self) -> Any:
        """The inputs, as JSON values."""
        return decode(self._record.inputs)

    @property
    def outputs(self) -> Any:
        """The outputs, as JSON values."""
        return decode(self._record.outputs)

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes as JSON values, MLflow's reserved names among them."""
        return {key: _decoded(value) for key, value in self._named_values().items()}

    def get_attribute(self, key: str) -> Any:
        """One attribute by name, reserved ones too; None if it is not set."""
        if key == SPAN_INPUTS:
            return self.inputs
        if key == SPAN_OUTPUTS:
            return self.outputs
        return _decoded(self._named_values(large=False).get(key))

    def _named_values(self, large: bool = True) -> dict[str, Any]:
        """All attributes by MLflow's names: JSON as bytes, or a value that JSON can be made of.

        Without inputs and outputs if not `large`.
        """
        record = self._record
        merged: dict[str, Any] = {TRACE_ID: self.trace_id, SPAN_TYPE: record.span_type}
        if large and record.inputs is not None:
            merged[SPAN_INPUTS] = record.inputs
        if large and record.outputs is not None:
            merged[SPAN_OUTPUTS] = record.outputs
        for field, value in (record.fields or {}).items():
            if field in NAME_OF_FIELD:
                merged[NAME_OF_FIELD[field]] = encode(value) if type(value) is bytes else value
        if record.attributes:
            merged.update(record.attributes)
        return merged

    @property
    def events(self) -> list[SpanEvent]:
        """The events of the span, in order."""
        return [SpanEvent(name, at, decode(data)) for name, at, data in self._record.events or ()]

    @property
    def links(self) -> list[Link]:
        """Spans of other traces that this one has to do with."""
        given = self._record.links
        if not given:
            return []
        with loading:
            from tracetape.entities.link import Link

        found = []
        for link in given:
            try:
                found.append(Link.from_dict(decode(encode(link))))
            except (AttributeError, LookupError, TypeError, ValueError):  # none that we made
                continue
        return found

    def _field(self, name: str, kind: type[_T]) -> _T | None:
        """A neutral field; None also for what is of another kind, such as a user's own words."""
        value = (self._record.fields or {}).get(name)
        return value if isinstance(value, kind) else None

    def _amounts(self, name: str) -> dict[str, Any] | None:
        given = self._field(name, dict) or {}
        return {k: v for k, v in given.items() if type(v) in (int, float)} or None

    @property
    def log_level(self) -> SpanLogLevel | None:
        """How important it is.

        The program's level; else, when the span has ended, INFO for calls of models, tools,
        retrievers and agents, DEBUG for all others, and ERROR after an exception.
        None while the span is open, and for spans from elsewhere that say nothing.
        """
        with loading:
            from tracetape.entities.log_level import SpanLogLevel

        level = (self._record.fields or {}).get(LOG_LEVEL)
        try:
            return None if level is None else SpanLogLevel(level)
        except ValueError:  # set as an attribute, which takes any value
            return None

    @property
    def description(self) -> str | None:
        """The program's description of the span; None if it gave none."""
        return self._field("description", str)

    @property
    def model_name(self) -> str | None:
        """The model that answered, or else the one asked for."""
        return self._field("model", str) or self._field("request_model", str)

    @property
    def provider(self) -> str | None:
        """The provider of the model, such as ``openai`` or ``databricks``."""
        return self._field("provider", str)

    @property
    def token_usage(self) -> dict[str, int] | None:
        """Tokens: ``input_tokens`` (cached ones included), ``output_tokens``, ``total_tokens``.

        And where the provider gives them ``cache_read_input_tokens``,
        ``cache_creation_input_tokens``, ``reasoning_tokens``. None if it gives none.
        """
        return self._amounts("usage")

    @property
    def llm_cost(self) -> dict[str, float] | None:
        """Costs in US dollars: ``input_cost``, ``output_cost``, ``total_cost``; None if unknown."""
        return self._amounts("cost")

    @property
    def time_to_first_token_ns(self) -> int | None:
        """From the call to the first streamed chunk, in nanoseconds; None without a stream."""
        return self._field("time_to_first_token_ns", int)

    def to_dict(self) -> dict[str, Any]:
        """The span as MLflow's trace JSON has it (schema 3): ids in base64, attributes as JSON."""
        with loading:
            from tracetape.formats.mlflow_json import span_to_dict

        record = self._record
        return span_to_dict(
            trace_id=record.trace_id,
            span_id=record.span_id,
            parent_id=record.parent_id,
            name=record.name,
            times=(record.start_time_ns, record.end_time_ns),
            status=(record.status.status_code.value, record.status.description),
            events=record.events or (),
            named=self._named_values(),
            links=[link.to_dict() for link in self.links],
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Span:
        """The span of a dictionary in MLflow's trace JSON, of schema 3 or 2.

        Raises:
            InvalidValueError: it is not such a dictionary, or its ids are missing.
        """
        with loading:
            from tracetape.formats.mlflow_json import span_values

        try:
            return cls._of(span_values(data))
        except Exception as error:
            # Whatever it is that the dictionary lacks.
            raise InvalidValueError(
                "Failed to create a Span object from the given dictionary: "
                f"{type(error).__name__}: {error}"
            ) from error

    def to_otel_proto(self) -> Any:
        """The span as a message of OpenTelemetry's protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        with loading:
            from tracetape.formats.otel import span_to_proto

        record = self._record
        return span_to_proto(
            trace_id=record.trace_id,
            span_id=record.span_id,
            parent_id=record.parent_id,
            name=self.name,
            times=(self.start_time_ns, self.end_time_ns),
            status=(self.status.status_code.value, self.status.description),
            attributes=self.attributes,
            events=[(each.name, each.timestamp, each.attributes) for each in self.events],
            links=[(each.trace_id, each.span_id, each.attributes) for each in self.links],
        )

    @classmethod
    def from_otel_proto(
        cls,
        otel_proto_span: Any,
        location_id: str | None = None,
        *,
        preserve_request_id: bool = False,
        resource: Any = None,
    ) -> Span:
        """The span of a message of OpenTelemetry's protobuf.

        Args:
            otel_proto_span: an ``opentelemetry.proto.trace.v1.trace_pb2.Span``.
            location_id: where the trace is in Unity Catalog, which its id then names.
            preserve_request_id: the trace has the id of the attribute ``mlflow.traceRequestId``,
                if the message has one; else the id is the message's own.
            resource: no meaning here: a span does not keep who sent it.

        Raises:
            InvalidValueError: it has no ids.
        """
        with loading:
            from tracetape.formats.otel import values_from_proto

        del resource
        return cls._of(values_from_proto(otel_proto_span, location_id, preserve_request_id))

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Span:
        """The span of plain values; its status is a code's name and a description."""
        return cls(SpanRecord(**{**values, "status": status_of(*values["status"])}))

    def __eq__(self, other: object) -> bool:
        if type(self) is not Span or type(other) is not Span:
            return NotImplemented
        return self is other or _content(self) == _content(other)

    def __hash__(self) -> int:
        return hash((self._record.trace_id, self._record.span_id))

    # With `__getitem__` alone `iter(span)` and `"x" in span` would seem to work.
    __iter__ = None

    def __getitem__(self, item: Any) -> NoReturn:
        hint = (
            "Use attribute access instead, e.g. `span.inputs`, `span.outputs`, "
            "or `span.attributes`."
        )
        if isinstance(item, str):
            if item.isidentifier() and not item.startswith("_") and item in dir(self):
                hint = f"Use attribute access instead, e.g. `span.{item}`."
            elif item in self.attributes:
                hint = (
                    f"To access span attributes, use `span.get_attribute({item!r})` "
                    f"or `span.attributes[{item!r}]`."
                )
        raise TypeError(f"'{type(self).__name__}' object is not subscriptable. {hint}")

    def __getattr__(self, name: str) -> Any:
        hint = ""
        if name == "get":
            hint = (
                "; a span is not a dict. Use attribute access such as `span.name`, `span.inputs`, "
                "`span.outputs`, or `span.attributes`, or `span.get_attribute(key)` for a span "
                "attribute."
            )
        elif name.startswith("set_") or name in _MUTATORS:
            hint = f": a finished span is read-only. Call '{name}' on the LiveSpan, before it ends."
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self.name!r}, trace_id={self.trace_id!r}, "
            f"span_id={self.span_id!r}, parent_id={self.parent_id!r})"
        )


def _decoded(value: Any) -> Any:
    if value is None or (type(value) is str and value.isascii()):
        return value
    return decode(value if type(value) is bytes else encode(value))


def record_of(span: Span) -> SpanRecord:
    """The record that a span shows; of a live span, what it holds now, as a copy."""
    return span._record


def _content(span: Span) -> tuple[Any, ...]:
    record = span._record
    # Attributes hold inputs, outputs, type and the trace's id, too.
    return (
        record.span_id,
        record.parent_id,
        record.name,
        record.start_time_ns,
        record.end_time_ns,
        record.status,
        span.events,
        span.links,
        span.attributes,
    )
