"""The beginning of a request or a response, for lists of traces."""

from __future__ import annotations

import re
from typing import Any

import orjson

from tracetape.formats.json_text import json_text_start

__all__ = ["preview", "root_texts", "shortened"]

_PREVIEW = 1000  # characters, as in MLflow
_METADATA = 250  # of one value in a trace's metadata, likewise
_SMALL = 4 * _METADATA  # bytes of which both are a beginning of the same text
_MORE = "..."
_MAX_PARSED = 256 * 1024  # bytes; a larger value is shown from its beginning
_MARKS = re.compile(rb'"(?:messages|choices|input|output)"')


def preview(data: bytes | None, role: str = "user") -> str | None:
    """At most 1,000 characters of JSON text; of a conversation, of the text that counts.

    What is longer is cut, and ends with ``...``.

    Args:
        data: the JSON of a trace's request or response.
        role: whose last message is shown: ``user`` of a request, ``assistant`` of a response.
    """
    if data is None:
        return None
    text = _said(data, role)
    if text:
        return _cut(text)
    return _cut(json_text_start(data, _PREVIEW + 1))


def shortened(data: bytes | None) -> str:
    """At most 250 characters of JSON text; empty for nothing."""
    return "" if data is None else _shortened(json_text_start(data, _METADATA + 1))


def root_texts(data: bytes | None, role: str = "user") -> tuple[str | None, str]:
    """`preview` and `shortened` of a root's inputs or outputs, by one look at small ones."""
    if data is None or len(data) > _SMALL:
        return preview(data, role), shortened(data)
    start = json_text_start(data, _PREVIEW + 1)
    return _cut(_said(data, role) or start), _shortened(start)


def _shortened(text: str) -> str:
    return text if len(text) <= _METADATA else f"{text[: _METADATA - 3]}{_MORE}"


def _cut(text: str) -> str:
    return text if len(text) <= _PREVIEW else text[: _PREVIEW - len(_MORE)] + _MORE


def _said(data: bytes, role: str) -> str | None:
    if data[:1] != b"{" or len(data) > _MAX_PARSED or not _MARKS.search(data):
        return None
    try:
        messages = _messages(orjson.loads(data))
    except orjson.JSONDecodeError:
        return None  # it is shown as it is
    if not messages:
        return None
    message = next((m for m in reversed(messages) if m["role"] == role), messages[-1])
    return _text(message["content"])


def _messages(value: Any) -> list[dict[str, Any]]:
    """The messages of a chat's or a Responses call's request or answer."""
    while isinstance(value, dict):
        choices = value.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            return _only_messages([choices[0].get("message")])
        for key in ("messages", "input", "output"):
            if isinstance(value.get(key), list):
                return _only_messages(value[key])
        value = value.get("request")  # what a Databricks ResponsesAgent is called with
    return []


def _only_messages(items: list[Any]) -> list[dict[str, Any]]:
    return [m for m in items if isinstance(m, dict) and "role" in m and "content" in m]


def _text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            return part
        if isinstance(part, dict) and part.get("type") in ("text", "output_text"):
            return part["text"] if isinstance(part.get("text"), str) else None
    return None
