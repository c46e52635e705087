"""The one thread that writes: when it starts, what it does in turn, and how it stops."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tracetape._forks import look_for_fork
from tracetape._lazy import loading
from tracetape._system import Bell, is_green, new_lock, perf_counter
from tracetape.diagnostics import internal_error, log_rest, logger, warn_once
from tracetape.exceptions import StoreError
from tracetape.live.live_span import LiveSpan
from tracetape.recorder import lifecycle
from tracetape.recorder.loading import load_by_parts, may_load_in_a_thread, shield
from tracetape.recorder.store_access import StoreAccess
from tracetape.recorder.surroundings import look_around
from tracetape.recorder.worker import Worker

if TYPE_CHECKING:
    from tracetape.store import Store

__all__ = ["WritingThread"]

_GATHER_SECONDS = 0.05  # spans that end close together share a transaction
_GATHERED = 1000  # spans that are enough for one
_LOOK_SECONDS = 0.25  # how often long-open spans are looked for
_PAUSE_SECONDS = 0.02  # between two parts of the store's upkeep
_OVERDUE_SECONDS = 1.0  # how long upkeep waits for a moment without spans
_LAST_TIDY_SECONDS = 1.0  # of upkeep when a program ends, at most
_KILLED_TIDY_SECONDS = 0.05  # the same, of a process that its parent may kill
_EXIT_SECONDS = 10.0
_PATIENCE_SECONDS = 1.0  # without progress, for a store that another process has locked, or fails
_FAILING_SECONDS = 10.0  # without progress, for a flush that is given no time of its own
_STOP_SECONDS = 5.0  # for the worker to end
_GIVE_UP_SECONDS = 1.0  # the same, of one that waits for a store
_REFUSED_SECONDS = 0.5  # between two attempts to start a thread


class WritingThread(StoreAccess):
    """Writes what is queued, on a thread that starts with the first span."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        peek: Callable[[], Store] | None,
        where: Callable[[], str] | None,
        prepare: Callable[[], None] | None,
        max_bytes: int,
    ) -> None:
        """Start nothing yet; the arguments are as of `Recorder`."""
        self._prepare = prepare
        self.ending = False  # the program is at its end: no thread may be started any more
        self._is_retired = False  # nobody will close it again: its worker ends when it is idle
        super().__init__(open_store, peek, where, max_bytes)
        self._fresh()
        # Whether who ends a root waits until its trace is durable; and why.
        self._at_once = self._wants_at_once = self._is_killed = False
        self._may_be_killed = False  # that is not known yet: it is asked again when a root ends

    def _fresh(self) -> None:
        super()._fresh()
        self._start_lock = new_lock()
        self._worker: Worker | None = None
        self._refused = 0.0  # when the system last refused the worker; 0: it did not
        self._starting = False
        self._writing_here = False  # a thread of the program's writes, the worker being refused
        self.wake = Bell()
        self._sleeping = False
        self.stopping = False
        self.abandoned = False  # the worker could not be stopped: what it holds is counted as lost
        self.batch_bytes = 1 << 20  # fitted to the store's speed
        self.next_beat = 0.0  # when to say again that the process lives, by the monotonic clock

    def write_at_once(self, wanted: bool) -> None:
        """Whether who ends a root waits until its trace is durable.

        In daemonic children of multiprocessing, such as a pool's, it does in any case: before the
        result, which may be the last that they are kept alive for, goes back.
        """
        self._wants_at_once = wanted
        self._at_once = wanted or self._is_killed

    def look_at_process(self) -> None:
        """Find out whether this process is one that its parent kills, once there is a worker."""
        if self._worker is None and not self._refused:
            return
        is_killed = lifecycle.close_with_process(self)
        self._may_be_killed = is_killed is None
        self._is_killed = is_killed is not False
        self.write_at_once(self._wants_at_once)

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
        self.look_at_process()

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


def _load_writing() -> Callable[[WritingThread], bool]:
    with loading:
        from tracetape.recorder.writing import write_next
    return write_next
