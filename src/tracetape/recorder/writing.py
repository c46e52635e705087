"""The writing thread's work: queued spans become durable, or are counted as lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from tracetape._system import perf_counter
from tracetape.diagnostics import warn_once
from tracetape.entities.span import record_of
from tracetape.exceptions import StoreError
from tracetape.live.live_span import LiveSpan
from tracetape.live.running_span import id_of, is_open, trace_of
from tracetape.live.summary import has_failed
from tracetape.recorder.batch import Batch, make_batch, make_beats
from tracetape.recorder.sums import new_sums
from tracetape.store.protocol import TraceUpdate

if TYPE_CHECKING:
    from tracetape.live.live_trace import LiveTrace
    from tracetape.recorder.writing_thread import WritingThread

__all__ = ["write_next"]

_RETRY_SECONDS = 0.5
_BEAT_SECONDS = 5.0
_MANY, _SLOW_BEAT_SECONDS = 1000, 30.0  # running traces, each of which a beat writes to
_MAX_BATCH = 2000  # spans
_MAX_BATCH_BYTES = 4 << 20
_MIN_BATCH_BYTES = 128 << 10
# How long a batch may take before the next one is made smaller: what waits is to move on.
_LONG_SECONDS, _SHORT_SECONDS = 0.3, 0.1


def write_next(recorder: WritingThread) -> bool:
    """Write one batch; whether there was anything to write."""
    showing = list(recorder.showing.values())
    if not showing:
        return _write_batch(recorder, showing)
    try:
        return _write_batch(recorder, showing)
    finally:
        for span in showing:
            recorder.showing.pop(id_of(span), None)


def _write_batch(recorder: WritingThread, showing: list[LiveSpan]) -> bool:
    recorder.forget_oldest()
    items = _take(recorder)
    spans = [item for item in items if isinstance(item, LiveSpan)]
    changes = [item for item in items if isinstance(item, TraceUpdate)]
    live = list(recorder.live)
    if recorder.dropped:
        # Of a trace that lacks a span nothing is written.
        dropped = [span for span in spans if trace_of(span).trace_id in recorder.dropped]
        spans = [span for span in spans if trace_of(span).trace_id not in recorder.dropped]
        live = [trace for trace in live if trace.trace_id not in recorder.dropped]
        showing = [one for one in showing if trace_of(one).trace_id not in recorder.dropped]
        recorder.settle(dropped, "dropped_spans")
    batch = Batch()
    try:
        batch = make_batch(spans, live, recorder.shown, showing)
        if batch.unreadable:
            lost = set(map(id, batch.unreadable))
            spans = [span for span in spans if id(span) not in lost]
            recorder.settle(batch.unreadable, "lost")
        updates = batch.updates + changes + _beats(recorder, live)
        if not updates:
            return False
        began = perf_counter()
        done = _write(recorder, updates)
        _fit_batches(recorder, perf_counter() - began)
    except Exception:
        recorder.shown.update(map(id_of, batch.opened))
        _write_singly(recorder, spans, batch.updates + changes)
        recorder.settle_changes(len(changes))
        raise
    if recorder.abandoned:
        return False  # what this thread held was counted
    if not done:  # being stopped while the store fails
        recorder.queue.extendleft(reversed([*spans, *changes]))
        recorder.taken -= len(spans) + len(changes)
        return False
    recorder.settle(spans, "written")
    recorder.settle_changes(len(changes))
    recorder.shown.update(map(id_of, filter(is_open, batch.opened)))
    return True


def _take(recorder: WritingThread) -> list[LiveSpan | TraceUpdate]:
    """The oldest of the queue; of large ones fewer, so that a batch is soon written."""
    items: list[LiveSpan | TraceUpdate] = []
    size = 0
    queue = recorder.queue
    for _ in range(min(len(queue), _MAX_BATCH)):
        recorder.taken += 1
        item = queue.popleft()
        items.append(item)
        if isinstance(item, LiveSpan):
            size += item._size
            if size > recorder.batch_bytes:
                break
    recorder.writing_bytes = size
    return items


def _fit_batches(recorder: WritingThread, took: float) -> None:
    """Make the next batch smaller or larger, by how long this one took."""
    if took > _LONG_SECONDS:
        recorder.batch_bytes = max(_MIN_BATCH_BYTES, recorder.batch_bytes // 2)
    elif took < _SHORT_SECONDS:
        recorder.batch_bytes = min(_MAX_BATCH_BYTES, recorder.batch_bytes * 2)


def _beats(recorder: WritingThread, live: list[LiveTrace]) -> list[TraceUpdate]:
    """Now and then: a trace whose process is gone must not seem to run for ever."""
    now = perf_counter()
    if not recorder.shown or now < recorder.next_beat:
        return []
    recorder.next_beat = now + (_SLOW_BEAT_SECONDS if len(live) > _MANY else _BEAT_SECONDS)
    return make_beats(live)


def _write_singly(
    recorder: WritingThread, spans: list[LiveSpan], updates: list[TraceUpdate]
) -> None:
    """Write a batch trace by trace, span by span: one bad span must not cost the others."""
    written: set[tuple[int, int]] = set()
    for update in updates:
        whole = len(updates) > 1 and _is_taken(recorder, update)
        for part in [update] if whole else _parts(update):
            if not whole and not _is_taken(recorder, part):
                if not part.spans:
                    break  # it is the trace itself that cannot be kept
                continue
            written.update((update.trace_id, span.span_id) for span in part.spans)
        if not whole and update.sums:
            of_trace = [one for one in spans if trace_of(one).trace_id == update.trace_id]
            kept = [one for one in of_trace if (update.trace_id, id_of(one)) in written]
            sums = new_sums(trace_of(of_trace[0]), kept, [record_of(one) for one in kept])
            if sums:
                _is_taken(recorder, replace(_without_spans(update), sums=sums))
    is_written = [(trace_of(span).trace_id, id_of(span)) in written for span in spans]
    for counter, wanted in (("written", True), ("lost", False)):
        counted = [s for s, done in zip(spans, is_written, strict=True) if done is wanted]
        recorder.settle(counted, counter)


def _parts(update: TraceUpdate) -> Iterator[TraceUpdate]:
    """The trace without spans, and then each span on its own."""
    if not update.spans:
        return
    yield replace(_without_spans(update), attachments=update.attachments)
    for span in update.spans:
        has_ended = span.end_time_ns is not None
        failed = has_ended and has_failed(span)
        yield replace(
            update,
            spans=[span],
            span_count=int(has_ended),
            error_count=int(failed),
            sums=None,
            attachments={},
        )


def _without_spans(update: TraceUpdate) -> TraceUpdate:
    """Of the trace alone; its sums follow when it is known which spans are written."""
    return replace(update, spans=[], span_count=0, error_count=0, sums=None, attachments={})


def _is_taken(recorder: WritingThread, update: TraceUpdate) -> bool:
    try:
        return _write(recorder, [update])
    except Exception:  # noqa: BLE001 - the caller raises the fault again
        return False


def _write(recorder: WritingThread, updates: list[TraceUpdate]) -> bool:
    """Whether they became durable; as long as the store only fails for now, retry."""
    recorder.writing_since = perf_counter()
    try:
        while True:
            try:
                recorder.store.write(updates)
                recorder.failing = recorder.locked_out = False
                return True
            except StoreError as error:
                recorder.locked_out = error.is_locked
                recorder.failing = True
                warn_once("store", "tracetape: %s (spans are kept in memory meanwhile)", error)
                if recorder.stopping:
                    return False
                recorder.wake.wait(_RETRY_SECONDS)
                recorder.forget_oldest()
    finally:
        recorder.writing_since = 0.0
