"""What extractors of streamed answers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tracetape.capture import decode, encode

__all__ = ["Text", "joined", "merged_counts", "plain"]

_MANY = 4096


class Text(list[str]):
    """Parts of a string; joined now and then, since adding each up would be quadratic."""

    __slots__ = ()

    def add(self, part: str) -> None:
        """Continue the string; its parts take no more room than some thousand of them."""
        self.append(part)
        if len(self) > _MANY:
            self[:] = ["".join(self)]


def joined(value: Any) -> Any:
    """`value` with each `Text` in it as a string."""
    if isinstance(value, Text):
        return "".join(value)
    if isinstance(value, dict):
        return {key: joined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [joined(item) for item in value]
    return value


def plain(chunk: Any) -> Any:
    """JSON values of an SDK's object, ours to change.

    `exclude_unset`: what the provider did not send is not made up.
    """
    if isinstance(chunk, dict):
        return deepcopy(chunk)  # the user's own, if he asked for dictionaries
    serializer = getattr(type(chunk), "__pydantic_serializer__", None)
    if serializer is None:
        return decode(encode(chunk))
    return serializer.to_python(chunk, exclude_unset=True, by_alias=True, warnings=False)


def merged_counts(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Usage that comes in pieces, by key: the later one counts, but neither zero nor null does.

    Some servers say a part of it in each chunk, some end with a chunk of zeros.
    """
    merged = dict(before)
    for key, value in new.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = merged_counts(known, value)
        elif value or known is None:
            merged[key] = value
    return merged
