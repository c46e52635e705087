"""Streamed deltas, merged into the message that a plain answer would have had."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

__all__ = ["Text", "joined", "merge"]

# These come whole, in each delta that has them; all other strings are continued.
_WHOLE = frozenset(
    {"id", "type", "role", "name", "status", "format", "object", "model", "finish_reason"}
)


class Text(list[str]):
    """Parts of a string; joined once at the end, since adding them up would be quadratic."""

    __slots__ = ()


def merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Continue `message`, in place, by `delta`."""
    for key, value in delta.items():
        before = message.get(key)
        if value is None:
            message.setdefault(key, None)
        elif isinstance(value, str) and key not in _WHOLE:
            if isinstance(before, Text):
                before.append(value)
            else:
                message[key] = Text([value])
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = message[key] = {}
            merge(before, value)
        elif isinstance(value, list):
            if not isinstance(before, list) or isinstance(before, Text):
                before = message[key] = []
            _merge_list(before, value)
        elif value != "" or before is None:
            message[key] = value


def _merge_list(items: list[Any], delta: list[Any]) -> None:
    """Continue a list: parts with an ``index`` by that, others where they are of one type."""
    for part in delta:
        target = _continued(items, part)
        if target is not None:
            merge(target, part)
        elif isinstance(part, dict):
            items.append({})
            merge(items[-1], part)
        else:
            items.append(part)


def _continued(items: list[Any], part: Any) -> dict[str, Any] | None:
    if not isinstance(part, dict):
        return None
    if "index" in part:
        for item in items:
            if isinstance(item, dict) and item.get("index") == part["index"]:
                return item
        return None
    last = items[-1] if items else None
    if isinstance(last, dict) and part.get("type") and last.get("type") == part["type"]:
        return last
    return None


def joined(value: Any, without: Container[str] = ("index",)) -> Any:
    """`value` with its strings joined, and without the indices that only streams have."""
    if isinstance(value, Text):
        return "".join(value)
    if isinstance(value, dict):
        return {key: joined(item, without) for key, item in value.items() if key not in without}
    if isinstance(value, list):
        return [joined(item, without) for item in value]
    return value
