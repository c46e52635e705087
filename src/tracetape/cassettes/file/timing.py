"""The sizes and times of a body's parts, as text: `73+0 61+10.2` is bytes + milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tracetape.cassettes.file.model import Chunk

__all__ = ["chunks", "sizes"]

_IN_A_LINE = 12
_FOREVER = float("inf")
_SIZES = re.compile(r"\s*(?:[0-9]{1,12}\+[0-9]{1,12}(?:\.[0-9]{1,9})?(?:\s+|\Z))*")  # as we write


def sizes(parts: list[Chunk]) -> str:
    """Text, and not a list of lists: a long stream would take YAML seconds to read."""
    pairs = [f"{len(part.data)}+{_short(part.delay * 1000)}" for part in parts]
    rows = [pairs[at : at + _IN_A_LINE] for at in range(0, len(pairs), _IN_A_LINE)]
    return "\n".join(" ".join(row) for row in rows)


def chunks(body: bytes, stored: Any) -> list[Chunk]:
    """The parts of a body; it is one part if the sizes do not fit it, edited by hand perhaps.

    The first tapes had a list of ``[bytes, milliseconds]``.
    """
    parts: Iterable[tuple[int, float]]
    if isinstance(stored, str) and _SIZES.fullmatch(stored):
        numbers = stored.replace("+", " ").split()
        parts = zip(map(int, numbers[::2]), map(float, numbers[1::2]), strict=True)
    else:
        parts = _pairs(stored)
    found: list[Chunk] = []
    at = 0
    try:
        for size, milliseconds in parts:
            end = at + size
            found.append(Chunk(body[at:end], milliseconds / 1000))
            at = end
    except (TypeError, ValueError):
        at = -1
    if at >= len(body):
        return found
    return [Chunk(body)] if body else []


def _pairs(stored: Any) -> Iterator[tuple[int, float]]:
    pairs = stored if isinstance(stored, list) else [p.split("+") for p in str(stored).split()]
    for given, milliseconds in pairs:
        size, delay = int(given), float(milliseconds)
        if size < 0 or not 0 <= delay < _FOREVER:
            raise ValueError("a part has no such size or time")
        yield size, delay


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.1f}".removesuffix(".0")
