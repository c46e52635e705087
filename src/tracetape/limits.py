"""Sizes, durations, counts and switches as users write them: one parser for all of them."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

from tracetape.diagnostics import warn_once
from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = [
    "checked_flag",
    "from_environment",
    "is_duration",
    "parse_bytes",
    "parse_flag",
    "parse_seconds",
    "timeout_seconds",
]

_T = TypeVar("_T")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONG = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_POWERS = "kmgt"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE | re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)(b?))", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
_MAX_BYTES = 1 << 62
_SIZES, _DURATIONS = "500MB, 2GB or 1GiB", "90s, 30m, 12h, 7d or 4w"
_ON, _OFF = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def is_duration(text: str) -> bool:
    """Whether `text` is a number with a unit of time."""
    return _duration(text) is not None


def parse_seconds(text: str) -> float:
    """A duration such as ``90s``, ``30m``, ``12h``, ``7d``, ``4w``.

    Raises:
        InvalidValueError: it is invalid, or has no unit, or the unit is ``M``.
    """
    text = text.strip()
    found = _duration(text)
    if found is None:
        _refuse_ambiguous(text)
        raise InvalidValueError(f"{text!r} is not a duration{_unit_for(text)}: write {_DURATIONS}.")
    return found


def parse_bytes(text: str | int, *, plain: bool = False, at_least: int = 0) -> int:
    """A size such as ``500MB``, ``2GB``, ``1GiB``.

    Args:
        text: the size.
        plain: a number without a unit is bytes; else a unit is required.
        at_least: a smaller one is an error.

    Raises:
        InvalidTypeError: it is neither a string nor a whole number.
        InvalidValueError: it is invalid, or has no unit, or is too small.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise InvalidTypeError(f"{text!r} is not a size: write {_SIZES}.")
    shown = text.strip() if isinstance(text, str) else text
    match = _SIZE.fullmatch(str(shown))
    unit = match and (match[2] or match[4])
    if match is None or (match[3] and not match[2]) or not (unit or plain):
        raise InvalidValueError(f"{shown!r} is not a size{_unit_for(str(shown))}: write {_SIZES}.")
    if not match[4] and not match[3]:
        _refuse_ambiguous(str(shown))
    power = _POWERS.index(match[2].lower()) + 1 if match[2] else 0
    size = float(match[1]) * (1024.0 if match[3] else 1000.0) ** power
    if not size <= _MAX_BYTES:
        raise InvalidValueError(f"{shown!r} is larger than any disk: write {_SIZES}.")
    if size < at_least:
        raise InvalidValueError(
            f"{shown!r} is too small: write {math.ceil(at_least / 1000)}kB or more, "
            f"such as {_SIZES}."
        )
    return int(size)


def parse_flag(text: str) -> bool:
    """A switch: ``1``, ``true``, ``yes``, ``on``, or their opposites, in upper or lower case.

    Raises:
        InvalidValueError: it is not one of them.
    """
    word = text.strip().lower()
    if word not in _ON | _OFF:
        raise InvalidValueError(f"unknown value {text!r}; choose from true and false.")
    return word in _ON


def checked_flag(value: Any, name: str) -> bool:
    """The value of an option that is on or off; a text such as ``"no"`` would be on.

    Raises:
        InvalidTypeError: it is neither True nor False.
    """
    if isinstance(value, bool):
        return value
    raise InvalidTypeError(f"{name} must be True or False, got {value!r}: write {name}=False")


def timeout_seconds(value: Any, name: str = "timeout") -> float | None:
    """Seconds to wait; None: as long as it takes.

    Raises:
        InvalidTypeError: it is not a number.
        InvalidValueError: it is NaN.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = None
    if seconds is None or isinstance(value, (str, bytes)):
        raise InvalidTypeError(f"{name} must be a number of seconds or None, got {value!r}.")
    if math.isnan(seconds):
        raise InvalidValueError(f"{name} must be a number of seconds or None, got {value!r}.")
    return seconds


def from_environment(
    name: str,
    parse: Callable[[str], _T],
    default: _T,
    otherwise: tuple[_T, str],
    text: str | None = None,
) -> _T:
    """The value of an environment variable.

    Args:
        name: of the variable.
        parse: reads it, and raises `InvalidValueError`.
        default: what holds where it is not set, or empty.
        otherwise: what holds where it cannot be read, as a value and in words for the warning.
        text: read instead of the variable.
    """
    text = os.environ.get(name) or None if text is None else text
    if text is None:
        return default
    try:
        return parse(text)
    except InvalidValueError as error:
        value, words = otherwise
        warn_once(f"{name} {text}", "%s: %s. %s", name, f"{error}".rstrip("."), words)
        return value


def _duration(text: str) -> float | None:
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] == "M":  # minutes, months, or megabytes?
        return None
    word = match[2].lower()
    word = word if len(word) == 1 else _LONG.get(word.removesuffix("s") or word, "")
    return float(match[1]) * _SECONDS[word] if word in _SECONDS else None


def _refuse_ambiguous(text: str) -> None:
    number = text[:-1].strip()
    if text.endswith("M") and _NUMBER.fullmatch(number):
        raise InvalidValueError(
            f"{text!r} is ambiguous: write {number}MB for megabytes, {number}m for minutes; "
            f"sizes are such as {_SIZES}."
        )


def _unit_for(text: str) -> str:
    return ", it has no unit" if _NUMBER.fullmatch(text) else ""
