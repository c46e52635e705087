"""A finished span, as users hold it: read-only, its values decoded on access."""

from __future__ import annotations

from typing import Any

from tracetape.capture import decode, encode
from tracetape.entities.event import SpanEvent
from tracetape.entities.names import (
    NAME_OF_FIELD,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
)
from tracetape.entities.status import SpanStatus

__all__ = ["Span", "span_id_text", "trace_id_text"]

_MUTATORS = {"add_event", "add_link", "end", "record_exception"}


def trace_id_text(trace_id: int) -> str:
    """A 128-bit trace id as MLflow shows it: ``tr-`` and 32 hexadecimal digits."""
    return f"tr-{trace_id:032x}"


def span_id_text(span_id: int) -> str:
    """A 64-bit span id as 16 hexadecimal digits."""
    return f"{span_id:016x}"


class Span:
    """One timed step of a trace.

    Inputs, outputs and attributes are kept as JSON and decoded anew on each access, so that
    changing what an accessor returned changes nothing that was recorded.
    """

    __slots__ = (
        "_attributes",
        "_end",
        "_events",
        "_fields",
        "_inputs",
        "_name",
        "_outputs",
        "_parent_id",
        "_span_id",
        "_start",
        "_status",
        "_trace_id",
        "_type",
    )

    _trace_id: int
    _span_id: int
    _parent_id: int | None
    _name: str
    _type: str
    _start: int
    _end: int | None
    _inputs: bytes | None
    _outputs: bytes | None
    # JSON as bytes; plain scalars, which cannot change, as they are.
    _attributes: dict[str, Any] | None
    # Neutral fields that integrations set (`names.py`), as JSON-able values.
    _fields: dict[str, Any] | None
    # (name, ns since the epoch, attributes as JSON)
    _events: list[tuple[str, int, bytes]] | None
    _status: SpanStatus

    def __init__(
        self,
        *,
        trace_id: int,
        span_id: int,
        parent_id: int | None,
        name: str,
        span_type: str,
        start_time_ns: int,
        end_time_ns: int | None,
        inputs: bytes | None,
        outputs: bytes | None,
        attributes: dict[str, Any] | None,
        fields: dict[str, Any] | None,
        events: list[tuple[str, int, bytes]] | None,
        status: SpanStatus,
    ) -> None:
        """Internal: stores and live spans make spans; `inputs` and `outputs` are JSON."""
        self._trace_id = trace_id
        self._span_id = span_id
        self._parent_id = parent_id
        self._name = name
        self._type = span_type
        self._start = start_time_ns
        self._end = end_time_ns
        self._inputs = inputs
        self._outputs = outputs
        self._attributes = attributes
        self._fields = fields
        self._events = events
        self._status = status

    @property
    def trace_id(self) -> str:
        """Id of the trace: ``tr-`` and 32 hexadecimal digits."""
        return trace_id_text(self._trace_id)

    @property
    def span_id(self) -> str:
        """Id of the span: 16 hexadecimal digits."""
        return span_id_text(self._span_id)

    @property
    def parent_id(self) -> str | None:
        """Id of the parent span; None for a root."""
        return None if self._parent_id is None else span_id_text(self._parent_id)

    @property
    def name(self) -> str:
        """The span's name."""
        return self._name

    @property
    def span_type(self) -> str:
        """One of `SpanType`, or any other string."""
        return self._type

    @property
    def start_time_ns(self) -> int:
        """When it began, in nanoseconds since the epoch."""
        return self._start

    @property
    def end_time_ns(self) -> int | None:
        """When it ended, in nanoseconds since the epoch; None while it is open."""
        return self._end

    @property
    def duration_ns(self) -> int | None:
        """How long it took, in nanoseconds; None while it is open."""
        return None if self._end is None else self._end - self._start

    @property
    def status(self) -> SpanStatus:
        """Outcome; a finished span is OK or ERROR."""
        return SpanStatus(self._status.status_code, self._status.description)

    @property
    def inputs(self) -> Any:
        """What went in, as JSON values."""
        return decode(self._inputs)

    @property
    def outputs(self) -> Any:
        """What came out, as JSON values."""
        return decode(self._outputs)

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes as JSON values, MLflow's reserved names among them."""
        merged: dict[str, Any] = {TRACE_ID: self.trace_id, SPAN_TYPE: self._type}
        if self._inputs is not None:
            merged[SPAN_INPUTS] = decode(self._inputs)
        if self._outputs is not None:
            merged[SPAN_OUTPUTS] = decode(self._outputs)
        for field, value in (self._fields or {}).items():
            merged[NAME_OF_FIELD[field]] = decode(encode(value))
        for key, value in (self._attributes or {}).items():
            merged[key] = decode(value if type(value) is bytes else encode(value))
        return merged

    def get_attribute(self, key: str) -> Any:
        """One attribute by name, reserved ones too; None if it is not set."""
        return self.attributes.get(key)

    @property
    def events(self) -> list[SpanEvent]:
        """What happened meanwhile, in order."""
        return [SpanEvent(name, at, decode(data)) for name, at, data in self._events or ()]

    @property
    def model_name(self) -> str | None:
        """The model that answered, or else the one asked for."""
        fields = self._fields or {}
        model: str | None = fields.get("model") or fields.get("request_model")
        return model

    @property
    def provider(self) -> str | None:
        """Who serves the model, such as ``openai`` or ``databricks``."""
        return (self._fields or {}).get("provider")

    @property
    def token_usage(self) -> dict[str, int] | None:
        """Tokens: ``input_tokens`` (cached ones included), ``output_tokens``, ``total_tokens``.

        And where the provider said so ``cache_read_input_tokens``,
        ``cache_creation_input_tokens``, ``reasoning_tokens``. None if it said nothing.
        """
        usage = (self._fields or {}).get("usage")
        return dict(usage) if usage else None

    @property
    def time_to_first_token_ns(self) -> int | None:
        """From the call to the first streamed chunk, in nanoseconds; None without a stream."""
        return (self._fields or {}).get("time_to_first_token_ns")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("set_") or name in _MUTATORS:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{name}': a finished span is "
                f"read-only. Call '{name}' on the LiveSpan, before it ends."
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={self._name!r}, trace_id={self.trace_id!r}, "
            f"span_id={self.span_id!r}, parent_id={self.parent_id!r})"
        )
