"""The sizes and times of a body's parts, as text: `73+0 61+10.2` is bytes + milliseconds."""

from __future__ import annotations

from typing import Any

from tracetape.cassettes.file.model import Chunk

__all__ = ["chunks", "sizes"]

_IN_A_LINE = 12
_FOREVER = float("inf")


def sizes(parts: list[Chunk]) -> str:
    """Text, and not a list of lists: a long stream would take YAML seconds to read."""
    pairs = [f"{len(part.data)}+{_short(part.delay * 1000)}" for part in parts]
    rows = [pairs[at : at + _IN_A_LINE] for at in range(0, len(pairs), _IN_A_LINE)]
    return "\n".join(" ".join(row) for row in rows)


def chunks(body: bytes, stored: Any) -> list[Chunk]:
    """The parts of a body; it is one part if the sizes do not fit it, edited by hand perhaps.

    The first tapes had a list of ``[bytes, milliseconds]``.
    """
    found: list[Chunk] = []
    at = 0
    try:
        pairs = stored if isinstance(stored, list) else [p.split("+") for p in str(stored).split()]
        for size, milliseconds in pairs:
            end, delay = at + int(size), float(milliseconds) / 1000
            if end < at or not 0 <= delay < _FOREVER:
                raise ValueError("a part has no such size or time")
            found.append(Chunk(body[at:end], delay))
            at = end
    except (TypeError, ValueError):
        at = -1
    if at >= len(body):
        return found
    return [Chunk(body)] if body else []


def _short(milliseconds: float) -> str:
    return f"{milliseconds:.1f}".removesuffix(".0")
