"""Recorders when the process forks or ends."""

from __future__ import annotations

import atexit
import sys
import weakref
from collections.abc import Callable
from typing import Protocol

from tracetape._forks import RECORDERS, at_fork
from tracetape._lazy import loading

__all__ = ["close_with_process", "watch"]


class _Closed(Protocol):
    def close(self) -> None: ...


class _Recorder(_Closed, Protocol):
    ending: bool

    def before_fork(self) -> None: ...
    def after_fork_in_child(self) -> None: ...


_recorders: weakref.WeakSet[_Recorder] = weakref.WeakSet()


def watch(recorder: _Recorder) -> None:
    """From now on, while it is in use, tell it of forks and of the end."""
    _recorders.add(recorder)


def close_with_process(recorder: _Closed) -> bool:
    """The children of multiprocessing end by os._exit, after finalizers of its own.

    Returns:
        Whether this is one that its parent kills, as a pool does once it has the last result.
    """
    process = sys.modules.get("multiprocessing.process")
    is_killed = False
    if process is not None and process.parent_process() is not None:
        is_killed = bool(process.current_process().daemon)
        with loading:
            from multiprocessing.util import Finalize

        Finalize(None, recorder.close, exitpriority=100)
    celery = sys.modules.get("celery.signals")
    if celery is not None:
        # Its children say this, then wait for the parent to kill them (`billiard.pool.Worker`).
        celery.worker_process_shutdown.connect(_close_all, weak=False)
    return is_killed


def _each(method: str) -> Callable[[], None]:
    def all_of_them() -> None:
        for recorder in list(_recorders):
            getattr(recorder, method)()

    return all_of_them


at_fork(RECORDERS, before=_each("before_fork"), in_child=_each("after_fork_in_child"))


def _close_all(**_signal: object) -> None:
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
