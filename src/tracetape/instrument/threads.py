"""Threads and thread pools keep the parent span: the targets behind `autolog(threads=True)`.

Only our own variable is carried. A pool's task always sets it, also to nothing, so that no task
lands under a stranger's request.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import sysconfig
from collections.abc import Callable
from types import FrameType
from typing import Any

from tracetape.instrument.green import targets
from tracetape.instrument.integration import Integration, Target
from tracetape.tracing.current import current
from tracetape.tracing.threads import call_inside

__all__ = ["INTEGRATION"]


def _wrap_submit(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    def submit(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2 or not is_on():  # a wrong call is refused by the pool itself
            return original(*args, **kwargs)
        pool, fn, *more = args
        return original(pool, call_inside, current.get(), fn, *more, **kwargs)

    return submit


def _wrap_task(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    # The pool of threads only: what a pool of processes is given must be pickled.
    def task(pool: Any, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if is_on():
            func = functools.partial(call_inside, current.get(), func)
        return original(pool, func, *args, **kwargs)

    return task


def _wrap_start(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    def start(self: Any) -> None:
        thread = self  # a wrong call is refused in the words of the class
        place = current.get()
        if place is None or not is_on() or _is_library(sys._getframe(1)):
            original(thread)
            return
        run = thread.run
        own = vars(thread).get("run")  # one that the user has set

        def restore() -> None:
            if own is None:
                vars(thread).pop("run", None)
            else:
                thread.run = own

        def run_inside() -> None:
            restore()  # the user's own method is back before it runs
            call_inside(place, run)

        thread.run = run_inside
        try:
            original(thread)
        except BaseException:
            restore()
            raise

    return start


def _is_library(frame: FrameType) -> bool:
    """Whether a thread is started by the standard library or an installed package."""
    file = frame.f_code.co_filename
    if file.startswith(_LIBRARIES) or _INSTALLED.search(file):
        return True
    # A packaged program's own modules and the libraries are in one place, without its path.
    module = str(frame.f_globals.get("__name__", ""))
    return not os.path.isabs(file) and module.partition(".")[0] in sys.stdlib_module_names


_PATHS = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_LIBRARIES = (
    "<frozen ",
    *sorted({f"{place}/" for path in _PATHS for place in (path, os.path.realpath(path))}),
)
# Also those of another place: a folder on PYTHONPATH, or where shiv and pex unpack a program.
_INSTALLED = re.compile(r"[/\\](site|dist)-packages[/\\]")

INTEGRATION = Integration(
    name="threads",
    package="threading",
    install="",
    targets=(
        Target("concurrent.futures.thread", "ThreadPoolExecutor", "submit", _wrap_submit),
        Target("threading", "Thread", "start", _wrap_start),
        *(
            Target("multiprocessing.pool", "ThreadPool", name, _wrap_task, optional=True)
            for name in ("apply_async", "_map_async", "imap", "imap_unordered")
        ),
        *targets(_is_library),
    ),
)
