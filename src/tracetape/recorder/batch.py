"""Ended spans, grouped by trace, as the updates that a store keeps."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from tracetape._system import wall_clock_ns
from tracetape.diagnostics import internal_error
from tracetape.entities.attachment import Attachment
from tracetape.entities.constants import SpanStatusCode
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.live.liveness import PROCESS, SEEN, signs_of_life
from tracetape.live.protection import concealed_values, protected, secrets_of_trace
from tracetape.live.summary import preview, root_metadata, state_of
from tracetape.recorder.inherited import Inherited
from tracetape.recorder.sums import Sum
from tracetape.recorder.surroundings import whereabouts
from tracetape.store import TraceUpdate

__all__ = ["LONG_OPEN_NS", "Batch", "make_batch", "make_beats", "new_sums"]

LONG_OPEN_NS = 1_000_000_000  # a span that is open for longer is written as open
_MOST_OPENED = 2000  # of these in one batch; the next one takes others


@dataclass
class Batch:
    """The updates of one transaction."""

    updates: list[TraceUpdate] = field(default_factory=list)
    opened: list[LiveSpan] = field(default_factory=list)
    unreadable: list[LiveSpan] = field(default_factory=list)


def make_batch(
    ended: list[LiveSpan], open_traces: Iterable[LiveTrace], shown: Container[int]
) -> Batch:
    """A batch of `ended` spans, and of those that have been open for long.

    Args:
        ended: spans to write.
        open_traces: where to look for long-open spans.
        shown: ids of spans that were written as open before.

    Returns:
        The updates; the ended spans of a trace that cannot be read are in `unreadable`.
    """
    by_trace: dict[LiveTrace, tuple[list[LiveSpan], list[LiveSpan]]] = {}
    for span in ended:
        by_trace.setdefault(span._trace, ([], []))[0].append(span)
    opened = [span for trace in open_traces for span in _long_open(trace, shown)][:_MOST_OPENED]
    # A reader must be able to tell whose an unfinished trace is, and where in it a span belongs.
    known = {span._span_id for span in opened}
    for trace, (ended_here, _) in by_trace.items():
        opened += [s for s in _open_above(trace, ended_here, shown) if s._span_id not in known]
    for span in opened:
        by_trace.setdefault(span._trace, ([], []))[1].append(span)
    batch = Batch(opened=opened)
    for ended_here, opened_here in by_trace.values():
        try:
            batch.updates.append(_update(ended_here, opened_here))
        except Exception:  # noqa: BLE001 - a trace must not take others of its batch along
            internal_error("reading a trace's spans")
            _read_singly(batch, ended_here)
    return batch


def _read_singly(batch: Batch, ended: list[LiveSpan]) -> None:
    """A span that cannot be read must not take others of its trace along."""
    readable = []
    for span in ended if len(ended) > 1 else ():
        try:
            span.to_immutable_span({})
            readable.append(span)
        except Exception:  # noqa: BLE001, S112 - the fault was reported
            continue
    try:
        if readable:
            update = _update(readable, [])
            root = readable[0]._trace.root
            if root is not None and root in ended and root not in readable:
                update.end_ns, update.state = root._end, state_of(root)  # it has ended
            batch.updates.append(update)
    except Exception:  # noqa: BLE001 - it is not the spans themselves that cannot be read
        internal_error("reading a trace's spans")
        readable = []
    kept = set(map(id, readable))
    batch.unreadable += [span for span in ended if id(span) not in kept]


def _long_open(trace: LiveTrace, shown: Container[int]) -> list[LiveSpan]:
    deadline = wall_clock_ns() - LONG_OPEN_NS
    return [
        span
        for span in trace.unsettled()
        if span._end is None and span._start < deadline and span._span_id not in shown
    ]


def _open_above(trace: LiveTrace, ended: list[LiveSpan], shown: Container[int]) -> list[LiveSpan]:
    """The open spans above `ended` that were not written yet.

    Those of a trace that another process began, or goes on with, are its to write.
    """
    root = trace.root
    if root is None or root._end is not None or root._parent_id is not None:
        return []
    if isinstance(trace.sink, Inherited):
        return []
    spans = {span._span_id: span for span in trace.unsettled()}
    found: dict[int, LiveSpan] = {}
    for span in ended:
        above = span._parent_id
        while above is not None and above in spans and above not in found:
            found[above] = spans[above]
            above = spans[above]._parent_id
    return [s for s in found.values() if s._end is None and s._span_id not in shown]


def _update(ended: list[LiveSpan], opened: list[LiveSpan]) -> TraceUpdate:
    # An open one may end at any moment: it is counted when it comes out of the queue.
    spans = ended + opened
    trace = spans[0]._trace
    attachments: dict[str, Attachment] = {}
    update = TraceUpdate(
        trace_id=trace.trace_id,
        start_ns=min(span._start for span in spans),
        spans=[span.to_immutable_span(attachments) for span in spans],
        span_count=len(ended),
        error_count=sum(span._status.status_code is SpanStatusCode.ERROR for span in ended),
        attachments=attachments,
        sums=new_sums(trace, ended),
    )
    root, details = trace.root, _concealed(trace)
    update.details = None if trace.details is None else details
    update.request_preview = details.request_preview
    update.response_preview = details.response_preview
    update.is_part = root is None or root._parent_id is not None
    if root is not None:
        shown = next((s for s in update.spans if s._span_id == root._span_id), None)
        shown = protected(root) if shown is None else shown
        update.name = shown._name
        update.request_preview = details.request_preview or preview(shown._inputs)
        if any(span is root for span in ended):
            update.state = details.state or state_of(root)
            update.end_ns = shown._end
            update.response_preview = details.response_preview or preview(
                shown._outputs, "assistant"
            )
            metadata = {**whereabouts(), **root_metadata(shown), **details.metadata}
            if trace.shown:
                metadata.update({PROCESS: None, SEEN: None})
            update.details = _with_metadata(details, metadata)
            return update
    if opened:
        trace.shown = True
        metadata = {**whereabouts(), **details.metadata, **signs_of_life()}
        update.details = _with_metadata(details, metadata)
    return update


def _with_metadata(details: TraceDetails, metadata: dict[str, str | None]) -> TraceDetails:
    new = TraceDetails()
    new.__dict__.update(vars(details), metadata=metadata)  # `replace` takes ten times as long
    return new


def _concealed(trace: LiveTrace) -> TraceDetails:
    """Details of a trace without secrets that became known after they were set."""
    details = trace.details or TraceDetails()
    secrets = secrets_of_trace(trace)
    if not secrets:
        return details
    said = vars(details)
    hidden = concealed_values(said, secrets)
    if hidden is said:
        return details
    if trace.shown:  # a name that was written before it was known to hold one goes
        for name in ("tags", "metadata"):
            gone = dict.fromkeys(said[name].keys() - hidden[name].keys())
            hidden[name] = {**gone, **hidden[name]}
    return TraceDetails(**hidden)


def make_beats(live: Iterable[LiveTrace]) -> list[TraceUpdate]:
    """That the process lives, for each trace of which something was written as open."""
    return [
        TraceUpdate.of_details(trace.trace_id, TraceDetails(metadata={**signs_of_life()}))
        for trace in live
        if trace.shown and any(span._end is None for span in trace.unsettled())
    ]


def new_sums(trace: LiveTrace, ended: list[LiveSpan]) -> dict[str, float]:
    """The changes that `ended` make in the sums of their trace, once they are written."""
    return {**_new_sum(trace, ended, "usage"), **_new_sum(trace, ended, "cost")}


def _new_sum(trace: LiveTrace, ended: list[LiveSpan], kind_of: str) -> dict[str, float]:
    """The change that `ended` make in the trace's tokens (``usage``) or in its ``cost``.

    A parent ends after its children: when it brings a sum of its own, theirs are taken back.
    """
    new = [
        (span._span_id, _ids_above(span), dict(span._fields[kind_of]))
        for span in ended
        if span._fields and span._fields.get(kind_of)
    ]
    if not new and kind_of not in (trace.sums or ()):
        return {}
    if trace.sums is None:
        trace.sums = {}
    known: Sum = trace.sums.setdefault(kind_of, Sum())
    return known.add(new)


def _ids_above(span: LiveSpan) -> tuple[int, ...]:
    ids = []
    above = span._previous
    while above is not None:
        if isinstance(above, LiveSpan):  # and no scope
            ids.append(above._span_id)
        above = above._previous
    return tuple(ids)
