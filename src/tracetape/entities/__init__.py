"""What users hold: spans, traces, events, statuses, documents."""

from tracetape.entities.constants import SpanStatusCode, SpanType, TraceState
from tracetape.entities.document import Document
from tracetape.entities.event import SpanEvent
from tracetape.entities.live_span import LiveSpan, NoOpSpan
from tracetape.entities.span import Span
from tracetape.entities.status import SpanStatus
from tracetape.entities.trace import Trace, TraceData, TraceInfo

__all__ = [
    "Document",
    "LiveSpan",
    "NoOpSpan",
    "Span",
    "SpanEvent",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceState",
]
