"""Helpers for extractors of streamed answers."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tracetape.capture import decode, encode
from tracetape.instrument.copying import MAX_LEVELS, copied

__all__ = [
    "Text",
    "count_of",
    "decoded_base64",
    "fields_of",
    "get",
    "items_of",
    "joined",
    "joined_base64",
    "merged_counts",
    "plain",
    "says",
    "text_of",
]

_MANY = 4096
_TOO_MANY = 1 << 53  # tokens: no count, but a mistake
_PADDED = re.compile("[^=]+=*")
_FRAME = frozenset(
    {"expires_at", "format", "id", "index", "object", "role", "status", "type", "content_type"}
)


class Text(list[str]):
    """Parts of a string; joined now and then, since adding each up would be quadratic."""

    __slots__ = ()

    def add(self, part: str) -> None:
        """Continue the string; its parts take no more room than some thousand of them."""
        self.append(part)
        if len(self) > _MANY:
            self[:] = ["".join(self)]


def joined(value: Any, level: int = 0) -> Any:
    """`value` with each `Text` in it as a string."""
    if isinstance(value, Text):
        return "".join(value)
    if level >= MAX_LEVELS:
        return copied(value, level)
    if isinstance(value, dict):
        return {key: joined(item, level + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item, level + 1) for item in value]
    return value


def plain(chunk: Any) -> Any:
    """JSON values of an SDK's object, ours to change.

    `exclude_unset`: what the provider did not send is not made up.
    """
    if isinstance(chunk, dict):
        return copied(chunk)  # the user's own, if he asked for dictionaries
    serializer = getattr(type(chunk), "__pydantic_serializer__", None)
    if serializer is None:
        return decode(encode(chunk))
    try:
        data = serializer.to_python(chunk, exclude_unset=True, by_alias=True, warnings=False)
        orjson.dumps(data)  # takes a microsecond, and refuses what is deep
    except Exception:  # noqa: BLE001 - also half a character in a name, and a user's serialiser
        return copied(chunk)
    return data


def items_of(value: Any) -> list[Any]:
    """The items of a list; none of a text or a number.

    An object in the place of a list is its only item; one whose keys are numbers, as PHP writes
    lists with a gap, has the items.
    """
    if isinstance(value, list):
        return value
    if not isinstance(value, dict) or not value:
        return []
    is_numbered = all(isinstance(key, str) and key.isdecimal() for key in value)
    return list(value.values()) if is_numbered else [value]


def fields_of(value: Any) -> dict[str, Any]:
    """The fields of an object, also of the only one in a list; none of anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A text; an empty one for anything else in its place."""
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int | None:
    """A count, also one that came as ``23.0``; None: it is not one."""
    if type(value) is int:
        return value if 0 <= value < _TOO_MANY else None
    is_whole = type(value) is float and 0 <= value < _TOO_MANY and value.is_integer()
    return int(value) if is_whole else None


def merged_counts(
    before: Mapping[str, Any], new: Mapping[str, Any], level: int = 0
) -> dict[str, Any]:
    """Usage that comes in pieces, by key: the later one counts, but neither zero nor null does.

    Some servers say a part of it in each chunk, some end with a chunk of zeros.
    """
    merged = dict(before)
    for key, value in new.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping) and level < MAX_LEVELS:
            merged[key] = merged_counts(known, value, level + 1)
        elif value or known is None:
            merged[key] = value
    return merged


def get(value: Any, name: str) -> Any:
    """The value that a dictionary or an SDK's object has by this name; or None."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def says(delta: Any, level: int = 0) -> bool:
    """Whether a part of an answer says something, and does not only announce what will come."""
    if isinstance(delta, str):
        return delta != ""
    if level >= MAX_LEVELS:
        return False  # no text is so deep down
    if isinstance(delta, (list, tuple)):
        return any(says(item, level + 1) for item in delta)
    if not isinstance(delta, dict):
        if not hasattr(type(delta), "__pydantic_serializer__"):
            return False
        delta = plain(delta)
    return any(says(value, level + 1) for key, value in delta.items() if key not in _FRAME)


def decoded_base64(pieces: Iterable[str]) -> bytes | None:
    """The bytes of a base64 text that came in pieces; None: it is not base64.

    Each piece may be encoded on its own, with a padding of its own, or be cut from one text at any
    place. Of a text that breaks off, the bytes that are whole are there.
    """
    data = bytearray()
    for text in _PADDED.findall("".join("".join(pieces).split())):
        text = text[:-1] if len(text) % 4 == 1 else text + "=" * (-len(text) % 4)
        try:
            data += b64decode(text, validate=True)
        except ValueError:
            return None
    return bytes(data)


def joined_base64(pieces: Iterable[str]) -> str:
    """One base64 text of what came in pieces, see `decoded_base64`; else the pieces themselves."""
    pieces = list(pieces)
    data = decoded_base64(pieces)
    return "".join(pieces) if data is None else b64encode(data).decode()
