"""Takes spans off the user's thread: a bounded queue and the one thread that writes."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tracetape._forks import look_for_fork
from tracetape._lazy import loading
from tracetape._system import Bell, is_green, new_lock, perf_counter
from tracetape.diagnostics import internal_error, log_rest, logger, warn_once
from tracetape.exceptions import StoreError
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import LiveTrace, TraceDetails
from tracetape.recorder import lifecycle
from tracetape.recorder.bounds import Bounds, RecorderStats, change_bytes, runs_event_loop
from tracetape.recorder.inherited import Inherited
from tracetape.recorder.loading import load_by_parts, may_load_in_a_thread, shield
from tracetape.recorder.surroundings import look_around
from tracetape.recorder.worker import Worker

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment
    from tracetape.entities.span_record import SpanRecord
    from tracetape.entities.trace import Trace
    from tracetape.live.running_span import RunningSpan
    from tracetape.store import Store, TraceUpdate

__all__ = ["Recorder", "RecorderStats"]

_GATHER_SECONDS = 0.05  # spans that end close together share a transaction
_GATHERED = 1000  # spans that are enough for one
_LOOK_SECONDS = 0.25  # how often long-open spans are looked for
_PAUSE_SECONDS = 0.02  # between two parts of the store's upkeep
_OVERDUE_SECONDS = 1.0  # how long upkeep waits for a moment without spans
_LAST_TIDY_SECONDS = 1.0  # of upkeep when a program ends, at most
_KILLED_TIDY_SECONDS = 0.05  # the same, of a process that its parent may kill
_EXIT_SECONDS = 10.0
_PATIENCE_SECONDS = 1.0  # without progress, for a store that another process has locked, or fails
_AT_ONCE_SECONDS = 5.0  # at most, for a trace that is written before its root's end returns
_FAILING_SECONDS = 10.0  # without progress, for a flush that is given no time of its own
_STOP_SECONDS = 5.0  # for the worker to end
_GIVE_UP_SECONDS = 1.0  # the same, of one that waits for a store
_FORK_SECONDS = 0.05
_REFUSED_SECONDS = 0.5  # between two attempts to start a thread


class Recorder(Bounds):
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
        self._open_store = open_store
        self._peek = peek
        self._where = where
        self._prepare = prepare
        self._store: Store | None = None
        self.ending = False  # the program is at its end: no thread may be started any more
        self._is_retired = False  # nobody will close it again: its worker ends when it is idle
        super().__init__(max_bytes)
        self._fresh()
        # Ids of the traces whose roots ended last: in this process, and in each thread.
        self.last_trace: int | None = None
        self.last_here = threading.local()
        # Whether who ends a root waits until its trace is durable; and why.
        self._at_once = self._wants_at_once = self._is_killed = False
        # Called with each span that is about to end.
        self.before: Callable[[LiveSpan], None] | None = None
        lifecycle.watch(self)

    def _fresh(self) -> None:
        self._start_lock = new_lock()
        # Of its own: who stops the worker holds the other one, and waits for it.
        self._store_lock = new_lock()
        self.changes: deque[TraceUpdate] = deque()  # those in the queue or being written
        self.taken = 0  # spans that the worker took off the queue so far
        self._settled = 0  # and those whose fate is known
        self._worker: Worker | None = None
        self._refused = 0.0  # when the system last refused the worker; 0: it did not
        self._starting = False
        self._writing_here = False  # a thread of the program's writes, the worker being refused
        self.wake = Bell()
        self._waiting: deque[Bell] = deque()  # of those who flush
        self._sleeping = False
        self.stopping = False
        self.abandoned = False  # the worker could not be stopped: what it holds is counted as lost
        self.batch_bytes = 1 << 20  # fitted to the store's speed
        self.next_beat = 0.0  # when to say again that the process lives, by the monotonic clock

    # -- called on the user's threads ------------------------------------------------------

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

    def write_at_once(self, wanted: bool) -> None:
        """Whether who ends a root waits until its trace is durable.

        In daemonic children of multiprocessing, such as a pool's, it does in any case: before the
        result, which may be the last that they are kept alive for, goes back.
        """
        self._wants_at_once = wanted
        self._at_once = wanted or self._is_killed

    def _root_ended(self) -> None:
        worker = self._worker
        # Nobody waits for a store that takes nothing.
        if not self._at_once or self._is_held_up() or (worker is not None and worker.is_here()):
            return
        if worker is None:
            if self._refused:
                self._write_for_worker(None)
            return
        if not self._wants_at_once and runs_event_loop():
            self._hurry.ring()  # the loop goes on, and the trace is written next
            self.wake.ring()
            return
        self._flush(_AT_ONCE_SECONDS, _PATIENCE_SECONDS)

    def change(self, update: TraceUpdate) -> None:
        """Queue a change of a trace without spans: tags, and what else is said of it."""
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

    @property
    def store(self) -> Store:
        """The store, opened if need be; readers may use it from any thread."""
        store = self._store
        if store is None:
            with self._store_lock:
                store = self._store
                if store is None:
                    store = self._store = self._open_store()
        return store

    @property
    def reading(self) -> Store:
        """The store for who only reads: while nothing was recorded none is made for that."""
        return self.store if self._store is not None or self._peek is None else self._peek()

    @property
    def url(self) -> str:
        """Of the store, open or not."""
        return self.store.url if self._store is not None or self._where is None else self._where()

    @property
    def pruned(self) -> int:
        """How many traces the store has removed because of a bound."""
        return int(getattr(self._store, "pruned", 0))

    @property
    def evicted(self) -> int:
        """How many traces a store in memory has removed, being full."""
        return int(getattr(self._store, "evicted", 0))

    @property
    def unshared(self) -> int:
        """How many spans only the memory of this process has, which was forked."""
        return int(getattr(self._store, "unshared", 0))

    def flush(self, timeout: float | None = None) -> int:
        """Wait until what has ended so far is durable; never raises.

        Args:
            timeout: seconds; None waits as long as it takes, unless the store fails.

        Returns:
            How many spans are still unwritten.
        """
        try:
            left = self._flush(timeout, _FAILING_SECONDS if timeout is None else None)
            log_rest()
            return left
        except Exception:  # noqa: BLE001 - the guard
            internal_error("flushing")
            return self._unsettled()

    def _flush(self, timeout: float | None, patience: float | None = None) -> int:
        look_for_fork()
        # In this order: the worker may take some in between, and none may be missed.
        waiting = len(self.queue)
        target = self.taken + waiting
        deadline = None if timeout is None else perf_counter() + timeout
        if waiting and self._worker is None:
            self._begin_writing()
            if self._refused:
                self._write_for_worker(deadline)
        seen, since = self._settled, perf_counter()
        bell = Bell()
        self._waiting.append(bell)
        try:
            while self._settled < target and self._unsettled() and self._worker is not None:
                if self._settled != seen or not self._is_held_up():
                    seen, since = self._settled, perf_counter()
                elif patience is not None and perf_counter() - since > patience:
                    break
                self._hurry.ring()
                self.wake.ring()
                left = None if deadline is None else deadline - perf_counter()
                if left is not None and left <= 0:
                    break
                bell.wait_here(0.1 if left is None else min(left, 0.1))
        finally:
            self._waiting.remove(bell)
        return min(max(0, target - self._settled), self._unsettled())

    def close(self, timeout: float = _EXIT_SECONDS) -> None:
        """Write what is queued, stop the worker, close the store; a later span starts it again."""
        try:
            # A store that fails anyway must not hold up the end of the user's program.
            left = self._flush(timeout, _PATIENCE_SECONDS)
            self._stop(tidy=not left)
            if left:
                self._give_up()
            elif self.queue:  # ended meanwhile, in another thread
                self._begin_writing()
            dropped = self.stats.dropped_spans
            if dropped:
                warn_once(
                    "dropped",
                    "tracetape: %d spans of %d traces were dropped: the program made spans faster "
                    "than the store takes them. TRACETAPE_TRACE_SAMPLING_RATIO=0.1 records a tenth "
                    "of the traces.",
                    dropped,
                    self.stats.dropped_traces,
                )
            changes = self.stats.dropped_changes
            if changes:
                warn_once(
                    "dropped changes",
                    "tracetape: %d changes of tags were dropped: the program made them faster than "
                    "the store takes them. Set the tags of a trace at once.",
                    changes,
                )
            log_rest()
        except Exception:  # noqa: BLE001 - the guard
            internal_error("closing the recorder")

    def retire(self) -> None:
        """Close it for good: spans that end later are written anyway, and no thread stays."""
        self._is_retired = True
        self.close()

    def _is_held_up(self) -> bool:
        """Whether the store fails, or waits for another process."""
        return self.failing or _is_locked_out()

    def _others_write(self) -> bool:
        others_write = getattr(self._store, "others_write", None)
        if others_write is None or not (self.locked_out or _is_locked_out()):
            return False
        return bool(others_write())

    def as_dict(self) -> dict[str, int]:
        """The counters; ``recorded`` are all spans that ended, ``queued`` those in memory."""
        stats, queued = self.stats, self._unsettled()
        recorded = stats.written + stats.lost + stats.dropped_spans + queued
        return {"recorded": recorded, "queued": queued, **vars(stats)}

    def _unsettled(self) -> int:
        return len(self.queue) + self.taken - self._settled

    def _begin_writing(self) -> None:
        if not self.ending:
            self._start()
        elif not sys.is_finalizing():  # then not even modules can be loaded
            self._write_here()

    def _write_here(self) -> None:
        """In an exit handler that runs after ours: by the thread that has ended the span."""
        try:
            write_next = _load_writing()
            self._get_ready()
            while write_next(self):
                pass
            if self._store is not None:
                self._store.close()
            if self.queue:
                self._give_up()
        except Exception:  # noqa: BLE001 - the guard
            internal_error("writing spans at the end of the program")

    def _write_for_worker(self, deadline: float | None) -> None:
        """By the thread that waits for what is queued, as the system gives no other."""
        with self._start_lock:
            if self._worker is not None or self._writing_here or self.ending:
                return
            stopping = self.stopping
            # A store that fails is tried once: what it does not take stays queued.
            self._writing_here = self.stopping = True
            try:
                self.abandoned = False
                write_next = _load_writing()
                while write_next(self) and (deadline is None or perf_counter() < deadline):
                    pass
            finally:
                self._writing_here, self.stopping = False, stopping

    def _give_up(self) -> None:
        """Count what is queued as lost: it cannot be written any more."""
        left = len(self.queue)
        in_hand = self.taken - self._settled  # of a worker that could not be stopped
        self.taken += left
        lost = [self.queue.popleft() for _ in range(left)]
        spans = [one for one in lost if isinstance(one, LiveSpan)]
        self.settle(spans, "lost")
        self.settle_changes(len(lost) - len(spans))
        if in_hand > 0:
            self.stats.lost += in_hand
            with self._lock:
                self._settled += in_hand
        logger.error(
            "tracetape: %d spans are lost: the store did not take them. If an earlier line names "
            "the fault, mend that, or name another store by TRACETAPE_STORE.",
            left + in_hand,
        )

    def _start(self) -> None:
        if self._refused and (
            self._writing_here or perf_counter() - self._refused < _REFUSED_SECONDS
        ):
            return
        with self._start_lock:
            # A signal handler may run in the midst of it; other green threads have their turn.
            if self._worker is None and (not self._starting or is_green()):
                self._starting = True
                try:
                    self._start_worker()
                finally:
                    self._starting = False

    def _start_worker(self) -> None:
        self._get_ready()
        if not may_load_in_a_thread():
            for _ in load_by_parts():
                pass
        if self._worker is not None:
            return  # another green thread has started it meanwhile
        self.stopping = self.abandoned = False
        shield.raise_()
        try:
            self._worker = Worker(self._work)
            self._refused = 0.0
        except (RuntimeError, OSError, MemoryError) as error:
            shield.lower()
            again, self._refused = self._refused, perf_counter()
            if again:
                return
            warn_once(
                "thread",
                "tracetape: the system starts no thread (%s). Spans stay in memory until it starts "
                "one, or until the program flushes or ends.",
                error,
            )
        self._is_killed = lifecycle.close_with_process(self)
        self.write_at_once(self._wants_at_once)

    def _get_ready(self) -> None:
        try:
            look_around()
            if self._prepare is not None and self._store is None:
                self._prepare()
        except Exception:  # noqa: BLE001 - the guard
            internal_error("getting ready for the first span")

    def _stop(self, *, tidy: bool = False) -> None:
        with self._start_lock:
            worker, self._worker = self._worker, None
            self.stopping = True
            self._hurry.ring()
            self.wake.ring()
            if worker is None and self._store is None:
                return
            # The end of a program waits for no other process; nor does it load what nobody used.
            connections = sys.modules.get("tracetape.store.connections")
            giving_up = getattr(connections, "giving_up", nullcontext)
            with giving_up():
                self.abandoned = worker is not None and not worker.join(
                    _STOP_SECONDS if tidy else _GIVE_UP_SECONDS
                )
                if self._store is None or self.abandoned:
                    return  # closing would wait for the worker
                if tidy and worker is not None:
                    # A program that is never idle would never do it, nor would a short one.
                    share = _KILLED_TIDY_SECONDS if self._is_killed else _LAST_TIDY_SECONDS
                    deadline = perf_counter() + share
                    while perf_counter() < deadline and self._tidy():
                        pass
                self._store.close()

    def _is_stuck(self) -> bool:
        return bool(self._refused) or super()._is_stuck()

    # -- fork ------------------------------------------------------------------------------

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

    # -- the worker ------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._write_on()
        finally:
            if self._worker is not None and self._worker.is_here():
                self._worker = None  # retired, or a fault under our own suite
        if self._is_retired and not self.stopping:
            self._leave()

    def _leave(self) -> None:
        if self.queue:  # a span ended in between, and saw a worker
            self._begin_writing()
        elif self._store is not None and self._start_lock.acquire(False):  # else it is in use again
            try:
                if self._worker is None:
                    self._store.close()
            finally:
                self._start_lock.release()

    def _write_on(self) -> None:
        # Loaded here, unless it was before: the user's thread goes on meanwhile.
        try:
            for _ in load_by_parts():
                pass
            write_next = _load_writing()
        finally:
            shield.lower()
        self._open_early()
        gathering = False  # what has ended by now has waited for the modules
        upkeep: float | None = None  # seconds until the next part of it, if nothing comes
        overdue = 0.0  # and when it is done anyway, by the monotonic clock
        while True:
            self._sleeping = True
            woken = True
            # Looked at after the flag is up: a span queued before it must not be slept over.
            if not self.queue and not self.stopping:
                looks = self.live or self._is_retired
                woken = self.wake.wait(upkeep or (_LOOK_SECONDS if looks else None))
            self._sleeping = False
            idle = not woken and not self.queue
            if upkeep and not self.stopping and (idle or perf_counter() > overdue):
                upkeep = _PAUSE_SECONDS if self._tidy() else None
                overdue = perf_counter() + _OVERDUE_SECONDS
                if upkeep and not self.queue:
                    continue
            if idle and self._is_retired:
                return
            self.wake.clear()
            if gathering and not self.stopping and len(self.queue) < _GATHERED:
                self._hurry.wait(_GATHER_SECONDS)
            gathering = True
            self._hurry.clear()
            try:
                while write_next(self) and not self.stopping:
                    upkeep = _LOOK_SECONDS
                    overdue = overdue or perf_counter() + _OVERDUE_SECONDS
                    if perf_counter() > overdue:
                        break
            except Exception:  # noqa: BLE001 - the guard
                internal_error("writing spans")
            self._ring()
            if self.stopping:
                return

    def _open_early(self) -> None:
        """The first span has begun: the file is made before it ends, if that takes a while."""
        if all(trace.held is not None for trace in list(self.live)):
            return
        self.writing_since = perf_counter()
        try:
            self.store  # noqa: B018 - it is opened when asked for
        except StoreError:
            pass  # the first batch says so, and tries again
        except Exception:  # noqa: BLE001 - the guard
            internal_error("opening the store")
        finally:
            self.writing_since = 0.0

    def _tidy(self) -> bool:
        """A part of the store's upkeep, some 20 ms long; whether there is more."""
        try:
            return self.store.maintain()
        except StoreError:
            return False  # the next write says so, if it lasts
        except Exception:  # noqa: BLE001 - the guard
            internal_error("tidying up the store")
            return False

    # -- bookkeeping of what is written ---------------------------------------------------

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


def _is_locked_out() -> bool:
    """Whether a thread of this process waits for another one to leave a store."""
    # It may be half loaded, by the worker.
    connections = sys.modules.get("tracetape.store.connections")
    is_waiting = getattr(connections, "is_waiting", None)
    return is_waiting is not None and bool(is_waiting())


def _load_writing() -> Callable[[Recorder], bool]:
    with loading:
        from tracetape.recorder.writing import write_next
    return write_next
