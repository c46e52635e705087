"""Ended spans, grouped by trace, as the updates that a store keeps."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from tracetape._system import wall_clock_ns
from tracetape.diagnostics import internal_error
from tracetape.entities.span import record_of
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.live.liveness import signs_of_life
from tracetape.live.running_span import began_before, id_of, is_open, parent_id_of, trace_of
from tracetape.live.summary import state_of
from tracetape.recorder.inherited import Inherited
from tracetape.recorder.pipeline import frozen_record, update_of
from tracetape.store import TraceUpdate

__all__ = ["LONG_OPEN_NS", "Batch", "make_batch", "make_beats"]

LONG_OPEN_NS = 1_000_000_000  # a span that is open for longer is written as open
_MOST_OPENED = 2000  # of these in one batch; the next one takes others


@dataclass
class Batch:
    """The updates of one transaction."""

    updates: list[TraceUpdate] = field(default_factory=list)
    opened: list[LiveSpan] = field(default_factory=list)
    unreadable: list[LiveSpan] = field(default_factory=list)


def make_batch(
    ended: list[LiveSpan],
    open_traces: Iterable[LiveTrace],
    shown: Container[int],
    showing: Iterable[LiveSpan] = (),
) -> Batch:
    """A batch of `ended` spans, and of those that have been open for long.

    Args:
        ended: spans to write.
        open_traces: where to look for long-open spans.
        shown: ids of spans that were written as open before.
        showing: spans to write as open, however short they have been.

    Returns:
        The updates; the ended spans of a trace that cannot be read are in `unreadable`.
    """
    by_trace: dict[LiveTrace, tuple[list[LiveSpan], list[LiveSpan]]] = {}
    for span in ended:
        by_trace.setdefault(trace_of(span), ([], []))[0].append(span)
    opened = [span for trace in open_traces for span in _long_open(trace, shown)][:_MOST_OPENED]
    # A reader must be able to tell whose an unfinished trace is, and where in it a span belongs.
    known = set(map(id_of, opened))
    asked = [s for s in showing if is_open(s) and id_of(s) not in known]
    for span in asked:
        by_trace.setdefault(trace_of(span), ([], []))
    opened += [s for s in asked if id_of(s) not in shown]
    known.update(map(id_of, asked))
    for trace, (ended_here, _) in by_trace.items():
        below = [*ended_here, *(s for s in asked if trace_of(s) is trace)] if asked else ended_here
        opened += [s for s in _open_above(trace, below, shown) if id_of(s) not in known]
    for span in opened:
        by_trace.setdefault(trace_of(span), ([], []))[1].append(span)
    batch = Batch(opened=opened)
    for ended_here, opened_here in by_trace.values():
        try:
            batch.updates.append(update_of(ended_here, opened_here))
        except Exception:  # noqa: BLE001 - a trace must not take others of its batch along
            internal_error("reading a trace's spans")
            _read_singly(batch, ended_here)
    return batch


def _read_singly(batch: Batch, ended: list[LiveSpan]) -> None:
    """A span that cannot be read must not take others of its trace along."""
    readable = []
    for span in ended if len(ended) > 1 else ():
        try:
            frozen_record(span)
            readable.append(span)
        except Exception:  # noqa: BLE001, S112 - the fault was reported
            continue
    try:
        if readable:
            update = update_of(readable)
            root = trace_of(readable[0]).root
            if root is not None and root in ended and root not in readable:
                record = record_of(root)  # it has ended
                update.end_ns, update.state = record.end_time_ns, state_of(record)
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
        if is_open(span) and began_before(span, deadline) and id_of(span) not in shown
    ]


def _open_above(trace: LiveTrace, ended: list[LiveSpan], shown: Container[int]) -> list[LiveSpan]:
    """The open spans above `ended` that were not written yet.

    Those of a trace that another process began, or goes on with, are its to write.
    """
    root = trace.root
    if root is None or not is_open(root) or parent_id_of(root) is not None:
        return []
    if isinstance(trace.sink, Inherited):
        return []
    spans = {id_of(span): span for span in trace.unsettled()}
    found: dict[int, LiveSpan] = {}
    for span in ended:
        above = parent_id_of(span)
        while above is not None and above in spans and above not in found:
            found[above] = spans[above]
            above = parent_id_of(spans[above])
    return [s for s in found.values() if is_open(s) and id_of(s) not in shown]


def make_beats(live: Iterable[LiveTrace]) -> list[TraceUpdate]:
    """That the process lives, for each trace of which something was written as open."""
    return [
        TraceUpdate.of_details(trace.trace_id, TraceDetails(metadata={**signs_of_life()}))
        for trace in live
        if trace.shown and any(map(is_open, trace.unsettled()))
    ]
