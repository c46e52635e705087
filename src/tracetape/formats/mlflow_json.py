"""Spans in MLflow's trace JSON: written in schema 3, read in 3, in 3.5.0's variant, and in 2."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import orjson

from tracetape._json import dumps
from tracetape.capture import decode, encode
from tracetape.exceptions import InvalidValueError
from tracetape.formats.ids import (
    base64_of,
    parse_span_id,
    parse_trace_id,
    trace_id_text,
)
from tracetape.formats.json_text import json_text_of
from tracetape.formats.names import (
    CODE_PREFIX,
    FIELD_OF_NAME,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
)

__all__ = ["as_field", "content_values", "loses_digits", "span_to_dict", "span_values"]

# More digits than a 64-bit number has: orjson would read it as a float.
_LONG_NUMBER = re.compile(r"\d{19}")
# Such a float, and others.
_LARGE_FLOAT = re.compile(rb"\de\+?\d")
_EXPONENT = b"e+" if b"e+" in orjson.dumps(1e30) else b"e"
_MAPPINGS = ("usage", "cost")
_UNKNOWN = "UNKNOWN"  # the type of a span without one


def span_to_dict(
    *,
    trace_id: int,
    span_id: int,
    parent_id: int | None,
    name: str,
    times: tuple[int, int | None],
    status: tuple[str, str],
    events: Iterable[tuple[str, int, bytes]],
    named: dict[str, Any],
    links: list[dict[str, Any]],
) -> dict[str, Any]:
    """The dictionary of a span in schema 3; `named` are its attributes under MLflow's names."""
    code, description = status
    start, end = times
    return {
        "trace_id": base64_of(trace_id, 16),
        "span_id": base64_of(span_id, 8),
        "parent_span_id": None if parent_id is None else base64_of(parent_id, 8),
        "name": name,
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "events": [
            {"name": event, "time_unix_nano": at, "attributes": decode(data)}
            for event, at, data in events
        ],
        "status": {"code": CODE_PREFIX + code, "message": description},
        "attributes": {key: json_text_of(value) for key, value in named.items()},
        "links": links,
    }


def span_values(data: dict[str, Any]) -> dict[str, Any]:
    """The values of a `SpanRecord` of a dictionary of any schema; the status as code and text.

    Raises:
        Exception: something is missing or of a wrong kind.
    """
    given = (data.get("attributes") or {}).get(TRACE_ID)
    if not given:
        raise InvalidValueError(f"The {TRACE_ID} attribute is empty or missing.")
    return _from_2(data) if "context" in data else _from_3(data)


def _from_3(data: dict[str, Any]) -> dict[str, Any]:
    trace_id = parse_trace_id(data["trace_id"])
    parent = data["parent_span_id"]
    code = data["status"]["code"]
    # 3.5.0 has the bare code.
    status = code.removeprefix(CODE_PREFIX), data["status"].get("message") or ""
    end = data.get("end_time_unix_nano")
    return {
        "trace_id": trace_id,
        "span_id": parse_span_id(data["span_id"]),
        "parent_id": parse_span_id(parent) if parent else None,
        "name": data["name"],
        "start_time_ns": int(data["start_time_unix_nano"]),
        "end_time_ns": int(end) if end else None,
        "events": [
            (event["name"], int(event["time_unix_nano"]), encode(event.get("attributes") or {}))
            for event in data.get("events") or ()
        ],
        "status": status,
        **content_values(trace_id, data["attributes"], data.get("links")),
    }


def _from_2(data: dict[str, Any]) -> dict[str, Any]:
    trace_id = parse_trace_id(data["context"]["trace_id"])
    parent = data["parent_id"]
    end = data["end_time"]
    return {
        "trace_id": trace_id,
        "span_id": parse_span_id(data["context"]["span_id"]),
        "parent_id": parse_span_id(parent) if parent else None,
        "name": data["name"],
        "start_time_ns": int(data["start_time"]),
        "end_time_ns": int(end) if end else None,
        "events": [
            (event["name"], int(event["timestamp"]), encode(event.get("attributes") or {}))
            for event in data.get("events") or ()
        ],
        "status": (data["status_code"], data["status_message"] or ""),
        **content_values(trace_id, data["attributes"], data.get("links")),
    }


def content_values(
    trace_id: int, named: dict[str, Any], links: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """The values of a `SpanRecord` in attributes under MLflow's names, which are JSON text."""
    inputs = outputs = None
    span_type = _UNKNOWN
    foreign_trace_id = None
    fields: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for key, text in named.items():
        data, value = _read(text)
        if key == SPAN_INPUTS:
            inputs = data
        elif key == SPAN_OUTPUTS:
            outputs = data
        elif key == TRACE_ID:
            if value != trace_id_text(trace_id):
                foreign_trace_id = str(value)
        elif key == SPAN_TYPE:
            span_type = str(value or _UNKNOWN)
        elif (field := as_field(key, value)) is not None:
            fields[field] = value
        else:
            attributes[key] = data
    return {
        "span_type": span_type,
        "inputs": inputs,
        "outputs": outputs,
        "attributes": attributes or None,
        "fields": fields or None,
        "links": [_link(link) for link in links] if links else None,
        "foreign_trace_id": foreign_trace_id,
    }


def _link(link: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": link["trace_id"],
        "span_id": link["span_id"],
        "attributes": link.get("attributes"),
    }


def as_field(name: str, value: Any) -> str | None:
    """The neutral field that an attribute of this name and value is; None if it is a plain one."""
    field = FIELD_OF_NAME.get(name)
    # What is not of the field's kind, a user's own words under that name, must not be summed.
    return None if field in _MAPPINGS and not isinstance(value, dict) else field


def _read(text: Any) -> tuple[bytes, Any]:
    """JSON that our decoder reads without loss, and its value; no JSON is the value itself."""
    if type(text) is str and text:
        try:
            value = orjson.loads(text)
            data = dumps(value)  # without the blanks
            if not loses_digits(data, text):
                return data, value
        except ValueError:  # no JSON
            pass
    data = _json_of(text)
    return data, decode(data)


def loses_digits(data: bytes, text: str) -> bool:
    """Whether the JSON `data` that was made of `text` may lack digits of a number in it."""
    return (
        _EXPONENT in data
        and _LONG_NUMBER.search(text) is not None
        and _LARGE_FLOAT.search(data) is not None  # else the letter is one of a string
    )


def _json_of(text: Any) -> bytes:
    """JSON that our decoder reads without loss; what is not JSON is the value itself."""
    if not isinstance(text, str):
        return encode(text)
    if not text:
        return b"null"  # as MLflow reads it
    if _LONG_NUMBER.search(text) is None:
        try:
            return dumps(orjson.loads(text))  # without the blanks
        except ValueError:
            pass
    try:
        return encode(json.loads(text))  # also NaN, numbers of any size, lone surrogates
    except (ValueError, RecursionError):
        return encode(text)
