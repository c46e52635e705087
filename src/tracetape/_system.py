"""The system's clocks, locks and threads, whatever a program puts in their place.

freezegun and time-machine stop the clocks; gevent and eventlet make locks and threads green, early
or late. A span's times, and the thread that writes, must depend on none of them.
"""

from __future__ import annotations

import _thread
import signal
import sys
import time
from collections.abc import Callable
from importlib.machinery import BuiltinImporter
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, ref

if TYPE_CHECKING:
    from threading import Thread

__all__ = [
    "Bell",
    "holds_a_lock",
    "is_green",
    "is_own_thread",
    "lasting_lock",
    "new_lock",
    "pause",
    "perf_counter",
    "perf_counter_ns",
    "renew_locks",
    "start_thread",
    "this_thread",
    "wall_clock_ns",
]


def _original(module: ModuleType) -> Any:
    """A second instance of a built-in module: nobody knows its functions, so nobody replaces them.

    freezegun finds functions by identity in all modules, and may be at work when we are imported.
    """
    name = module.__name__
    spec = BuiltinImporter.find_spec(name)
    if spec is None:  # another implementation of Python
        return module
    found = BuiltinImporter.create_module(spec)
    if found is None:
        return module
    BuiltinImporter.exec_module(found)
    return found


_TURN_SECONDS = 0.002  # that other green threads get between two looks

_time = _original(time)
_threads = _original(_thread)

# All that is measured is measured by this one: a release of time-machine changes the monotonic
# clock within C, where even the second instance has it.
perf_counter_ns: Callable[[], int] = _time.perf_counter_ns
perf_counter: Callable[[], float] = _time.perf_counter
# Holds up the thread, other green threads in it too.
pause: Callable[[float], None] = _time.sleep


def wall_clock_ns() -> int:
    """Nanoseconds since the epoch, also while a program's tests travel in time."""
    machine = sys.modules.get("time_machine")
    if machine is not None:
        # It changes the wall clock within C, and keeps a way past that.
        try:
            if machine.escape_hatch.is_travelling():
                return int(machine.escape_hatch.time.time_ns())
        except (AttributeError, ValueError):  # being imported; or the journey has just ended
            pass
    return int(_time.time_ns())


_locks: set[ref[Any]] = set()


def new_lock() -> Any:
    """A reentrant lock, as a finaliser that runs inside may need the lock that its thread holds."""
    lock = _threads.RLock()
    _locks.add(ref(lock, _locks.discard))
    return lock


def holds_a_lock() -> bool:
    """Whether this thread is where a finaliser must wait for no other thread of tracetape's."""
    locks = [one() for one in list(_locks)]
    return any(lock is not None and lock._is_owned() for lock in locks)


this_thread: Callable[[], int] = _threads.get_ident

_lasting: WeakSet[Any] = WeakSet()


def lasting_lock() -> Any:
    """A reentrant lock that is free in a forked child, whoever held it."""
    lock = new_lock()
    _lasting.add(lock)
    return lock


def renew_locks() -> None:
    """In a forked child: the threads that held them are not there."""
    _own.clear()
    for lock in list(_lasting):
        lock._at_fork_reinit()


def is_green() -> bool:
    """Whether gevent or eventlet has put its own locks and threads in place of the system's."""
    return not isinstance(_thread.allocate_lock, BuiltinFunctionType)


_own: set[int] = set()
# What a fault of the thread itself raises must reach it.
_FAULTS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
_block: Callable[[int, Any], Any] | None = getattr(signal, "pthread_sigmask", None)  # not Windows


def is_own_thread() -> bool:
    """Whether the thread that asks is one that `start_thread` has started."""
    return this_thread() in _own


def start_thread(run: Callable[[], None], name: str) -> Thread | None:
    """Run it in a thread of the system's that ends with the program; None: it has no object."""

    def run_marked() -> None:
        me = this_thread()
        _own.add(me)
        _leave_signals()
        try:
            run()
        finally:
            _own.discard(me)

    if is_green():
        _threads.start_new_thread(run_marked, ())
        return None
    from threading import Thread

    thread = Thread(target=run_marked, name=name, daemon=True)
    # A gevent that is put in place later takes it for one of its own: on Python 3.13 its hook
    # fails in each forked child otherwise, and leaves the child without a main thread.
    vars(thread)["_DummyThread__ghandle"] = _NotOfGevent
    thread.start()
    return thread


class _NotOfGevent:
    """Answer gevent, which takes our thread for a green one and ends it in a forked child."""

    @staticmethod
    def _set_done(enter_hub: bool = True) -> None:
        """Do nothing: there is no green thread."""


def _leave_signals() -> None:
    """Signals are for the program's threads, which may have blocked one to wait for it."""
    if _block is not None:
        faults = {getattr(signal, name, None) for name in _FAULTS}
        _block(signal.SIG_BLOCK, signal.valid_signals() - faults)


class Bell:
    """A bell: one thread waits until another rings it; the wait takes the ringing back."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        """Not rung yet."""
        self._lock = _threads.allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the thread that waits, or the next one that does."""
        if self._lock.locked():
            try:
                self._lock.release()
            except RuntimeError:  # another thread did meanwhile
                pass

    def clear(self) -> None:
        """Forget that it was rung."""
        self._lock.acquire(False)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was rung; waits for so many seconds at most, other green threads too."""
        return bool(self._lock.acquire(timeout=-1 if timeout is None else timeout))

    def wait_here(self, timeout: float) -> bool:
        """As `wait`, on a thread of the program's: its green threads go on meanwhile."""
        if not is_green():
            return self.wait(timeout)
        deadline = perf_counter() + timeout
        while not self.wait(0):
            if perf_counter() > deadline:
                return False
            try:
                time.sleep(_TURN_SECONDS)
            except Exception:  # noqa: BLE001 - where no switch is possible, as in gevent's hub
                return self.wait(max(0.0, deadline - perf_counter()))
        return True
