"""Refuses sub-interpreters (PEP 684, 734): orjson does not load there, and threads may not start.

Imported before all that would fail there with an error that says less.
"""

from __future__ import annotations

import sys
from importlib import import_module

_MODULE = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"


def _is_main() -> bool:
    try:
        interpreters = import_module(_MODULE)
        # With 3.13 both are pairs of an id and who made it.
        current, main = interpreters.get_current(), interpreters.get_main()
    except (ImportError, AttributeError):  # another implementation of Python has none
        return True
    return bool(current == main or (isinstance(current, tuple) and current[0] == main[0]))


if not _is_main():
    raise ImportError(
        "tracetape does not run in a sub-interpreter: trace in the main one, or in processes "
        "(multiprocessing, concurrent.futures.ProcessPoolExecutor)",
        name=__name__,
    )
