"""Running traces and their spans, by id."""

from __future__ import annotations

from tracetape.entities import LiveSpan
from tracetape.entities.span import record_of
from tracetape.exceptions import TracetapeException
from tracetape.live.live_trace import LiveTrace
from tracetape.live.running_span import is_open, trace_of
from tracetape.tracing.reading import number_of
from tracetape.tracing.runtime import runtime

__all__ = ["parent_of", "running_traces"]


def running_traces(trace_id: str) -> list[LiveTrace]:
    """The running parts of a trace in this process, below several remote parents."""
    number = number_of(trace_id)
    return [trace for trace in list(runtime.recorder.live) if trace.trace_id == number]


def parent_of(trace_id: str, parent_id: str) -> tuple[LiveSpan, int]:
    """A span of the running trace, and the number of the one that is asked for.

    Raises:
        TracetapeException: the trace does not run here, or has no such span.
    """
    spans = [span for trace in running_traces(trace_id) for span in trace.unsettled()]
    near = next((span for span in spans if is_open(span)), None)
    if near is not None:  # else the trace has ended
        for span in spans:
            if span.span_id == parent_id:
                return span, record_of(span).span_id
        # It has ended and is written: only the store knows it still.
        trace = runtime.recorder.read(trace_of(near).trace_id)
        for written in () if trace is None else trace.data.spans:
            if written.span_id == parent_id:
                return near, record_of(written).span_id
    raise TracetapeException(f"Parent span with ID '{parent_id}' not found.")
