"""How long traces are kept, and how much of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["Retention", "parse_bytes", "parse_retention", "parse_seconds"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Retention:
    """A bound that pruning keeps.

    Attributes:
        seconds: traces that began longer ago are removed; None: none for their age.
        max_bytes: the oldest are removed until the store is no larger; None: any size.
    """

    seconds: float | None = None
    max_bytes: int | None = None


def parse_retention(text: str) -> Retention:
    """What ``30d``, ``2GB`` or ``30d, 2GB`` means.

    Raises:
        InvalidTypeError: it is no string.
        InvalidValueError: it is neither an age nor a size.
    """
    if not isinstance(text, str):
        raise InvalidTypeError(f"retention must be a string such as '30d' or '2GB', got {text!r}.")
    seconds, max_bytes = None, None
    for part in text.split(","):
        if _DURATION.fullmatch(part.strip()):
            seconds = parse_seconds(part)
        else:
            max_bytes = parse_bytes(part)
    return Retention(seconds, max_bytes)


def parse_seconds(text: str) -> float:
    """A duration such as ``90s``, ``30m``, ``12h``, ``7d``, ``4w``.

    Raises:
        InvalidValueError: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidValueError(f"{text.strip()!r} is no duration: write 90s, 30m, 12h, 7d or 4w.")
    return float(match[1]) * _SECONDS[match[2].lower()]


def parse_bytes(text: str) -> int:
    """A size such as ``500MB``, ``2GB``, ``1GiB``.

    Raises:
        InvalidValueError: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidValueError(f"{text.strip()!r} is no size: write 500MB, 2GB or 1GiB.")
    unit = _BYTES[match[2].lower()]
    if match[3]:
        unit = 1 << (10 * (list(_BYTES).index(match[2].lower())))
    return int(float(match[1]) * unit)
