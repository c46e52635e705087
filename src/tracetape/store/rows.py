"""Spans and trace infos to table rows and back."""

from __future__ import annotations

from typing import Any

import orjson

from tracetape.capture import encode
from tracetape.capture.conversion import text_of
from tracetape.entities import Span, SpanStatus, SpanStatusCode, TraceInfo, TraceState
from tracetape.entities.live_trace import TraceDetails
from tracetape.entities.span import span_id_text
from tracetape.entities.summary import make_info
from tracetape.store.contents import ContentReader
from tracetape.store.protocol import COST_KINDS, TOKEN_KINDS, TraceUpdate

__all__ = [
    "SPAN_COLUMNS",
    "TRACE_COLUMNS",
    "info_from_row",
    "span_from_row",
    "span_row",
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


def update_row(update: TraceUpdate) -> tuple[Any, ...]:
    """The values of `TRACE_COLUMNS`."""
    sums = update.sums or {}
    details = update.details or TraceDetails()
    return (
        f"{update.trace_id:032x}",
        update.state.value,
        update.start_ns,
        update.end_ns,
        None if update.name is None else _plain(update.name),
        update.span_count,
        update.error_count,
        *[sums.get(kind) for kind in (*TOKEN_KINDS, *COST_KINDS)],
        details.client_request_id,
        details.experiment_id,
        update.request_preview,
        update.response_preview,
        encode(details.tags).decode(),
        encode(details.metadata).decode(),
    )


def info_from_row(row: tuple[Any, ...]) -> TraceInfo:
    """What `TRACE_COLUMNS` hold, as an entity."""
    trace_id, state, start, end, name, spans, errors, *rest = row
    tokens = dict(zip(TOKEN_KINDS, rest, strict=False))
    costs = dict(zip(COST_KINDS, rest[len(TOKEN_KINDS) :], strict=False))
    request_id, experiment_id, request, response, tags, metadata = rest[-6:]
    return make_info(
        f"tr-{trace_id}",
        state=TraceState(state),
        start_ns=start,
        end_ns=end,
        name=name,
        request_preview=request,
        response_preview=response,
        tokens={kind: n for kind, n in tokens.items() if n is not None},
        cost={kind: n for kind, n in costs.items() if n is not None},
        tags=orjson.loads(tags),
        metadata=orjson.loads(metadata),
        client_request_id=request_id,
        experiment_id=experiment_id,
        span_count=spans,
        error_count=errors,
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


def span_from_row(trace_id: int, row: tuple[Any, ...], contents: ContentReader) -> Span:
    """The span that `SPAN_COLUMNS` hold, its values read from `contents`."""
    span_id, parent, name, kind, start, end, code, description, *rest = row
    fields, attributes, events, inputs, outputs = rest
    return Span(
        trace_id=trace_id,
        span_id=int(span_id, 16),
        parent_id=None if parent is None else int(parent, 16),
        name=name,
        span_type=kind,
        start_time_ns=start,
        end_time_ns=end,
        inputs=contents.read(inputs),
        outputs=contents.read(outputs),
        attributes=None if attributes is None else _attributes_from_json(attributes),
        fields=None if fields is None else orjson.loads(fields),
        events=None if events is None else _events_from_json(events),
        status=SpanStatus(SpanStatusCode(code), description),
    )


def _plain(text: Any) -> str:
    # SQLite takes neither a subclass of str nor a lone surrogate.
    return text_of(text).encode("utf-8", "backslashreplace").decode()


def _attributes_json(attributes: dict[str, Any]) -> str:
    parts = {
        _plain(key): orjson.Fragment(value if type(value) is bytes else encode(value))
        for key, value in list(attributes.items())
    }
    return orjson.dumps(parts).decode()


def _attributes_from_json(text: str) -> dict[str, Any]:
    # Scalars as they are; the rest as JSON, so that each access decodes its own copy.
    return {
        key: orjson.dumps(value) if isinstance(value, (dict, list)) else value
        for key, value in orjson.loads(text).items()
    }


def _events_json(events: list[tuple[str, int, bytes]]) -> str:
    return orjson.dumps(
        [[_plain(name), at, orjson.Fragment(data)] for name, at, data in list(events)]
    ).decode()


def _events_from_json(text: str) -> list[tuple[str, int, bytes]]:
    return [(name, at, orjson.dumps(data)) for name, at, data in orjson.loads(text)]
