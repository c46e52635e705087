"""Traces as lines of MLflow's trace JSON, made from rows: what `Trace.to_dict` gives, sooner."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any

import orjson

from tracetape._json import dumps
from tracetape.capture import encode
from tracetape.entities import Trace
from tracetape.exchange.columns import SpanColumns, info_dicts
from tracetape.formats.json_text import json_texts
from tracetape.formats.names import (
    LINKS,
    NAME_OF_FIELD,
    SPAN_INPUTS,
    SPAN_OUTPUTS,
    SPAN_TYPE,
    TRACE_ID,
)
from tracetape.store.reading import TraceGroup

__all__ = ["trace_json"]


def trace_json(group: TraceGroup) -> Iterator[bytes]:
    """The JSON of those of the traces that can be read."""
    try:
        infos = list(info_dicts(group.rows))
        traces = _traces(group, SpanColumns.of(group))
    except (LookupError, TypeError, ValueError):  # something is odd: read it with more care
        yield from map(_encoded, group.traces())
        return
    assessed = group.reader.assessed([row[0] for row in group.rows])
    for row, rows, info, spans in zip(group.rows, group.spans, infos, traces, strict=True):
        if row[0] not in assessed:
            yield dumps({"info": info, "data": {"spans": spans}})
        elif trace := group.reader.whole(row, rows):
            yield _encoded(trace)


def _encoded(trace: Trace) -> bytes:
    # What a store's JSON says is finite; only an assessment's value is read by another reader.
    return encode(trace.to_dict(), finite=not trace.info.assessments)


def _traces(group: TraceGroup, columns: SpanColumns) -> list[list[dict[str, Any]]]:
    """Of each trace its spans, as `Span.to_dict` gives them."""
    ids: dict[str | None, str | None] = {None: None}
    ids.update(_base64({*columns.span_ids, *filter(None, columns.parent_ids)}))
    spans = [
        {
            "trace_id": None,
            "span_id": ids[span_id],
            "parent_span_id": ids[parent_id],
            "name": name,
            "start_time_unix_nano": start,
            "end_time_unix_nano": end,
            "events": [
                {"name": event, "time_unix_nano": at, "attributes": data}
                for event, at, data in events
            ]
            if events
            else events,
            "status": {"code": f"STATUS_CODE_{code}", "message": description},
            "attributes": attributes,
            "links": [],
        }
        for span_id, parent_id, name, start, end, events, code, description, attributes in zip(
            columns.span_ids,
            columns.parent_ids,
            columns.names,
            columns.starts,
            columns.ends,
            columns.events,
            columns.codes,
            columns.descriptions,
            _attributes(columns),
            strict=True,
        )
    ]
    traces = []
    for row, order in zip(group.rows, columns.orders, strict=True):
        trace_id = binascii.b2a_base64(bytes.fromhex(row[1]), newline=False).decode()
        own = [spans[index] for index in order]
        for span in own:
            span["trace_id"] = trace_id
        traces.append(own)
    return traces


def _attributes(columns: SpanColumns) -> list[dict[str, str]]:
    """Of each span its attributes, as JSON text."""
    found: list[dict[str, str]] = []
    # What is not a scalar gets its text with all others.
    pending: list[tuple[dict[str, str], str, int]] = []
    values: list[bytes] = []
    places: dict[int, int] = {}  # of inputs and outputs among the values, by identity

    def keep(texts: dict[str, str], name: str, value: bytes) -> None:
        place = places.setdefault(id(value), len(values))
        if place == len(values):
            values.append(value)
        texts[name] = ""
        pending.append((texts, name, place))

    of_text = orjson.dumps  # faster, and no text is too deep for it
    types = {one: of_text(one).decode() for one in {*columns.types, *columns.trace_ids}}
    for trace_id, kind, fields, attributes, inputs, outputs in zip(
        columns.trace_ids,
        columns.types,
        columns.fields,
        columns.attributes,
        columns.inputs,
        columns.outputs,
        strict=True,
    ):
        texts = {TRACE_ID: types[trace_id], SPAN_TYPE: types[kind]}
        if inputs is not None:
            keep(texts, SPAN_INPUTS, inputs)
        if outputs is not None:
            keep(texts, SPAN_OUTPUTS, outputs)
        if LINKS in fields:
            raise ValueError("links are checked by their class")
        named = [(NAME_OF_FIELD[key], one) for key, one in fields.items() if key in NAME_OF_FIELD]
        for name, value in (*named, *attributes.items()):
            if name in texts:
                raise ValueError("an attribute has the place of another")
            if type(value) is str:
                texts[name] = of_text(value).decode()
            elif type(value) is int:
                texts[name] = str(value)
            else:
                keep(texts, name, dumps(value))
        found.append(texts)
    written = json_texts(values)
    for texts, name, place in pending:
        texts[name] = written[place]
    return found


def _base64(ids: set[str]) -> Iterator[tuple[str, str]]:
    """Each of these ids of spans, and it in base64."""
    # Nine bytes are twelve characters: of eight and a zero, the last one represents "=".
    data = bytes.fromhex("".join([f"{one}00" for one in ids]))
    text = binascii.b2a_base64(data, newline=False).decode()
    for one, at in zip(ids, range(0, len(text), 12), strict=True):
        yield one, f"{text[at : at + 11]}="
