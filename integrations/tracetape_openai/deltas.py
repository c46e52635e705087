"""Streamed deltas, merged into the message that a plain answer would have had."""

from __future__ import annotations

from typing import Any

from tracetape.instrument import Text, items_of, merged_counts
from tracetape_openai.tool_calls import is_repeated, place_of, whole_name

__all__ = ["merge"]

# These come whole, in each delta that has them; all other strings are continued.
_WHOLE = frozenset(
    {"id", "type", "role", "name", "status", "format", "object", "model", "finish_reason"}
)
# Lists of content have parts without an index; a part of these types continues the last one.
_CONTENT = frozenset({"content", "summary", "thinking", "thinking_blocks", "reasoning_details"})
_CONTINUED_TYPES = frozenset(
    {
        "text",
        "reasoning",
        "reasoning.summary",
        "reasoning.text",
        "summary_text",
        "thinking",
        "output_text",
    }
)


def merge(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Continue `message`, in place, by `delta`."""
    for key, value in delta.items():
        before = message.get(key)
        if key == "tool_calls" and isinstance(value, dict):
            value = items_of(value)
        if value is None:
            message.setdefault(key, None)
        elif isinstance(before, Text) and any(before) and not isinstance(value, (str, list)):
            continue  # of a wrong shape: it does not replace the text
        elif key == "arguments" and is_repeated(message, value):
            continue  # of Groq's tools, which come again with their results
        elif isinstance(value, str) and key not in _WHOLE:
            if isinstance(before, Text):
                before.add(value)
            elif isinstance(before, list):
                if value:  # it began as a list
                    _merge_list(before, [_as_item(value, key)], key)
            elif value or not before:
                message[key] = Text([value])
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = message[key] = {}
            if key == "usage":
                message[key] = merged_counts(before, value)
            elif key == "function_call":
                _merge_function(before, value)
            else:
                merge(before, value)
        elif isinstance(value, list):
            if isinstance(before, Text):
                text = "".join(before)
                before = message[key] = []
                if text:
                    _merge_list(before, [_as_item(text, key)], key)
            elif not isinstance(before, list):
                before = message[key] = []
            if key == "tool_calls":
                _merge_calls(before, value)
            else:
                _merge_list(before, value, key)
        elif value != "" or before is None:
            message[key] = value


def _as_item(text: str, key: str) -> Any:
    """Text as an item of the list that `key` otherwise holds: a part of the content."""
    return {"type": "text", "text": text} if key == "content" else text


def _merge_calls(calls: list[Any], parts: list[Any]) -> None:
    known = len(calls)
    for part in parts:
        if not isinstance(part, dict):
            calls.append(part)
            continue
        place = place_of(calls, part, known)
        if place is None:
            calls.append({})
        call = calls[-1 if place is None else place]
        for key, value in part.items():
            if key in ("id", "index", "type"):
                if not call.get(key) and (value or key not in call):
                    call[key] = value  # the first one stays: some servers send others later
            elif key in ("function", "custom") and isinstance(value, dict):
                function = call.get(key)
                if not isinstance(function, dict):
                    function = call[key] = {}
                _merge_function(function, value)
            else:
                merge(call, {key: value})


def _merge_function(function: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key == "name" and isinstance(value, str):
            function[key] = whole_name(function, value)
        elif key != "arguments" or not is_repeated(function, value):
            merge(function, {key: value})


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
    """The item that `part` continues; another id or type begins a new one."""
    kind = part.get("type")
    if part.get("index") is not None:
        for item in reversed(items):
            if (
                isinstance(item, dict)
                and item.get("index") == part["index"]
                and (not kind or item.get("type") in (None, "", kind))
            ):
                is_new = part.get("id") and item.get("id") not in (None, "", part["id"])
                return None if is_new else item
        return None
    last = items[-1] if items else None
    if not isinstance(last, dict) or key not in _CONTENT:
        return None
    if key == "thinking_blocks" and last.get("signature") and part.get("thinking"):
        return None  # the signature is the end of one
    return last if kind == last.get("type") and kind in _CONTINUED_TYPES else None
