"""Refuses where orjson would not load, or take the whole program along.

That is in sub-interpreters (PEP 684, 734), where threads may not start either, and near the limit
of recursion: orjson crashes where what it imports raises. Imported before all that needs it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import FrameType

_FRAMES = 100  # orjson's own imports take some 60
_MODULE = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"


def _is_main() -> bool:
    try:
        interpreters = import_module(_MODULE)
        # With 3.13 both are pairs of an id and who made it.
        current, main = interpreters.get_current(), interpreters.get_main()
    except (ImportError, AttributeError):  # another implementation of Python has none
        return True
    return bool(current == main or (isinstance(current, tuple) and current[0] == main[0]))


def _frames_left() -> int:
    depth = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return sys.getrecursionlimit() - depth


if not _is_main():
    raise ImportError(
        "tracetape does not run in a sub-interpreter: trace in the main one, or in processes "
        "(multiprocessing, concurrent.futures.ProcessPoolExecutor)",
        name=__name__,
    )
if _frames_left() < _FRAMES:
    raise RecursionError("too near the limit of recursion to load orjson")
