"""What only writing needs is loaded on threads of ours, before the first span ends if possible."""

from __future__ import annotations

import atexit
from collections import deque
from collections.abc import Iterable, Iterator
from importlib import import_module

from tracetape._forks import RECORDERS, at_fork
from tracetape._lazy import loading
from tracetape._system import is_green, lasting_lock
from tracetape.diagnostics import internal_error
from tracetape.recorder.worker import Worker

__all__ = ["load_ahead", "load_by_parts"]

_FORK_SECONDS = 5.0
_EXIT_SECONDS = 1.0


def load_by_parts() -> Iterator[None]:
    """Load the writers, SQLite, and the store that most programs write to; a part at each step.

    A fork has its turn between two of them. What a part needs stands before it.
    """
    with loading:
        import tracetape.entities.trace_info
    yield
    with loading:
        import tracetape.entities.summary
    yield
    with loading:
        import tracetape.entities.liveness
        import tracetape.entities.protection
    yield
    with loading:
        import tracetape.store.query
    yield
    with loading:
        import tracetape.recorder.writing
    yield
    with loading:
        import sqlite3  # noqa: F401
    yield
    with loading:
        import tracetape.store.connections
    yield
    with loading:
        import tracetape.store.fulltext
    yield
    with loading:
        import tracetape.store.opening
    yield
    with loading:
        import tracetape.store.rows
        import tracetape.store.selecting
    yield
    with loading:
        import tracetape.store.location
        import tracetape.store.sqlite  # noqa: F401
    yield


class _Loader:
    """A thread that ends when it has loaded everything, or when the process forks or ends.

    Where none lasts, a program that records nothing yet has one thread, as without us: Python
    warns of a fork with more.
    """

    def __init__(self) -> None:
        self._lock = lasting_lock()
        self._thread: Worker | None = None
        self._is_running = self._stopping = self._ending = self._is_done = False
        self._modules: deque[str] = deque()
        self._known: set[str] = set()

    def begin(self, modules: Iterable[str]) -> None:
        # A thread of the system's must not wait for a green one that imports the same.
        if is_green() or self._ending:
            return
        with self._lock:
            new = [name for name in modules if name not in self._known]
            self._known.update(new)
            self._modules.extend(new)
            if self._is_running or (self._is_done and not self._modules):
                return
            self._stopping, self._is_running = False, True
            try:
                self._thread = Worker(self._run, "tracetape-loader")
            except RuntimeError:  # the process may have no more threads
                self._is_running = False

    def _run(self) -> None:
        try:
            while self._load():
                pass
        except ImportError:
            self._is_running = False  # a packaged program may lack it: who needs it says so
        except Exception:  # noqa: BLE001 - the guard
            self._is_running = False
            internal_error("loading what writes")

    def _load(self) -> bool:
        """Load what there is to load; whether there is more by now."""
        for _ in () if self._is_done else load_by_parts():
            if self._stopping:
                break
        else:
            self._is_done = True
        while self._modules and not self._stopping:
            name = self._modules.popleft()
            with loading:
                import_module(name)
        with self._lock:
            self._is_running = bool(self._modules) and not self._stopping
            return self._is_running

    def stop(self, seconds: float) -> None:
        thread, self._thread = self._thread, None
        self._stopping = True
        if thread is not None:
            thread.join(seconds)

    def begin_anew(self) -> None:
        self._thread, self._is_running = None, False

    def end(self) -> None:
        self._ending = True
        self.stop(_EXIT_SECONDS)


_loader = _Loader()
at_fork(
    RECORDERS,
    before=lambda: _loader.stop(_FORK_SECONDS),
    in_child=_loader.begin_anew,
)
atexit.register(_loader.end)


def load_ahead(modules: Iterable[str] = ()) -> None:
    """Have what writing needs loaded by a thread that then ends; and `modules`, if they are given.

    Nothing is opened or made. Without it the same is loaded by the writing thread, which starts
    with the first span.
    """
    _loader.begin(modules)
