"""Spans in MLflow's trace JSON: written in schema 3, read in 3, in 3.5.0's variant, and in 2."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import orjson

from tracetape._json import dumps
from tracetape.capture import decode, encode
from tracetape.entities.constants import SpanStatusCode, SpanType
from tracetape.entities.identifiers import (
    base64_of,
    parse_span_id,
    parse_trace_id,
    trace_id_text,
)
from tracetape.entities.json_text import json_text_of
from tracetape.entities.link import Link
from tracetape.entities.names import (
    FIELD_OF_NAME,
    FOREIGN_TRACE_ID,
    LINKS,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
)
from tracetape.entities.status import SpanStatus
from tracetape.exceptions import InvalidValueError

if TYPE_CHECKING:
    from tracetape.entities.span import Span

__all__ = ["as_field", "content_values", "loses_digits", "span_to_dict", "span_values"]

# More digits than a 64-bit number has: orjson would read it as a float.
_LONG_NUMBER = re.compile(r"\d{19}")
# Such a float, and others.
_EXPONENT = b"e+" if b"e+" in orjson.dumps(1e30) else b"e"
_MAPPINGS = ("usage", "cost")


def span_to_dict(span: Span) -> dict[str, Any]:
    """The dictionary of a span in schema 3."""
    status = span._status
    parent = span._parent_id
    return {
        "trace_id": base64_of(span._trace_id, 16),
        "span_id": base64_of(span._span_id, 8),
        "parent_span_id": None if parent is None else base64_of(parent, 8),
        "name": span._name,
        "start_time_unix_nano": span._start,
        "end_time_unix_nano": span._end,
        "events": [
            {"name": name, "time_unix_nano": at, "attributes": decode(data)}
            for name, at, data in span._events or ()
        ],
        "status": {
            "code": status.status_code.to_otel_proto_status_code_name(),
            "message": status.description,
        },
        "attributes": {key: json_text_of(value) for key, value in span._named_values().items()},
        "links": [link.to_dict() for link in span.links] if span._fields else [],
    }


def span_values(data: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Span` for a dictionary of any schema.

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
    status = SpanStatus(
        # 3.5.0 has the bare code.
        SpanStatusCode(code.removeprefix("STATUS_CODE_")),
        data["status"].get("message") or "",
    )
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
        "status": SpanStatus(data["status_code"], data["status_message"] or ""),
        **content_values(trace_id, data["attributes"], data.get("links")),
    }


def content_values(
    trace_id: int, named: dict[str, Any], links: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """The arguments of `Span` that attributes under MLflow's names, as JSON text, stand for."""
    inputs = outputs = None
    span_type: str = SpanType.UNKNOWN
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
                fields[FOREIGN_TRACE_ID] = str(value)
        elif key == SPAN_TYPE:
            span_type = str(value or SpanType.UNKNOWN)
        elif (field := as_field(key, value)) is not None:
            fields[field] = value
        else:
            attributes[key] = data
    if links:
        fields[LINKS] = [Link.from_dict(link).to_dict() for link in links]
    return {
        "span_type": span_type,
        "inputs": inputs,
        "outputs": outputs,
        "attributes": attributes or None,
        "fields": fields or None,
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
    return _EXPONENT in data and _LONG_NUMBER.search(text) is not None


def _json_of(text: Any) -> bytes:
    """JSON that our decoder reads without loss; what is no JSON is the value itself."""
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
