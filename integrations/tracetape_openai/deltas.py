"""Streamed deltas, merged into the message that a plain answer would have had."""

from __future__ import annotations

from typing import Any

from tracetape.instrument.chunks import Text

__all__ = ["merge"]

# These come whole, in each delta that has them; all other strings are continued.
_WHOLE = frozenset(
    {"id", "type", "role", "name", "status", "format", "object", "model", "finish_reason"}
)
# Lists of content have parts without an index; a part of these types continues the last one.
_CONTENT = frozenset({"content", "summary", "thinking"})
_CONTINUED_TYPES = frozenset({"text", "reasoning", "summary_text", "thinking", "output_text"})


def merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Continue `message`, in place, by `delta`."""
    for key, value in delta.items():
        before = message.get(key)
        if value is None:
            message.setdefault(key, None)
        elif isinstance(value, str) and key not in _WHOLE:
            if isinstance(before, Text):
                before.add(value)
            elif isinstance(before, list):
                if value:  # content began as a list of parts
                    _merge_list(before, [{"type": "text", "text": value}], key)
            else:
                message[key] = Text([value])
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = message[key] = {}
            merge(before, value)
        elif isinstance(value, list):
            if isinstance(before, Text):
                text = "".join(before)
                before = message[key] = [{"type": "text", "text": Text([text])}] if text else []
            elif not isinstance(before, list):
                before = message[key] = []
            _merge_list(before, value, key)
        elif value != "" or before is None:
            message[key] = value


def _merge_list(items: list[Any], delta: list[Any], key: str) -> None:
    """Continue a list, that of `key`: parts with an ``index`` by that, content by its type."""
    for part in delta:
        target = _continued(items, part, key) if isinstance(part, dict) else None
        if target is not None:
            merge(target, part)
        elif isinstance(part, dict):
            items.append({})
            merge(items[-1], part)
        else:
            items.append(part)


def _continued(items: list[Any], part: dict[str, Any], key: str) -> dict[str, Any] | None:
    """What `part` continues; a new id begins a new item: Gemini gives all tool calls index 0."""
    if "index" in part:
        for item in reversed(items):
            if isinstance(item, dict) and item.get("index") == part["index"]:
                is_new = part.get("id") and item.get("id") not in (None, "", part["id"])
                return None if is_new else item
        return None
    last = items[-1] if items else None
    if not isinstance(last, dict):
        return None
    if key in _CONTENT:
        same = part.get("type") == last.get("type") and part.get("type") in _CONTINUED_TYPES
    else:  # tool calls of servers that send no index: only the first part has an id
        same = key == "tool_calls" and part.get("id") in (None, "", last.get("id"))
    return last if same else None
