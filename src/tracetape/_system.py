"""The system's clocks, locks and threads, whatever a program puts in their place.

freezegun and time-machine stop the clocks; gevent and eventlet make locks and threads green, early
or late. A span's times, and the thread that writes, must depend on none of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.machinery import BuiltinImporter
from types import ModuleType
from typing import Any

__all__ = ["pause", "perf_counter", "perf_counter_ns", "wall_clock_ns"]


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


_time = _original(time)

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
