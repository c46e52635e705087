"""The slow, safe path: walks a value in Python and can hold whatever orjson refuses or alters."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from enum import Enum
from typing import Any

import orjson

from tracetape._memory import ask_for_bytes, memory
from tracetape.capture.conversion import NO_MEMORY, convert, is_sentinel, text_of, utf8_text

__all__ = ["encode_safely", "walk_for_odd_float"]

_MAX_DEPTH = 200
_MAX_REPR = 100_000
_MIN_INT, _MAX_INT = -(1 << 63), (1 << 64) - 1  # what orjson writes


class _Unwalkable(Exception):  # noqa: N818 - never leaves this module
    """A cycle, an odd key or too deep a nesting: the whole value becomes its repr."""


def encode_safely(value: Any) -> bytes:
    """JSON of `value`, whatever it is."""
    try:
        walked = _walk(value, (), 0)
        if memory.is_bounded:
            ask_for_bytes(_length(walked))
        return orjson.dumps(walked)
    except MemoryError:
        return NO_MEMORY
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - the user's objects may raise anything
        return orjson.dumps(utf8_text(_repr(value)))


def _length(walked: Any) -> int:
    """About how many bytes the JSON of a walked value has."""
    if type(walked) is str:
        return len(walked)
    if type(walked) is dict:
        return sum(len(key) + _length(item) for key, item in walked.items())
    if type(walked) is list:
        return sum(map(_length, walked))
    return len(walked.contents) if type(walked) is orjson.Fragment else 8


def walk_for_odd_float(value: Any, depth: int = 0) -> bool:
    """Whether a NaN or an infinity hides in dicts, lists, tuples, dataclasses and models."""
    cls = type(value)
    if cls is str:
        return False
    if issubclass(cls, float):
        return not math.isfinite(value)
    if depth > _MAX_DEPTH:
        return True
    inner: Iterable[Any]
    if issubclass(cls, dict):
        inner = dict.values(value)
    elif issubclass(cls, list):
        inner = list.__iter__(value)
    elif issubclass(cls, tuple):
        inner = tuple.__iter__(value)
    elif hasattr(cls, "__pydantic_serializer__"):
        inner = _values_of(value)
    elif dataclasses.is_dataclass(cls):
        converted = convert(value)
        return type(converted) is dict and walk_for_odd_float(converted, depth + 1)
    else:
        return False
    return any(walk_for_odd_float(item, depth + 1) for item in inner)


def _values_of(model: Any) -> Iterable[Any]:
    """Those of a pydantic model, past what its class overrides."""
    yield from object.__getattribute__(model, "__dict__").values()
    if hasattr(type(model), "__pydantic_extra__"):
        yield from (object.__getattribute__(model, "__pydantic_extra__") or {}).values()


# Types are asked by issubclass, because isinstance reads the object's __class__, and containers
# through their base's methods, as orjson does: what a subclass overrides is the user's code.
def _walk(value: Any, above: tuple[int, ...], depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    cls = type(value)
    if issubclass(cls, Enum):
        return _walk(value.value, above, depth + 1)
    if issubclass(cls, str):
        return utf8_text(value)
    if issubclass(cls, int):
        # JSON readers, orjson among them, lose digits beyond 64 bits: kept as text.
        return int(value) if _MIN_INT <= value <= _MAX_INT else text_of(int(value))
    if issubclass(cls, float):
        return float(value) if math.isfinite(value) else _odd_float(value)
    if depth >= _MAX_DEPTH or id(value) in above:
        raise _Unwalkable
    inside = (*above, id(value))
    if issubclass(cls, dict):
        return {
            _key(key): _walk(item, inside, depth + 1)
            for key, item in dict.items(value)
            if not is_sentinel(type(item))
        }
    if issubclass(cls, tuple) and cls is not tuple:
        converted = convert(value)
        if type(converted) is dict:  # a named tuple whose names are kept
            return _walk(converted, inside, depth + 1)
    if issubclass(cls, (list, tuple)):
        items = list.__iter__(value) if issubclass(cls, list) else tuple.__iter__(value)
        return [_walk(item, inside, depth + 1) for item in items if not is_sentinel(type(item))]
    if is_sentinel(cls):
        return None
    try:
        converted = convert(value)
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - the user's objects may raise anything
        return utf8_text(text_of(value))
    if type(converted) is orjson.Fragment:
        if walk_for_odd_float(value):  # pydantic, too, writes null
            shown = cls.__pydantic_serializer__.to_python(value, warnings=False)
            return _walk(shown, inside, depth + 1)
        return converted
    return _walk(converted, inside, depth + 1)


def _key(key: Any) -> str:
    if issubclass(type(key), str):
        return utf8_text(key)
    if key is None or issubclass(type(key), (int, float)):
        return json.dumps(key).strip('"')
    raise _Unwalkable


def _odd_float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _repr(value: Any) -> str:
    try:
        text = str.__str__(repr(value))
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - __repr__ is the user's code
        return f"<{type(value).__name__}: repr() failed>"
    if len(text) > _MAX_REPR:
        return f"{text[:_MAX_REPR]}… <{len(text):,} characters of repr>"
    return text
