"""Memory for orjson, which ends the process where the system refuses it some."""

from __future__ import annotations

import marshal
from typing import Any

__all__ = ["ask_for_bytes", "ask_for_reading", "ask_for_writing", "look_for_bound", "memory"]

# orjson asks for eight bytes for each of a text, and for twice as much while it moves them.
_WRITING = 17
# A short text of four bytes of JSON becomes an object of fifty, and one of orjson's.
_READING = 8
_ROOM = 1 << 16  # bytes that are asked for in any case


class _Memory:
    """The bound of this process's memory.

    Attributes:
        is_bounded: whether the system may refuse it memory (`ulimit -v`, RLIMIT_AS or RLIMIT_DATA).
    """

    is_bounded = False


memory = _Memory()


def look_for_bound() -> None:
    """See whether the process has a bound; a program may set one at any time."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        if resource.getrlimit(kind)[0] != resource.RLIM_INFINITY:
            memory.is_bounded = True
            return
    memory.is_bounded = False


def ask_for_writing(value: Any) -> None:
    """See that orjson will get the memory to write `value`.

    Raises:
        MemoryError: it would not.
        ValueError: `value` holds an object, whose size nobody knows.
    """
    ask_for_bytes(len(marshal.dumps(value)))


def ask_for_bytes(count: int) -> None:
    """See that orjson will get the memory to write so many bytes.

    Raises:
        MemoryError: it would not.
    """
    bytearray(_WRITING * count + _ROOM)


def ask_for_reading(data: bytes | str) -> None:
    """See that orjson will get the memory to read `data`.

    Raises:
        MemoryError: it would not.
    """
    bytearray(_READING * len(data) + _ROOM)


look_for_bound()
