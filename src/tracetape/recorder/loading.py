"""Loading of the writing side on a thread of its own, before the first span ends if possible."""

from __future__ import annotations

import atexit
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from tracetape._forks import RECORDERS, at_fork
from tracetape._lazy import loading
from tracetape._system import (
    is_green,
    is_own_thread,
    lasting_lock,
    pause,
    perf_counter,
)
from tracetape.diagnostics import internal_error
from tracetape.recorder.worker import Worker

__all__ = ["load_ahead", "load_by_parts", "may_load_in_a_thread", "shield"]

_FORK_SECONDS = 5.0
_EXIT_SECONDS = 1.0
_SHIELD_SECONDS = 5.0
# What replaces the system's threads by green ones is in these.
_MAKE_GREEN = ("gevent.monkey", "eventlet.patcher")


def may_load_in_a_thread() -> bool:
    """Whether no green thread can be in its way.

    A thread of the system's must not wait for a green one that imports the same; and when threads
    become green in the midst of an import, Python never frees that module's lock.
    """
    return not is_green() and not any(name in sys.modules for name in _MAKE_GREEN)


class _Shield:
    """While threads of tracetape import something, who is about to make threads green waits.

    It stays among the finders once it is there: Python asks them one by one, and if one were taken
    away meanwhile, an import of another thread would miss the next one and fail.
    """

    def __init__(self) -> None:
        self._lock = lasting_lock()
        self._up = 0

    def raise_(self) -> None:
        with self._lock:
            self._up += 1
            if not any(finder is self for finder in sys.meta_path):
                sys.meta_path.insert(0, self)

    def lower(self) -> None:
        with self._lock:
            self._up = max(0, self._up - 1)

    def drop(self) -> None:
        """In a forked child, which has none of these threads."""
        self._up = 0

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Let imports of these modules wait until the loading thread has them."""
        if not self._up or name not in _MAKE_GREEN or is_own_thread():
            return None
        for finder in [one for one in sys.meta_path if one is not self]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._make_wait(spec.loader)
                return spec
        return None

    def _make_wait(self, loader: Any) -> None:
        # Not in `find_spec`: Python lets nobody find a module meanwhile.
        run = loader.exec_module

        def exec_module(module: Any) -> None:
            del loader.exec_module
            deadline = perf_counter() + _SHIELD_SECONDS
            while self._up and perf_counter() < deadline:
                pause(0.001)
            run(module)

        try:
            loader.exec_module = exec_module
        except AttributeError:  # of a packaged program, which allows no change
            pass


shield = _Shield()


def load_by_parts() -> Iterator[None]:
    """Load the writers, SQLite, and the store that most programs write to; a part at each step.

    A fork has its turn between two of them. What a part needs comes before it.
    """
    with loading:
        import tracetape.entities.trace_info
    yield
    with loading:
        import tracetape.live.summary
    yield
    with loading:
        import tracetape.live.liveness
        import tracetape.live.protection
    yield
    # Few spans need these; but when one does, the program may have no file left to open.
    with loading:
        import tracetape.capture.walker
        import tracetape.media.extraction
    yield
    with loading:
        import tracetape.store.query
    yield
    with loading:
        import tracetape.recorder.pipeline
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
        import tracetape.store.database
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
        if self._ending or not may_load_in_a_thread():
            return
        with self._lock:
            new = [name for name in modules if name not in self._known]
            self._known.update(new)
            self._modules.extend(new)
            if self._is_running or (self._is_done and not self._modules):
                return
            self._stopping, self._is_running = False, True
            shield.raise_()
            try:
                self._thread = Worker(self._run, "tracetape-loader")
            except RuntimeError:  # the process may have no more threads
                self._is_running = False
                shield.lower()

    def _run(self) -> None:
        try:
            while self._load():
                pass
        except ImportError:
            self._is_running = False  # a packaged program may lack it: who needs it says so
        except Exception:  # noqa: BLE001 - the guard
            self._is_running = False
            internal_error("loading what writes")
        finally:
            shield.lower()

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
        shield.drop()

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
