"""Copies, as JSON values, of what an SDK holds: whatever its depth, its keys and its texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracetape._json import dumps
from tracetape.capture import decode, encode
from tracetape.capture.conversion import utf8_text

__all__ = ["MAX_LEVELS", "copied", "encoded"]

# Deeper values become the text of their JSON: each level costs who reads them a few calls, and an
# interpreter has a thousand.
MAX_LEVELS = 100
# What `parse()` adds to an answer.
_OF_USERS_MODELS = frozenset({"parsed", "parsed_arguments"})
_ATOMS = frozenset({str, int, float, bool, type(None)})


def copied(value: Any, level: int = 0) -> Any:
    """A copy of JSON values, and of an SDK's models with what the provider has set."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict or issubclass(kind, dict):
        if level >= MAX_LEVELS:
            return _text_of(value)
        return {_key(key): copied(item, level + 1) for key, item in dict.items(value)}
    if issubclass(kind, (list, tuple)):
        if level >= MAX_LEVELS:
            return _text_of(value)
        return [copied(item, level + 1) for item in value]
    if level < MAX_LEVELS and hasattr(kind, "__pydantic_serializer__"):
        return {_key(key): copied(item, level + 1) for key, item in _fields_of(value)}
    return decode(encode(value))


def encoded(value: Any) -> bytes:
    """As `encode`; of a value that is too deep for that, all but the deepest levels stay values."""
    data = encode(value)
    if data[:1] == b'"' and isinstance(value, (dict, list)):  # all of it as one text
        return encode(copied(value))
    return data


def _key(key: Any) -> Any:
    return utf8_text(key) if isinstance(key, str) else key


def _fields_of(model: Any) -> Iterator[tuple[str, Any]]:
    """The provider's fields by its names: pydantic cannot write half a character in a name."""
    fields = getattr(type(model), "__pydantic_fields__", None) or type(model).model_fields
    said = set(getattr(model, "__pydantic_fields_set__", ()))
    if type(model).__name__.startswith("Parsed"):
        said -= _OF_USERS_MODELS
    for name, value in vars(model).items():
        if name in said and name in fields:
            field = fields[name]
            yield field.serialization_alias or field.alias or name, value
    yield from (getattr(model, "__pydantic_extra__", None) or {}).items()


def _text_of(value: Any) -> str:
    """The JSON text of what is deep."""
    try:
        if not _is_circular(value):
            return dumps(value).decode()
    except TypeError:  # it holds more than JSON
        pass
    return str(decode(encode(value)))


def _is_circular(value: Any) -> bool:
    """Whether a container holds itself."""
    above: set[int] = set()
    left: list[tuple[Any, bool]] = [(value, False)]
    while left:
        one, is_over = left.pop()
        if is_over:
            above.discard(id(one))
        elif isinstance(one, (dict, list)):
            if id(one) in above:
                return True
            above.add(id(one))
            left.append((one, True))
            inner = one.values() if isinstance(one, dict) else one
            left += [(item, False) for item in inner]
    return False
