"""The fate of queued spans: written, lost or dropped; and who waits for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tracetape._system import Bell
from tracetape.recorder.bounds import Bounds, change_bytes

if TYPE_CHECKING:
    from tracetape.live.live_span import LiveSpan
    from tracetape.store import TraceUpdate

__all__ = ["Settlement"]


class Settlement(Bounds):
    """Counts what leaves the queue, and what becomes of it."""

    def _fresh(self) -> None:
        """Begin again with nothing queued."""
        self.changes: deque[TraceUpdate] = deque()  # those in the queue or being written
        self.taken = 0  # spans that the worker took off the queue so far
        self._settled = 0  # and those whose fate is known
        self._waiting: deque[Bell] = deque()  # of those who flush

    def as_dict(self) -> dict[str, int]:
        """The counters; ``recorded`` are all spans that ended, ``queued`` those in memory."""
        stats, queued = self.stats, self._unsettled()
        recorded = stats.written + stats.lost + stats.dropped_spans + queued
        return {"recorded": recorded, "queued": queued, **vars(stats)}

    def _unsettled(self) -> int:
        return len(self.queue) + self.taken - self._settled

    def settle_changes(self, count: int) -> None:
        """Take note that the oldest `count` changes are written, or lost."""
        # They are written in their order.
        self._count(-sum(change_bytes(self.changes.popleft()) for _ in range(count)), 0)
        with self._lock:
            self._settled += count
        self._ring()

    def settle(self, spans: list[LiveSpan], counter: str) -> None:
        """Forget spans whose fate is known; `counter` of `RecorderStats` says which it is."""
        large = sum(span._counted() for span in spans)
        for span in spans:
            trace = span._trace
            self.shown.discard(span._span_id)
            if trace.sums is not None and counter == "written":
                for one in trace.sums.values():
                    one.commit(span._span_id)
            if trace.settle(span):
                self.live.pop(trace, None)
                self.dropped.discard(trace.trace_id)
        self._count(-large, 0)
        setattr(self.stats, counter, getattr(self.stats, counter) + len(spans))
        with self._lock:
            self._settled += len(spans)
        self._ring()

    def _ring(self) -> None:
        for bell in list(self._waiting):
            bell.ring()
