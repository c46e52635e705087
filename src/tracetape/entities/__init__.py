"""What users hold: spans, traces, events, statuses, documents."""

from tracetape.entities.constants import SpanStatusCode, SpanType, TraceState
from tracetape.entities.document import Document
from tracetape.entities.event import SpanEvent
from tracetape.entities.link import Link
from tracetape.entities.live_span import LiveSpan, NoOpSpan
from tracetape.entities.log_level import SpanLogLevel
from tracetape.entities.span import Span
from tracetape.entities.status import SpanStatus
from tracetape.entities.trace import Trace, TraceData, TraceInfo

__all__ = [
    "Document",
    "Link",
    "LiveSpan",
    "NoOpSpan",
    "Span",
    "SpanEvent",
    "SpanLogLevel",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceState",
]
