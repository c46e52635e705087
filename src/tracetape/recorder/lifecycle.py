"""Recorders when the process forks or ends."""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable
from typing import Protocol

from tracetape._forks import RECORDERS, at_fork
from tracetape._lazy import loading
from tracetape.diagnostics import internal_error

__all__ = ["at_end", "close_with_process", "watch"]


class _Closed(Protocol):
    def close(self) -> None: ...


class _Recorder(_Closed, Protocol):
    ending: bool

    def look_at_process(self) -> None: ...
    def before_fork(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_recorders: weakref.WeakSet[_Recorder] = weakref.WeakSet()
_endings: list[Callable[[], None]] = []
_looks = False  # when multiprocessing begins a child


def watch(recorder: _Recorder) -> None:
    """From now on, while it is in use, tell it of forks and of the end."""
    _recorders.add(recorder)


def close_with_process(recorder: _Closed) -> bool | None:
    """The children of multiprocessing end by os._exit, after finalizers of its own.

    Returns:
        Whether this is one that its parent kills, as a pool does once it has the last result; None
        while a spawned one loads its main module, and does not know yet what it is to be.
    """
    process = sys.modules.get("multiprocessing.process")
    is_killed: bool | None = False
    if process is not None:
        if getattr(process.current_process(), "_inheriting", False):
            is_killed = None
        elif process.parent_process() is not None:
            is_killed = bool(process.current_process().daemon)
            with loading:
                from multiprocessing.util import Finalize

            # What is left open ends before: a forked child has lost the exit handlers.
            for number, action in enumerate(_endings):
                Finalize(None, action, exitpriority=101 + number)
            Finalize(None, recorder.close, exitpriority=100)
        if "multiprocessing.util" in sys.modules:
            _look_when_it_begins()
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        # Its children say this, then wait for the parent to kill them (`billiard.pool.Worker`).
        celery.worker_process_shutdown.connect(_close_all, weak=False)
    return is_killed


def at_end(action: Callable[[], None]) -> Callable[[], None]:
    """Call it when the process ends, before the recorders close, to end what is left open."""
    _endings.append(action)
    return atexit.register(action)  # after the recorders' own, and so run before it


def _look_when_it_begins() -> None:
    """A child that made spans before multiprocessing began it, as in a hook of forks, looks again.

    multiprocessing drops the finalizers of before, and only then says what the process is.
    """
    global _looks
    if not _looks:
        with loading:
            from multiprocessing.util import register_after_fork

        _looks = True
        register_after_fork(_recorders, _look_again)


def _look_again(recorders: weakref.WeakSet[_Recorder]) -> None:
    try:
        for recorder in list(recorders):
            recorder.look_at_process()
    except Exception:  # noqa: BLE001 - the guard
        internal_error("looking at the process")


def _each(method: str) -> Callable[[], None]:
    def all_of_them() -> None:
        for recorder in list(_recorders):
            getattr(recorder, method)()

    return all_of_them


at_fork(RECORDERS, before=_each("before_fork"), in_child=_each("after_fork_in_child"))


def _close_all(**_signal: object) -> None:
    for action in _endings:
        action()
    for recorder in list(_recorders):
        recorder.close()


@atexit.register
def _at_exit() -> None:
    for recorder in list(_recorders):
        recorder.close()
        recorder.ending = True
    if getattr(sys, "last_type", None) is KeyboardInterrupt:
        # CPython ends with the signal only if Ctrl-C ended the last code that was run from text;
        # what was loaded by now (dataclasses, named tuples) runs such code too.
        try:
            exec("raise KeyboardInterrupt")  # noqa: S102
        except KeyboardInterrupt:
            pass
