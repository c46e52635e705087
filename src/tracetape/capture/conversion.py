"""How one object that JSON has no form for becomes something that it has a form for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import orjson

__all__ = [
    "MAX_BUFFER",
    "NO_MEMORY",
    "UnencodableError",
    "convert",
    "is_sentinel",
    "names_are_kept_by",
    "text_of",
    "utf8_text",
]

NO_MEMORY = b'"<not recorded: the process has not enough memory left>"'
MAX_BUFFER = 1024  # bytes of a binary value that are shown; more is summarised by its size
_MAX_CACHED_TYPES = 2048  # classes made at run time must not pile up in the cache


class UnencodableError(TypeError):
    """The fast path cannot hold this value; the walker can."""


def convert(value: Any) -> Any:
    """Orjson's `default`: the JSON-able stand-in of `value`."""
    cls = type(value)
    converter = _converters.get(cls)
    if converter is None:
        if len(_converters) >= _MAX_CACHED_TYPES:
            _converters.clear()
        converter = _converters[cls] = _choose(cls)
    return converter(value)


def is_sentinel(cls: type) -> bool:
    """Whether `cls` is an SDK's mark for "argument not given" (openai and its template's kin)."""
    if cls.__name__ not in _SENTINEL_NAMES or "__bool__" not in cls.__dict__:
        return False
    # They are defined in openai._types and say that they are of openai.
    return cls.__module__.endswith("._types") or "." not in cls.__module__


def text_of(value: Any) -> str:
    """``str(value)``, or the type's name when the object's own code fails."""
    # Not isinstance: it asks the object for __class__, which a lazy proxy may refuse.
    if issubclass(type(value), (bytes, bytearray, memoryview)) and len(value) > MAX_BUFFER:
        return f"<{type(value).__name__} of {len(value):,} bytes>"
    try:
        return str.__str__(str(value))
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - __str__ is the user's code
        return f"<{type(value).__name__}: str() failed>"


def utf8_text(text: str) -> str:
    """`text` as a plain str that UTF-8 can hold.

    Two halves of a character (surrogates) next to each other are that character: a stream may
    bring each in a part of its own. A half without the other is shown as its escape.
    """
    text = str.__str__(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return whole.encode("utf-8", "backslashreplace").decode()
    return text


_SENTINEL_NAMES = {"NotGiven", "Omit"}
_converters: dict[type, Callable[[Any], Any]] = {}
_is_telling: Callable[[str], bool] = lambda _: False  # noqa: E731 - until the vocabulary is loaded


def _choose(cls: type) -> Callable[[Any], Any]:
    # Looked up on the type: reading an attribute of the object could run the user's code.
    if is_sentinel(cls):
        return _refuse
    if hasattr(cls, "__tracetape_json__"):
        return _own
    serializer = getattr(cls, "__pydantic_serializer__", None)
    if serializer is not None and hasattr(cls, "model_dump"):
        return _pydantic
    if hasattr(cls, "__fields__") and hasattr(cls, "__validators__") and hasattr(cls, "dict"):
        return _pydantic_v1
    if dataclasses.is_dataclass(cls):
        return _dataclass
    if issubclass(cls, tuple):
        return _named_tuple if _keeps_names(cls) else _tuple
    if issubclass(cls, float):
        return _float
    return text_of


def _refuse(value: Any) -> Any:
    raise UnencodableError(type(value).__name__)


def _own(value: Any) -> Any:  # an Attachment, which is of a layer above
    return value.__tracetape_json__()


def _pydantic(value: Any) -> Any:
    try:
        # Rust from end to end, and without the warnings of model_dump.
        return orjson.Fragment(type(value).__pydantic_serializer__.to_json(value, warnings=False))
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - serializers are the user's code
        return _attempt(value.model_dump, value)


def _pydantic_v1(value: Any) -> Any:
    return _attempt(value.dict, value)


def _attempt(dump: Callable[[], Any], value: Any) -> Any:
    try:
        return dump()
    except (Exception, SystemExit, GeneratorExit):  # noqa: BLE001 - serializers are the user's code
        return text_of(value)


def _tuple(value: Any) -> Any:  # a named tuple
    return list(tuple.__iter__(value))


def names_are_kept_by(is_one: Callable[[str], bool]) -> None:
    """Keep the names of named tuples that have a field of which `is_one` says so.

    As a list they would lose what tells that a part of them is a credential.
    """
    global _is_telling
    _is_telling = is_one
    _converters.clear()


def _keeps_names(cls: type) -> bool:
    names = getattr(cls, "_fields", ())
    return type(names) is tuple and any(type(one) is str and _is_telling(one) for one in names)


def _named_tuple(value: Any) -> Any:
    return dict(zip(type(value)._fields, tuple.__iter__(value), strict=False))


def _float(value: Any) -> Any:  # numpy's float64
    number = float.__float__(value)
    if not math.isfinite(number):
        raise UnencodableError(type(value).__name__)
    return number


def _dataclass(value: Any) -> Any:
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if hasattr(value, field.name)
    }
