"""Making, reading and steering spans and traces."""

from tracetape.tracing.configuration import configure, flush, stats
from tracetape.tracing.decorator import trace
from tracetape.tracing.reading import get_last_active_trace_id, get_trace
from tracetape.tracing.spans import get_current_active_span, start_span

__all__ = [
    "configure",
    "flush",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "start_span",
    "stats",
    "trace",
]
