"""The record of a span: what is written of it, as numbers, texts and JSON."""

from __future__ import annotations

from typing import Any

from tracetape.entities.status import SpanStatus

__all__ = ["SpanRecord"]


class SpanRecord:
    """One span at one moment: frozen from a live one, or read from a store or a file.

    The writing thread, the store and the formats take it; `Span` shows it to users. Nobody
    changes a record: `replace` gives another one.

    Attributes:
        trace_id, span_id, parent_id: 128-bit and 64-bit ids; a root has no parent.
        name, span_type: as the program gave them.
        start_time_ns, end_time_ns: ns since the epoch; no end while it is open.
        inputs, outputs: JSON.
        attributes: JSON as bytes; plain scalars, which cannot change, as they are.
        fields: neutral fields that integrations set (`names.py`), as JSON-able values.
        events: (name, ns since the epoch, attributes as JSON).
        status: the outcome.
        links: spans of other traces, as JSON-able values.
        foreign_trace_id: the trace's id where it was made, if that was not tracetape.
    """

    __slots__ = (
        "attributes",
        "end_time_ns",
        "events",
        "fields",
        "foreign_trace_id",
        "inputs",
        "links",
        "name",
        "outputs",
        "parent_id",
        "span_id",
        "span_type",
        "start_time_ns",
        "status",
        "trace_id",
    )

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
        links: list[dict[str, Any]] | None = None,
        foreign_trace_id: str | None = None,
    ) -> None:
        """Hold these values."""
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.name = name
        self.span_type = span_type
        self.start_time_ns = start_time_ns
        self.end_time_ns = end_time_ns
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
        self.fields = fields
        self.events = events
        self.status = status
        self.links = links
        self.foreign_trace_id = foreign_trace_id

    def replace(self, **changes: Any) -> SpanRecord:
        """The same record with other values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return SpanRecord(**{**values, **changes})
