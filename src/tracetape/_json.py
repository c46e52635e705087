"""JSON of what orjson has read: it reads more levels than it writes."""

from __future__ import annotations

from typing import Any

import orjson

from tracetape._memory import ask_for_writing, memory

__all__ = ["dumps"]


def dumps(value: Any, option: int | None = None) -> bytes:
    """The JSON of a value that `orjson.loads` gave, however deep it is.

    Args:
        value: the value.
        option: orjson's; a value that is too deep for orjson is written without it.

    Raises:
        TypeError: JSON has no form for a part of it.
        MemoryError: the process has a bound, and not enough is left.
    """
    try:
        if memory.is_bounded:
            ask_for_writing(value)
        return orjson.dumps(value, option=option)
    except TypeError:
        return b"".join(_parts(value))


def _parts(value: Any) -> list[bytes]:
    """The texts that make up the JSON of a value, found without recursion."""
    parts: list[bytes] = []
    left = [value]  # the last is the next; bytes are JSON already
    while left:
        one = left.pop()
        if type(one) is bytes:
            parts.append(one)
        elif type(one) is dict:
            left.append(b"}")
            members = [(b"," + orjson.dumps(key) + b":", item) for key, item in one.items()]
            left += [part for key, item in reversed(members) for part in (item, key)]
            if members:
                left[-1] = members[0][0][1:]  # no comma before the first
            parts.append(b"{")
        elif type(one) is list:
            left.append(b"]")
            for item in reversed(one):
                left += (item, b",")
            if one:
                left.pop()  # no comma before the first
            parts.append(b"[")
        else:
            parts.append(orjson.dumps(one))
    return parts
