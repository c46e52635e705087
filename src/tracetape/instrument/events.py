"""Read a body as server-sent events, JSON or text, whatever its server calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson

__all__ = [
    "DONE",
    "events_of",
    "holds_events",
    "json_object_of",
    "json_or_text",
    "may_be_events",
    "read_events",
]

# What `read_events` gives for the mark that nothing more comes.
DONE = object()
# How a line of an event stream begins (the HTML standard, "Interpreting an event stream").
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BEGINNING = 64  # characters of a text that tell whether it is a stream of events
_BLANK = b"\xef\xbb\xbf \t\r\n"


def may_be_events(data: bytes) -> bool:
    """Whether a body begins as an event stream does."""
    return data[:64].lstrip(_BLANK).startswith(_FIELDS)


def holds_events(data: bytes) -> bool:
    """Whether a body is an event stream: it begins as one, and there is an event in it."""
    return may_be_events(data) and next(read_events(data), None) is not None


def read_events(data: bytes) -> Iterator[tuple[int, Any]]:
    """Where each server-sent event ends, and its JSON; one that is not an object is left out."""
    parts: list[bytes] = []
    end = 0
    for line in (*data.splitlines(keepends=True), b"\n"):
        end += len(line)
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            parts.append(text[5:].strip())
        elif not text and parts:
            said = b"\n".join(parts)
            parts.clear()
            if said.startswith(b"[DONE]"):
                yield end, DONE
            elif said:
                event = _parsed(said)
                if isinstance(event, dict):
                    yield end, event


def events_of(text: str) -> Iterator[Any]:
    """The events of a text that is a stream of them, up to the mark of its end."""
    if may_be_events(text[:_BEGINNING].encode(errors="replace")):
        for _, event in read_events(text.encode("utf-8", "surrogatepass")):
            if event is DONE:
                break
            yield event


def json_or_text(data: bytes) -> Any:
    """JSON as it is; a body that was cut short, or that orjson refuses, otherwise."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data)  # lone surrogates, NaN
        except (ValueError, RecursionError):
            return data.decode(errors="replace")
    return data


def json_object_of(text: str) -> Any:
    """JSON that a server has called something else, and the SDK so gives as text."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return text
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return read if isinstance(read, dict) else text


def _parsed(text: bytes) -> Any:
    """JSON values; None for what is not JSON, or was cut short."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)  # lone surrogates, NaN
        except (ValueError, RecursionError):
            return None
