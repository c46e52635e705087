"""Bounds of a recorder's memory: traces beyond them are dropped and counted."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from tracetape._forks import look_for_fork
from tracetape._system import Bell, is_green, new_lock, pause, perf_counter
from tracetape.diagnostics import warn_once
from tracetape.entities.constants import SpanStatusCode
from tracetape.live.running_span import read_late

if TYPE_CHECKING:
    from tracetape.live.live_span import LiveSpan
    from tracetape.live.live_trace import LiveTrace
    from tracetape.store import TraceUpdate

__all__ = ["Bounds", "RecorderStats", "runs_event_loop"]

_SPAN_BYTES = 600 + 1024  # the flat price of a span covers the last kilobyte of its contents
_OPEN = 2  # times the bound of the queue: what open spans may hold in addition
_MANY_SMALL = 64  # of which none is larger than a thousandth of the queue
_MAX_DELAY_SECONDS = 0.005  # at most, for a caller that finds the queue full
_DELAY_BYTES = 4096  # of contents: as much again for each of them, since they take time to write
_LONGEST_DELAY_SECONDS = 1.0
_TURN_SECONDS = 0.0005  # between two looks at the queue
_HALF_FULL = 0.5
_STUCK_SECONDS = 1.0  # a batch that takes longer to write drains nothing: waiting would not help
_SLOWEST = 500_000  # bytes a second: what a store that is slow, and not stuck, writes


class RecorderStats:
    """Counters since the process began.

    Attributes:
        written: spans that are durable in the store.
        lost: spans that could not be written.
        dropped_spans, dropped_traces: left out because too much is held in memory.
        dropped_changes: of tags, likewise.
        forgotten_spans: open ones that are no longer followed, too many being open; one that ends
            later is still written.
    """

    def __init__(self) -> None:
        """Begin with zeros."""
        self.written = self.lost = self.dropped_spans = self.dropped_traces = 0
        self.dropped_changes = self.forgotten_spans = 0


class Bounds:
    """Counts what is queued and what is open, slows who makes it, and drops whole traces."""

    def __init__(self, max_bytes: int) -> None:
        """Begin empty; `max_bytes` is the bound of the queue."""
        self._max_bytes = max_bytes
        self._most_held = _OPEN * max_bytes
        self._small = max_bytes >> 10  # of several that are added up together
        self._most_open = self._many_open = max_bytes // _SPAN_BYTES
        self.stats = RecorderStats()
        # Traces with spans that are not both ended and written (a dict keeps their order).
        self.live: dict[LiveTrace, None] = {}
        self._hold_nothing()

    def _hold_nothing(self) -> None:
        # Reentrant: a finaliser run inside these few lines may end a span of its own.
        self._lock = new_lock()
        self.queue: deque[LiveSpan | TraceUpdate] = deque()
        self._hurry = Bell()
        self.dropped: set[int] = set()  # ids of traces
        self.shown: set[int] = set()  # ids of the spans written as open
        self.showing: dict[int, LiveSpan] = {}  # those that are to be written as open next, by id
        self.failing = False  # the store's last answer was an error
        self.locked_out = False  # and that was: another process has it locked
        self.writing_since = 0.0  # when the worker began to write a batch; 0: it writes none
        self.writing_bytes = 0  # the size of that batch
        # Bytes beyond the flat price: of what is queued or being written, and of what is open.
        self._large = self._open = 0
        self._grown: deque[int] = deque()  # what is not added to that yet
        self._count(0, 0)

    def grown(self, span: LiveSpan, size: int) -> None:
        """Count what an open span holds; a trace that makes it too much is dropped as a whole."""
        grown, trace = self._grown, span._trace
        grown.append(size)  # a lock takes several times as long
        if size <= self._small and len(grown) < _MANY_SMALL and not trace.dropped:
            return
        with self._lock:
            held = self._add_up()
        # One payload may be larger than the bound, as in the queue.
        if trace.dropped or (held > self._most_held and size > 0 and self._is_too_much_open(span)):
            self._drop(trace)

    def _add_up(self) -> int:
        """The bytes of open spans, with their growth since the last call; holds the lock."""
        grown = self._grown
        size = self._open
        while grown:
            size += grown.popleft()
        self._open = size = max(0, size)
        return size

    def _count(self, queued: int, open_: int) -> None:
        with self._lock:
            self._large = max(0, self._large + queued)
            self._open = max(0, self._add_up() + open_)
            # How many spans the queue may hold before their makers are slowed.
            self._brake = (self._max_bytes // 4 - self._large) // _SPAN_BYTES

    def _fullness(self) -> float:
        """Of the queue: 0 where makers begin to be slowed, 1 where nothing more has room."""
        free = self._max_bytes // 4
        used = len(self.queue) * _SPAN_BYTES + self._large
        return (used - free) / (self._max_bytes - free)

    def _is_too_much_open(self, span: LiveSpan) -> bool:
        inputs, outputs = span._inputs or b"", span._outputs or b""
        return self._open - len(inputs) - len(outputs) > self._most_held

    def _make_room(self, span: LiveSpan) -> bool:
        """Whether an ended span may be queued; else its whole trace is dropped, and counted."""
        if span._trace_id not in self.dropped:
            if self._wait_for_room(span._size):
                return True
            look_for_fork()
            self._drop(span._trace)
        self._drop_span(span)
        return False

    def _wait_for_room(self, size: int) -> bool:
        """Slow a thread that is about to queue so many bytes; whether there is room for them.

        From a quarter of the queue on it waits, the longer the fuller it is, so that it seldom
        gets full; from the half on until that is written, the longer the larger its contents are.
        Nobody waits for a store that takes nothing.
        """
        fullness = self._fullness()
        if fullness <= 0.0:
            return True
        if self._is_stuck() or _on_event_loop():
            return fullness <= 1.0
        self._hurry.ring()
        if fullness < _HALF_FULL:
            pause(_MAX_DELAY_SECONDS * fullness / _HALF_FULL)
            return True
        delay = _MAX_DELAY_SECONDS * (1 + size // _DELAY_BYTES)
        deadline = perf_counter() + min(delay, _LONGEST_DELAY_SECONDS)
        while fullness >= _HALF_FULL and perf_counter() < deadline and not self._is_stuck():
            pause(_TURN_SECONDS)
            self._hurry.ring()
            fullness = self._fullness()
        return fullness <= 1.0

    def _is_stuck(self) -> bool:
        """Whether the store takes nothing now: it fails, or one batch takes it very long.

        A store that other processes write to meanwhile is slow, not stuck: its turn comes.
        """
        since = self.writing_since
        if self.failing:
            return not (self.locked_out and self._others_write())
        if not since or perf_counter() - since <= _STUCK_SECONDS + self.writing_bytes / _SLOWEST:
            return False
        return not self._others_write()

    def _others_write(self) -> bool:
        """Whether another process, for which this one waits, writes to the store."""
        return False

    def _drop(self, trace: LiveTrace) -> None:
        """Leave out the whole trace: what is open lets go of its contents, and is counted later."""
        if not trace.dropped:
            trace.dropped = True
            self.dropped.add(trace.trace_id)
            self.stats.dropped_traces += 1
        for span in trace.unsettled():
            if span._end is None:
                self._count(0, -span._counted())
                span._empty()
        if trace.held:
            held, trace.held = trace.held, None
            self._count(0, -_SPAN_BYTES * len(held))
            for span in held:
                self._drop_span(span)

    def _drop_span(self, span: LiveSpan) -> None:
        """Leave out an ended span that is not queued."""
        trace = span._trace
        self._count(0, -span._counted())
        self.stats.dropped_spans += 1
        if trace.settle(span):
            self.live.pop(trace, None)
            self.dropped.discard(trace.trace_id)

    def _release(self, trace: LiveTrace, span: LiveSpan) -> bool:
        """Whether a span of a trace that was not sampled is to be queued after all.

        Such a trace is held back until its root ends, and kept if anything in it failed.
        """
        held = trace.held or []
        held.append(span)
        trace.held = held
        self._count(0, _SPAN_BYTES)
        if trace.root is not span:
            if self._is_too_much_open(span):
                self._drop(trace)
            return False
        self._count(0, -_SPAN_BYTES * len(held))
        for one in held:
            read_late(one)  # an answer may turn out to be an error
        if any(one._status.status_code is SpanStatusCode.ERROR for one in held):
            trace.held = None
            size = sum(one._counted() for one in held[:-1])
            self._count(size, -size)
            self.queue.extend(held[:-1])
            return True
        self._count(0, -sum(one._counted() for one in held))
        held.clear()  # what ends later is held, for good
        trace.root = None
        self.live.pop(trace, None)
        return False

    def forget_oldest(self) -> None:
        """Let go of the oldest open spans, if too many are open: most will never be ended.

        What the program still has of them it may end: they are written then, as others are.
        """
        live = list(self.live)
        if sum(1 + len(trace.below or ()) for trace in live) <= self._most_open:
            return
        spans = [s for trace in live for s in trace.unsettled() if s._end is None]
        if len(spans) > self._most_open:
            self._forget(spans)
        # What is live may also have ended and wait: it is not to be looked through each time.
        self._many_open = max(self._most_open, len(self.live) + self._most_open // 8)

    def _forget(self, spans: list[LiveSpan]) -> None:
        spans.sort(key=_start_of)
        oldest = spans[: len(spans) - self._most_open * 7 // 8]
        # A root that has others below it is followed with them.
        forgotten = [span for span in oldest if self._forget_below(span)]
        forgotten += [span for span in oldest if self._forget_root(span)]
        self.stats.forgotten_spans += len(forgotten)
        for span in forgotten:
            self.shown.discard(span._span_id)
            self._count(0, -span._counted())
        warn_once(
            "open",
            "tracetape: %s spans are open, the oldest is %r. Spans that never end fill the memory: "
            "tracetape no longer follows the oldest, and writes one only if it ends. End each "
            "span, or open it by `with`.",
            f"{len(spans):,}",
            oldest[0]._name,
        )

    def _forget_below(self, span: LiveSpan) -> bool:
        below = span._trace.below
        return below is not None and below.pop(span._span_id, None) is not None

    def _forget_root(self, span: LiveSpan) -> bool:
        trace = span._trace
        if trace.root is not span or trace.below or self.live.pop(trace, self) is self:
            return False
        if trace.held is not None:
            self._count(0, -_SPAN_BYTES * len(trace.held))
        return True

    def _may_change(self, update: TraceUpdate) -> bool:
        """Whether a change of a trace may be queued; it is counted then, or else as dropped."""
        size = change_bytes(update)
        # Changes are few: one that is lost misleads, so that the full bound is theirs.
        if not self._wait_for_room(size):
            self.stats.dropped_changes += 1
            return False
        self._count(size, 0)
        return True


def _start_of(span: LiveSpan) -> int:
    return span._start


def change_bytes(update: TraceUpdate) -> int:
    """About what a change of a trace holds beyond the flat price."""
    details = update.details
    if details is None:
        return 0
    said: tuple[dict[str, Any], ...] = (details.tags, details.metadata)
    return sum(len(key) + len(text or "") for texts in said for key, text in texts.items())


def _on_event_loop() -> bool:
    """Whether this thread runs an event loop, or green threads, which must never be held up."""
    return is_green() or runs_event_loop()


def runs_event_loop() -> bool:
    """Whether this thread runs an event loop."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
