"""Traces as they are now: what is still in memory, over what the store has."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tracetape.entities import Span, Trace, TraceData, TraceInfo, TraceState
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.live.summary import summarise
from tracetape.recorder.pipeline import frozen_record
from tracetape.recorder.surroundings import whereabouts
from tracetape.store import Store

__all__ = ["read_trace"]


def read_trace(
    number: int,
    live_traces: Iterable[LiveTrace],
    store: Callable[[], Store],
    changes: Iterable[TraceDetails | None] = (),
) -> Trace | None:
    """A copy of the trace with this 128-bit id; None if there is none.

    Args:
        number: the id.
        live_traces: those in memory.
        store: gives the one that has the others, and what is written of these; asked after memory.
        changes: recent changes of the trace, and may not be written yet.
    """
    # Memory before the store: a span that is written in between is then seen twice, not never.
    spans: dict[int, SpanRecord] = {}
    details = TraceDetails()
    for live in live_traces:
        if live.trace_id == number:
            records = [frozen_record(span) for span in live.unsettled()]
            spans.update((one.span_id, one) for one in records)
            details = live.details or details
    stored = store().get_trace(number)
    if not spans:
        if stored is not None:
            for change in changes:
                _say(stored.info, change)
        return stored
    if stored is not None:
        written = [record_of(span) for span in stored.data.spans]
        spans = {one.span_id: one for one in written} | spans
    data = TraceData([Span(one) for one in spans.values()])
    info = summarise(number, [record_of(span) for span in data.spans])
    info.trace_metadata.update(whereabouts())
    if stored is not None:
        # Earlier changes of it; they are newer than what the spans have.
        info.tags = {**info.tags, **stored.info.tags}
        info.trace_metadata = {**stored.info.trace_metadata, **info.trace_metadata}
        info.client_request_id = stored.info.client_request_id
        info.assessments = stored.info.assessments
    for said in (details, *changes):
        _say(info, said)
    return Trace(info, data)


def _say(info: TraceInfo, details: TraceDetails | None) -> None:
    if details is None:
        return
    for key, value in details.tags.items():
        if value is None:
            info.tags.pop(key, None)
        else:
            info.tags[key] = value
    for key, text in details.metadata.items():
        if text is None:
            info.trace_metadata.pop(key, None)
        else:
            info.trace_metadata[key] = text
    info.client_request_id = details.client_request_id or info.client_request_id
    info.request_preview = details.request_preview or info.request_preview
    info.response_preview = details.response_preview or info.response_preview
    if details.state is not None and info.state is not TraceState.IN_PROGRESS:
        info.state = details.state
