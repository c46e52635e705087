"""Traces of a file straight to rows: what `Trace.from_dict` and `update_rows` give, sooner.

Only lines in the form in which our own exports and MLflow 3 write them. For anything else
`new_trace` raises, and the entities, which take more forms, read it.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, b2a_base64
from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from tracetape.capture import encode
from tracetape.entities import SpanStatusCode, SpanType, TraceState
from tracetape.entities.trace_data import order_of
from tracetape.formats.mlflow_json import as_field, loses_digits
from tracetape.formats.names import (
    COST,
    SCHEMA_VERSION,
    SESSION,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TOKEN_USAGE,
    TRACE_ID,
    TRACE_NAME,
)
from tracetape.store.codec import SPANS, TRACES
from tracetape.store.protocol import COST_KINDS, MAX_TIME, SPAN_BYTES, TOKEN_KINDS
from tracetape.store.rows import NewTrace
from tracetape.store.splitting import Piece, written

__all__ = ["ATTACHMENT", "ATTACHMENT_ID", "RECOMPUTED", "amounts", "new_trace"]

ATTACHMENT = b"mlflow-attachment://"
ATTACHMENT_ID = re.compile(ATTACHMENT + rb"([0-9a-fA-F-]{36})")
RECOMPUTED = (SCHEMA_VERSION, TOKEN_USAGE, COST)  # when a trace is read

_NAME = re.compile("tr-[0-9a-f]{32}")
_SPAN_ID = re.compile("[A-Za-z0-9+/]{10}[AEIMQUYcgkosw048]=")  # base64 of eight bytes
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z", re.ASCII)
_CODES = {code.to_otel_proto_status_code_name(): code.value for code in SpanStatusCode}
_ERROR = SpanStatusCode.ERROR.value
_RUNNING = TraceState.IN_PROGRESS.value
_STATES = {state.value for state in TraceState}
_STR = {str}
_VALUES = (SPAN_INPUTS, SPAN_OUTPUTS)
_ODD = "something is odd"
_SHORT = 64  # characters of a text that may come often
_ID, _PARENT, _TITLE, _START, _END, _STATUS = map(
    SPANS.position, ("span_id", "parent_id", "name", "start_ns", "end_ns", "status")
)
_Row = tuple[Any, ...]
_Value = tuple[str, list[Piece] | None]  # JSON without blanks; its pieces, if it has some


def new_trace(value: Any) -> NewTrace:
    """The rows of a trace in MLflow's trace JSON.

    Raises:
        Exception: something is in another form, or is wrong; `Trace.from_dict` tells.
    """
    info, given = value["info"], value["data"]["spans"]
    name = info["trace_id"]
    state = info["state"]
    _check(
        bool(_NAME.fullmatch(name) and given)
        and "request_id" not in info
        and not info.get("assessments")
        and state in _STATES
        and _is_time(info["request_time"])
    )
    digits = name[3:]
    references: dict[str, None] = {}
    rows, size = _spans(name, given, references)
    root = next((row for row in rows if row[_PARENT] is None), None)
    start = min([row[_START] for row in rows])
    end = None if root is None else root[_END]
    duration = info.get("execution_duration_ms")
    _check(duration is None or type(duration) is int)
    if end is None and duration is not None:
        end = start + duration * 1_000_000
        _check(abs(end) <= MAX_TIME)
    tags, metadata = _texts(info.get("tags")), _texts(info.get("trace_metadata"))
    title = tags.get(TRACE_NAME) if root is None else root[_TITLE]
    if title is not None and tags.get(TRACE_NAME) == title:
        del tags[TRACE_NAME]
    sums = {**_sums(metadata.get(TOKEN_USAGE)), **_sums(metadata.get(COST))}
    for key in RECOMPUTED:
        metadata.pop(key, None)
    row = TRACES.row_of(
        {
            "trace_id": digits,
            "state": state,
            "start_ns": start,
            "end_ns": None if state == _RUNNING else end,
            "name": title,
            "span_count": len(rows),
            "error_count": sum([row[_STATUS] == _ERROR for row in rows]),
            **{kind: sums.get(kind) for kind in (*TOKEN_KINDS, *COST_KINDS)},
            "client_request_id": _text(info.get("client_request_id")),
            "experiment_id": _experiment(info["trace_location"]),
            "request_preview": _text(info.get("request_preview")),
            "response_preview": _text(info.get("response_preview")),
            "tags": _object(tags),
            "metadata": _object(metadata),
        }
    )
    session = metadata.get(SESSION)
    _check(session is None or "\0" not in session)
    return NewTrace(int(digits, 16), row, session, rows, list(references), size)


def _spans(name: str, given: Any, references: dict[str, None]) -> tuple[list[_Row], int]:
    """The rows of the spans, in order, and their size."""
    trace_id = b2a_base64(bytes.fromhex(name[3:]), newline=False).decode()
    name_json = f'"{name}"'
    rows: list[_Row] = []
    seen: dict[str, _Value] = {}  # a chain and its call often have the same value
    ids: dict[str | None, str | None] = {None: None}
    size, last, is_ordered = 0, -1, True
    for span in given:
        own, parent = span["span_id"], span["parent_span_id"]
        start, end = span["start_time_unix_nano"], span["end_time_unix_nano"]
        title, status, named = span["name"], span["status"], span["attributes"]
        description, events = status["message"], span["events"]
        if not (
            span["trace_id"] == trace_id
            and named[TRACE_ID] == name_json
            and _SPAN_ID.fullmatch(own)
            and own not in ids
            and type(title) is type(description) is str
            and type(start) is int
            and 0 <= start <= MAX_TIME
            and (end is None or (type(end) is int and 0 < end <= MAX_TIME))
            and "context" not in span
            and not span.get("links")
        ):
            raise ValueError(_ODD)
        is_ordered = is_ordered and start > last and parent in ids
        last = start
        span_id = ids[own] = a2b_base64(own).hex()
        if parent in ids:
            parent = ids[parent]
        else:
            _check(bool(_SPAN_ID.fullmatch(parent)))
            parent = a2b_base64(parent).hex()
        kind: str = SpanType.UNKNOWN
        values: list[str | list[Piece] | None] = [None, None]
        fields: dict[str, Any] = {}
        attributes: list[str] = []
        for key, text in named.items():
            if key in _VALUES:
                whole, pieces = seen.get(text) or seen.setdefault(text, _value(text, references))
                size += len(whole)
                # An open span is written again when it ends: only then are its pieces shared.
                shared = None if end is None else pieces
                values[key == SPAN_OUTPUTS] = whole if shared is None else shared
            elif key == SPAN_TYPE:
                kind = str(_read_soon(text)[1] or SpanType.UNKNOWN)
            elif key != TRACE_ID:
                data, value = _read_soon(text)
                name_of_ours = as_field(key, value)
                if name_of_ours is None:
                    attributes.append(f"{orjson.dumps(key).decode()}:{data.decode()}")
                else:
                    fields[name_of_ours] = value
        row = SPANS.row_of(
            {
                "span_id": span_id,
                "parent_id": parent,
                "name": title,
                "type": kind,
                "start_ns": start,
                "end_ns": end,
                "status": _CODES[status["code"]],
                "status_description": description,
                "fields": encode(fields).decode() if fields else None,
                "attributes": f"{{{','.join(attributes)}}}" if attributes else None,
                "events": _events(events) if events else None,
                "inputs": values[0],
                "outputs": values[1],
            }
        )
        rows.append(row)
    if not is_ordered:
        order = order_of((row[_ID], row[_PARENT], row[_START]) for row in rows)
        rows = [rows[index] for index in order]
    return rows, size + SPAN_BYTES * len(rows)


def _value(text: Any, references: dict[str, None]) -> _Value:
    """Inputs or outputs; the attachments that they name are added to `references`."""
    data, pieces = written(orjson.loads(text), len(text))
    _check_digits(data, text)
    if ATTACHMENT in data:
        references.update(dict.fromkeys(one.decode() for one in ATTACHMENT_ID.findall(data)))
    return data.decode(), pieces


def _check(is_plain: bool) -> None:
    if not is_plain:
        raise ValueError(_ODD)


def _read(text: Any) -> tuple[bytes, Any]:
    """JSON without blanks, and its value."""
    value = orjson.loads(text)
    data = orjson.dumps(value)
    _check_digits(data, text)
    return data, value


def _check_digits(data: bytes, text: Any) -> None:
    """Raise an error if the JSON `data` is not all that `text` says."""
    if type(text) is not str or loses_digits(data, text):
        raise ValueError(_ODD)


def _read_soon(text: Any) -> tuple[bytes, Any]:
    """The same; the value may be that of others, too, and must not be changed."""
    return _read_short(text) if len(text) <= _SHORT else _read(text)


_read_short = lru_cache(maxsize=256)(_read)


def _events(given: Any) -> str:
    events = []
    for event in given:
        name, at, attributes = event["name"], event["time_unix_nano"], event.get("attributes")
        _check(type(name) is str and type(at) is int)
        events.append([name, at, orjson.Fragment(encode(attributes or {}))])
    return orjson.dumps(events).decode()


def _text(value: Any) -> str | None:
    _check(type(value) is str or value is None)
    text: str | None = value
    return text


def _texts(value: Any) -> dict[str, str]:
    """A new dictionary of texts by names."""
    if not value:
        return {}
    _check(type(value) is dict and set(map(type, value.values())) == _STR and "" not in value)
    return dict(value)


def _object(texts: dict[str, str]) -> str:
    return orjson.dumps(texts).decode() if texts else "{}"


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    return match is not None and _is_day(match[1])


def _experiment(location: Any) -> str:
    experiment = location["mlflow_experiment"]
    experiment_id = experiment["experiment_id"]
    _check(
        location["type"] == "MLFLOW_EXPERIMENT"
        and len(location) == 2
        and len(experiment) == 1
        and type(experiment_id) is str
    )
    text: str = experiment_id
    return text


def _sums(text: str | None) -> dict[str, float]:
    if not text:
        return {}
    value = orjson.loads(text)
    _check(type(value) is dict)
    return amounts(value)


def amounts(given: dict[Any, Any]) -> dict[str, float]:
    """The valid amounts among imported sums."""
    return {
        str(key): value
        for key, value in given.items()
        if type(value) in (int, float) and abs(value) < 2**63  # neither NaN nor infinite
    }
