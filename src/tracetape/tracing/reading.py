"""Reading traces back: what is still in memory, and the store."""

from __future__ import annotations

import re

from tracetape.diagnostics import logger
from tracetape.entities import Span, Trace, TraceData
from tracetape.entities.summary import summarise
from tracetape.recorder import Recorder
from tracetape.tracing.runtime import runtime

__all__ = ["get_last_active_trace_id", "get_trace", "read_trace"]

_TRACE_ID = re.compile(r"(?:tr-)?([0-9a-f]{32})", re.IGNORECASE)


def get_last_active_trace_id() -> str | None:
    """Id of the trace whose root span ended last in this process; None before any."""
    root = runtime.recorder.last_root
    return None if root is None else root.trace_id


def get_trace(trace_id: str, silent: bool = False, flush: bool = False) -> Trace | None:
    """A trace by its id: as soon as its root has ended, and also while it runs.

    The result is a copy: changing it changes nothing that is stored. After
    ``mlflow.get_trace``, which gives None for a running trace.

    Args:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        silent: no warning for an unknown id.
        flush: wait until everything that has ended is written.

    Returns:
        The trace, or None with one warning if there is none with this id.

    Raises:
        StoreError: the store cannot be read.
    """
    match = _TRACE_ID.fullmatch(str(trace_id))
    recorder = runtime.recorder
    if flush:
        recorder.flush()
    trace = None if match is None else read_trace(recorder, int(match[1], 16))
    if trace is None and not silent:
        logger.warning("There is no trace with the id %r in %s.", trace_id, recorder.store.url)
    return trace


def read_trace(recorder: Recorder, number: int) -> Trace | None:
    """The trace with this 128-bit id: what `recorder` still holds, and what its store has."""
    # Memory before the store: a span that is written in between is then seen twice, not never.
    spans: dict[int, Span] = {
        span._span_id: span.to_immutable_span()
        for live in list(recorder.live)
        if live.trace_id == number
        for span in list(live.spans.values())
    }
    stored = recorder.store.get_trace(number)
    if not spans:
        return stored
    if stored is not None:
        spans = {span._span_id: span for span in stored.data.spans} | spans
    data = TraceData(list(spans.values()))
    return Trace(summarise(number, data.spans), data)
