"""Spans and trace infos to table rows and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

import orjson

from tracetape._json import dumps
from tracetape.capture import encode
from tracetape.capture.conversion import text_of, utf8_text
from tracetape.entities import Span, SpanStatus, SpanStatusCode, TraceInfo, TraceState
from tracetape.entities.span import span_id_text
from tracetape.live.live_trace import TraceDetails
from tracetape.live.summary import make_info
from tracetape.store.dedup import ContentReader
from tracetape.store.protocol import COST_KINDS, MAX_TIME, TOKEN_KINDS, TraceUpdate
from tracetape.store.unreadable import UnreadableError, checked

__all__ = [
    "SPAN_COLUMNS",
    "TRACE_COLUMNS",
    "info_from_row",
    "span_from_row",
    "span_row",
    "trace_number",
    "update_row",
]

TRACE_COLUMNS = (
    "trace_id",
    "state",
    "start_ns",
    "end_ns",
    "name",
    "span_count",
    "error_count",
    *TOKEN_KINDS,
    *COST_KINDS,
    "client_request_id",
    "experiment_id",
    "request_preview",
    "response_preview",
    "tags",
    "metadata",
)
SPAN_COLUMNS = (
    "span_id",
    "parent_id",
    "name",
    "type",
    "start_ns",
    "end_ns",
    "status",
    "status_description",
    "fields",
    "attributes",
    "events",
    "inputs",
    "outputs",
)

_TRACE_ID, _SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")
_CODES = {code.value: code for code in SpanStatusCode}
_T = TypeVar("_T")
_Kind = TypeVar("_Kind", bound=Enum)


def update_row(update: TraceUpdate) -> tuple[Any, ...]:
    """The values of `TRACE_COLUMNS`."""
    sums = update.sums or {}
    details = update.details or TraceDetails()
    return (
        f"{update.trace_id:032x}",
        update.state.value,
        update.start_ns,
        update.end_ns,
        _plain_or_none(update.name),
        update.span_count,
        update.error_count,
        *[_sum(sums.get(kind)) for kind in (*TOKEN_KINDS, *COST_KINDS)],
        _plain_or_none(details.client_request_id),
        _plain_or_none(details.experiment_id),
        _plain_or_none(update.request_preview),
        _plain_or_none(update.response_preview),
        encode(details.tags).decode(),
        encode(details.metadata).decode(),
    )


def info_from_row(row: tuple[Any, ...]) -> TraceInfo:
    """The info in a row of `TRACE_COLUMNS`.

    Raises:
        UnreadableError: they hold what tracetape never writes.
    """
    trace_id, state, start, end, name, spans, errors, *rest = row
    tokens = _amounts(TOKEN_KINDS, rest[: len(TOKEN_KINDS)])
    request_id, experiment_id, request, response, tags, metadata = rest[-6:]
    _check_times(start, end)
    return make_info(
        f"tr-{trace_number(trace_id):032x}",
        state=_one_of(TraceState, "state", state),
        start_ns=start,
        end_ns=end,
        name=checked("name", name, str, null=True),
        request_preview=checked("request_preview", request, str, null=True),
        response_preview=checked("response_preview", response, str, null=True),
        # SQLite's sums are real numbers where they are too large for whole ones.
        tokens={kind: int(n) for kind, n in tokens.items()},
        cost=_amounts(COST_KINDS, rest[len(TOKEN_KINDS) : -6]),
        tags=_texts("tags", tags),
        metadata=_texts("metadata", metadata),
        client_request_id=checked("client_request_id", request_id, str, null=True),
        experiment_id=checked("experiment_id", experiment_id, str, null=True),
        span_count=checked("span_count", spans, int),
        error_count=checked("error_count", errors, int),
    )


def span_row(trace: int, span: Span) -> tuple[Any, ...]:
    """The values of ``trace`` and `SPAN_COLUMNS`."""
    status = span._status
    parent = span._parent_id
    return (
        trace,
        span_id_text(span._span_id),
        None if parent is None else span_id_text(parent),
        _plain(span._name),
        _plain(span._type),
        span._start,
        span._end,
        status.status_code.value,
        _plain(status.description),
        encode(span._fields).decode() if span._fields else None,
        _attributes_json(span._attributes) if span._attributes else None,
        _events_json(span._events) if span._events else None,
        None if span._inputs is None else span._inputs.decode(),
        None if span._outputs is None else span._outputs.decode(),
    )


def span_from_row(
    trace_id: int,
    row: tuple[Any, ...],
    contents: ContentReader,
    skipped: Callable[[str, str], None],
) -> Span:
    """The span that `SPAN_COLUMNS` hold, its values read from `contents`.

    Args:
        trace_id: the trace's number.
        row: the columns.
        contents: where values are.
        skipped: called with the name of a value that cannot be read, and the reason: the span has
            none then, or the text as it is, if that is not JSON.

    Raises:
        UnreadableError: the row holds what tracetape never writes.
    """
    try:
        return _plain_span(trace_id, row, contents)
    except (LookupError, TypeError, ValueError):  # something is odd: see what
        return _odd_span(trace_id, row, contents, skipped)


def _plain_span(trace_id: int, row: tuple[Any, ...], contents: ContentReader) -> Span:
    """The span of a row in which nothing is odd.

    Raises:
        Exception: something may be.
    """
    span_id, parent, name, kind, start, end, code, description, *rest = row
    fields, attributes, events, inputs, outputs = rest
    if not (
        type(start) is int
        and (end is None or (type(end) is int and abs(end - start) <= MAX_TIME))
        and type(name) is type(kind) is type(description) is str
        and _SPAN_ID.fullmatch(span_id)
        and (parent is None or _SPAN_ID.fullmatch(parent))
    ):
        raise ValueError
    if inputs is not None:
        inputs = contents.read(inputs)
        orjson.loads(inputs)
    if outputs is not None:
        outputs = contents.read(outputs)
        orjson.loads(outputs)
    return Span(
        trace_id=trace_id,
        span_id=int(span_id, 16),
        parent_id=None if parent is None else int(parent, 16),
        name=name,
        span_type=kind,
        start_time_ns=start,
        end_time_ns=end,
        inputs=inputs,
        outputs=outputs,
        attributes=None if attributes is None else _attributes_from_json(attributes),
        fields=None if fields is None else _object(fields),
        events=None if events is None else _events_from_json(events),
        status=SpanStatus(_CODES[code], description),
    )


def _odd_span(
    trace_id: int,
    row: tuple[Any, ...],
    contents: ContentReader,
    skipped: Callable[[str, str], None],
) -> Span:
    """As `span_from_row`."""
    span_id, parent, name, kind, start, end, code, description, *rest = row
    _check_times(start, end)

    def value(column: str, read: Callable[[Any], _T], stored: Any) -> _T | None:
        try:
            return None if stored is None else read(stored)
        except UnreadableError as error:
            skipped(column, str(error))
        except ValueError as error:  # JSON
            skipped(column, f"its {column} are {error}")
        return None

    def json(column: str, stored: Any) -> bytes | None:
        data = value(column, contents.read, stored)
        try:
            if data is not None:
                orjson.loads(data)
        except orjson.JSONDecodeError as error:
            skipped(column, f"no JSON, and shown as text: {error}")
            return data.decode(errors="replace").encode() if data is not None else None
        return data

    fields, attributes, events, inputs, outputs = rest
    return Span(
        trace_id=trace_id,
        span_id=_number("id", span_id, _SPAN_ID),
        parent_id=None if parent is None else _number("parent's id", parent, _SPAN_ID),
        name=checked("name", name, str),
        span_type=checked("type", kind, str),
        start_time_ns=start,
        end_time_ns=end,
        inputs=json("inputs", inputs),
        outputs=json("outputs", outputs),
        attributes=value("attributes", _attributes_from_json, attributes),
        fields=value("fields", _object, fields),
        events=value("events", _events_from_json, events),
        status=SpanStatus(
            _one_of(SpanStatusCode, "status", code), checked("description", description, str)
        ),
    )


def trace_number(text: Any) -> int:
    """The 128-bit id that the column ``trace_id`` holds.

    Raises:
        UnreadableError: it is none.
    """
    return _number("id", text, _TRACE_ID)


def _number(what: str, text: Any, form: re.Pattern[str]) -> int:
    if type(text) is str and form.fullmatch(text):
        return int(text, 16)
    checked(what, text, str)
    raise UnreadableError(f"its {what} is {text[:40]!r}")


def _one_of(kind: type[_Kind], what: str, value: Any) -> _Kind:
    try:
        return kind(checked(what, value, str))
    except UnreadableError:
        raise
    except ValueError:
        raise UnreadableError(f"its {what} is {value[:40]!r}") from None


def _check_times(start: Any, end: Any) -> None:
    checked("start", start, int)
    checked("end", end, int, null=True)
    if end is not None and abs(end - start) > MAX_TIME:
        raise UnreadableError(f"its end is {(end - start) // 10**9} s after its start")


def _sum(value: float | None) -> float | None:
    """An amount that a column can hold; a whole number that is too large is a mistake."""
    return None if isinstance(value, int) and abs(value) > MAX_TIME else value


def _amounts(kinds: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Sums by kind; infinite ones are none."""
    found: dict[str, Any] = {}
    for kind, value in zip(kinds, values, strict=True):
        if type(value) is float and math.isfinite(value):
            found[kind] = value
        elif value is not None and type(value) is not float:
            found[kind] = checked(kind, value, int)
    return found


def _texts(what: str, stored: Any) -> dict[str, str]:
    """A JSON object of strings; what else was put there as text."""
    try:
        given = _object(checked(what, stored, str))
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"its {what} are {error}") from None
    return {
        key: value if type(value) is str else encode(value).decode() for key, value in given.items()
    }


def _object(text: Any) -> dict[str, Any]:
    value = orjson.loads(text if type(text) is str else checked("JSON", text, str))
    found: dict[str, Any] = value if type(value) is dict else checked("JSON", value, dict)
    return found


def _plain(text: Any) -> str:
    if type(text) is str and text.isascii():
        return text
    # SQLite takes neither a subclass of str nor a lone surrogate.
    return utf8_text(text_of(text))


def _plain_or_none(text: Any) -> str | None:
    return None if text is None else _plain(text)


def _attributes_json(attributes: dict[str, Any]) -> str:
    parts = {
        _plain(key): orjson.Fragment(value if type(value) is bytes else encode(value))
        for key, value in list(attributes.items())
    }
    return orjson.dumps(parts).decode()


def _attributes_from_json(text: str) -> dict[str, Any]:
    # Scalars as they are; the rest as JSON, so that each access decodes its own copy.
    return {
        key: dumps(value) if isinstance(value, (dict, list)) else value
        for key, value in _object(text).items()
    }


def _events_json(events: list[tuple[str, int, bytes]]) -> str:
    return orjson.dumps(
        [[_plain(name), at, orjson.Fragment(data)] for name, at, data in list(events)]
    ).decode()


def _events_from_json(text: str) -> list[tuple[str, int, bytes]]:
    events = []
    for event in checked("JSON", orjson.loads(checked("JSON", text, str)), list):
        if type(event) is not list or len(event) != 3:
            raise UnreadableError(f"its event is {str(event)[:40]}")
        name, at, data = event
        events.append((checked("event", name, str), checked("time", at, int), dumps(data)))
    return events
