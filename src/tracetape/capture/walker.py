"""The slow, safe path: walks a value in Python and can hold whatever orjson refuses or alters."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

from tracetape.capture.conversion import convert, is_sentinel, text_of

__all__ = ["encode_safely", "holds_odd_float"]

_MAX_DEPTH = 200
_MAX_REPR = 100_000
_I64 = 1 << 63


class _Unwalkable(Exception):  # noqa: N818 - never leaves this module
    """A cycle, an odd key or too deep a nesting: the whole value becomes its repr."""


def encode_safely(value: Any) -> bytes:
    """JSON of `value`, whatever it is."""
    try:
        return orjson.dumps(_walk(value, (), 0))
    except Exception:  # noqa: BLE001 - the user's objects may raise anything
        return orjson.dumps(_clean(_repr(value)))


def holds_odd_float(value: Any, depth: int = 0) -> bool:
    """Whether a NaN or an infinity hides in plain dicts, lists and tuples."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if depth > _MAX_DEPTH:
        return True
    if isinstance(value, dict):
        return any(holds_odd_float(item, depth + 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(holds_odd_float(item, depth + 1) for item in value)
    return False


def _walk(value: Any, above: tuple[int, ...], depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, int):
        # JSON readers, orjson among them, lose digits beyond 64 bits: kept as text.
        return int(value) if -_I64 <= value < _I64 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _odd_float(value)
    if depth >= _MAX_DEPTH or id(value) in above:
        raise _Unwalkable
    inside = (*above, id(value))
    if isinstance(value, dict):
        return {
            _key(key): _walk(item, inside, depth + 1)
            for key, item in value.items()
            if not is_sentinel(type(item))
        }
    if isinstance(value, (list, tuple)):
        return [_walk(item, inside, depth + 1) for item in value if not is_sentinel(type(item))]
    if is_sentinel(type(value)):
        return None
    converted = convert(value)
    if isinstance(converted, orjson.Fragment):
        return converted
    if converted is value:
        return _clean(text_of(value))
    return _walk(converted, inside, depth + 1)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _clean(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key).strip('"')
    raise _Unwalkable


def _odd_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _clean(text: str) -> str:
    """`text` as a plain str without lone surrogates, which UTF-8 cannot hold."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - __repr__ is the user's code
        return f"<{type(value).__name__}: repr() failed>"
    if len(text) > _MAX_REPR:
        return f"{text[:_MAX_REPR]}… <{len(text):,} characters of repr>"
    return text
