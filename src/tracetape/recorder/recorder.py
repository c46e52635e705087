"""Takes spans off the user's thread: the queue, as those who make spans and read traces see it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from tracetape._forks import look_for_fork
from tracetape._lazy import loading
from tracetape._system import Bell, holds_a_lock, is_green, perf_counter
from tracetape.diagnostics import log_rest
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.live.running_span import id_of, trace_of
from tracetape.recorder import lifecycle
from tracetape.recorder.bounds import RecorderStats, runs_event_loop
from tracetape.recorder.inherited import Inherited
from tracetape.recorder.writing_thread import WritingThread

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment
    from tracetape.entities.span_record import SpanRecord
    from tracetape.entities.trace import Trace
    from tracetape.live.running_span import RunningSpan
    from tracetape.store import Store, TraceUpdate

__all__ = ["Recorder", "RecorderStats"]

_PATIENCE_SECONDS = 1.0  # without progress, for a store that another process has locked, or fails
_AT_ONCE_SECONDS = 5.0  # at most, for a trace that is written before its root's end returns
_FORK_SECONDS = 0.05


class Recorder(WritingThread):
    """Queues ended spans and writes them to a store in batches, off the user's thread.

    The worker starts with the first span. Ended spans are durable within 200 ms while the queue
    holds less than one batch; spans that stay open for more than a second are written as open.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        peek: Callable[[], Store] | None = None,
        where: Callable[[], str] | None = None,
        prepare: Callable[[], None] | None = None,
        max_bytes: int = 64 << 20,
    ) -> None:
        """Open and start nothing yet.

        Args:
            open_store: gives the store, after the first span, on the writing thread.
            peek: gives the store for who only reads, while it is not open, without making one.
            where: gives its URL, while it is not open.
            prepare: called before that, on the thread of the first span.
            max_bytes: bound of the queue; open spans may hold twice as much in addition.
        """
        super().__init__(open_store, peek, where, prepare, max_bytes)
        # Ids of the traces whose roots ended last: in this process, and in each thread.
        self.last_trace: int | None = None
        self.last_here = threading.local()
        # Called with each span that is about to end.
        self.before: Callable[[LiveSpan], None] | None = None
        lifecycle.watch(self)

    def began(self, trace: LiveTrace) -> None:
        """Take note of a trace whose first span of this process has begun."""
        self.live[trace] = None
        if len(self.live) > self._many_open:
            self.forget_oldest()
        if self._worker is None:
            if not self.ending:
                self._start()
        elif self._sleeping:
            self._sleeping = False
            self.wake.ring()
            log_rest()
            if look_for_fork():
                self.began(trace)

    def ended(self, span: LiveSpan) -> None:
        """Queue a span that has just ended."""
        trace = span._trace
        if trace.root is span:
            self.last_trace = self.last_here.trace = trace.trace_id
        if trace.held is not None and not self._release(trace, span):
            return
        queue = self.queue
        if (len(queue) > self._brake or self.dropped) and not self._make_room(span):
            return
        if span._size > 1023:
            size = span._counted()
            self._count(size, -size)
        queue.append(span)
        if self._sleeping:
            self._sleeping = False
            self.wake.ring()
        elif self._worker is None:
            self._begin_writing()
        if self._at_once and trace.root is span:
            self._root_ended()

    def frozen(
        self, span: RunningSpan, attachments: dict[str, Attachment] | None = None
    ) -> SpanRecord:
        """The record of a span as it would be written now; `attachments` takes its media, by id."""
        with loading:
            from tracetape.recorder.pipeline import frozen_record

        return frozen_record(span, attachments)

    def _root_ended(self) -> None:
        if self._may_be_killed:
            self.look_at_process()
        if not self._at_once or not self._may_wait():
            return
        if self._worker is None:
            if self._refused:
                self._write_for_worker(None)
            return
        self._flush(_AT_ONCE_SECONDS, _PATIENCE_SECONDS)

    def _may_wait(self) -> bool:
        """Whether this thread may wait for the worker; else that writes next, if it can."""
        worker = self._worker
        # Nobody waits for a store that takes nothing.
        if self._is_held_up() or (worker is not None and worker.is_here()):
            return False
        # A finaliser may run wherever the worker waits for this thread; an event loop goes on.
        if (
            holds_a_lock()
            or loading.is_here()
            or (worker is not None and not self._wants_at_once and runs_event_loop())
        ):
            self._hurry.ring()
            self.wake.ring()
            return False
        return True

    def may_stay_open(self, span: LiveSpan) -> None:
        """Take note of a span whose end is the user's to reach, as a stream's is.

        A process that its parent kills may never end it: there it is written as open at once.
        """
        if self._worker is None and not self.ending:
            self._start()  # the trace is one that a parent process has begun
        if self._may_be_killed:
            self.look_at_process()
        if not self._is_killed or trace_of(span).held is not None:
            return
        number = id_of(span)
        self.showing[number] = span
        if not self._may_wait():
            return
        bell, deadline = Bell(), perf_counter() + _AT_ONCE_SECONDS
        self._waiting.append(bell)
        try:
            while number in self.showing and self._worker is not None:
                self._hurry.ring()
                self.wake.ring()
                bell.wait_here(0.1)
                if self._is_held_up() or perf_counter() > deadline:
                    break
        finally:
            self._waiting.remove(bell)

    def change(self, update: TraceUpdate) -> None:
        """Queue a change of a trace without spans: tags, metadata, its state."""
        if not self._may_change(update):
            return
        self.changes.append(update)  # before the queue, which the worker empties
        self.queue.append(update)
        self.wake.ring()
        if self._worker is None:
            self._begin_writing()

    def tag(self, number: int, tags: dict[str, str | None]) -> None:
        """Change tags of the trace with this 128-bit id, running or finished; None removes one."""
        running = False
        for trace in list(self.live):
            if trace.trace_id == number:
                # Also after its root: a span that ends later brings its trace's details again.
                trace.describe(tags)
                running = running or (trace.root is not None and trace.root._end is None)
        if not running:
            with loading:
                from tracetape.store.protocol import TraceUpdate

            self.change(TraceUpdate.of_details(number, TraceDetails(tags=tags)))

    def read(self, number: int) -> Trace | None:
        """A copy of the trace with this 128-bit id, as soon as it has begun; None if unknown."""
        with loading:
            from tracetape.recorder.reading import read_trace

        changes = [one.details for one in list(self.changes) if one.trace_id == number]
        return read_trace(number, list(self.live), lambda: self.reading, changes)

    def before_fork(self) -> None:
        """Write what is queued, if that is quick: a parent may end by `os._exit` afterwards."""
        # Other green threads would run meanwhile, and may fork too.
        if self._worker is not None and not self._worker.is_here() and not is_green():
            self.flush(_FORK_SECONDS)

    def after_fork_in_child(self) -> None:
        """Start over, with a thread of its own from the next span on."""
        # What is still queued, or open, is the parent's to write.
        for trace in self.live:
            trace.sink = Inherited(self, trace, self._root_ended)
        self._hold_nothing()
        self._fresh()
        self.live = {}
        self.stats = RecorderStats()
        self._store = None
