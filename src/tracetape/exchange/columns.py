"""Traces as rows, for exports: by columns, without an object for each span."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from tracetape.capture import encode
from tracetape.entities import SpanStatusCode, TraceState
from tracetape.entities.trace_data import order_of
from tracetape.entities.trace_info import location_of
from tracetape.formats.json_text import json_text
from tracetape.formats.names import (
    COST,
    FOREIGN_TRACE_ID,
    SCHEMA_VERSION,
    TOKEN_USAGE,
    TRACE_NAME,
)
from tracetape.formats.timestamps import rfc3339
from tracetape.live.summary import SCHEMA
from tracetape.store.codec import SPANS, TRACES
from tracetape.store.protocol import COST_KINDS, MAX_TIME, TOKEN_KINDS
from tracetape.store.reading import TraceGroup

__all__ = ["SpanColumns", "info_dicts"]

_IDS = re.compile("(?:[0-9a-f]{16},)*")
_TRACE_IDS = re.compile("(?:[0-9a-f]{32},)*")
_TEXTS = ("name", "client_request_id", "experiment_id", "request_preview", "response_preview")
_STR, _INT, _FLOAT, _DICT = {str}, {int}, {float}, {dict}
_OR_NONE = {type(None)}
_CODES = {code.value for code in SpanStatusCode}
_STATES = {state.value for state in TraceState}
_Row = tuple[Any, ...]


@dataclass
class SpanColumns:
    """The spans of several traces, each attribute for all of them.

    Attributes:
        orders: of each trace the indices of its spans, in order.
        trace_ids: of each span its trace's, as it is shown.
        fields, attributes: what their JSON holds.
        events: likewise, lists of name, time and attributes.
        inputs, outputs: JSON.
    """

    orders: list[list[int]]
    trace_ids: list[str]
    span_ids: Sequence[str]
    parent_ids: Sequence[str | None]
    names: Sequence[str]
    types: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int | None]
    codes: Sequence[str]
    descriptions: Sequence[str]
    fields: list[dict[str, Any]]
    attributes: list[dict[str, Any]]
    events: list[list[Any]]
    inputs: list[bytes | None]
    outputs: list[bytes | None]

    @classmethod
    def of(cls, group: TraceGroup) -> SpanColumns:
        """Those of a group.

        Raises:
            LookupError, TypeError, ValueError: something is odd; only `Span` can tell what.
        """
        rows = [row for spans in group.spans for row in spans]
        columns = SPANS.by_name(rows, "id")
        for name in ("span_id", "name", "type", "status_description"):
            _check(_types(columns[name]) <= _STR)
        span_ids, parents = columns["span_id"], columns["parent_id"]
        starts, ends = columns["start_ns"], columns["end_ns"]
        _check(_types(starts) <= _INT and _types(ends) <= _INT | _OR_NONE)
        _check(_CODES.issuperset(columns["status"]))
        _check_ids(_IDS, span_ids)
        _check_ids(_IDS, [one for one in parents if one is not None])
        for start, end in zip(starts, ends, strict=True):
            _check(end is None or -MAX_TIME <= end - start <= MAX_TIME)
        all_fields = _objects(columns["fields"])
        inputs, outputs = columns["inputs"], columns["outputs"]
        # What several spans hold, such as a chain and its call, is one and the same object.
        stored = [*{one: None for one in (*inputs, *outputs) if one is not None}]
        contents = dict(zip(stored, group.reader.contents(stored), strict=True))
        return cls(
            list(_orders(map(len, group.spans), span_ids, parents, starts)),
            _trace_ids(group, all_fields),
            span_ids,
            parents,
            columns["name"],
            columns["type"],
            starts,
            ends,
            columns["status"],
            columns["status_description"],
            all_fields,
            _objects(columns["attributes"]),
            [[] if one is None else _events(one) for one in columns["events"]],
            [None if one is None else contents[one] for one in inputs],
            [None if one is None else contents[one] for one in outputs],
        )


def info_dicts(rows: list[_Row]) -> Iterator[dict[str, Any]]:
    """As `TraceInfo.to_dict` of traces without assessments.

    Raises:
        LookupError, TypeError, ValueError: something is odd; only `TraceInfo` can tell what.
    """
    columns = TRACES.by_name(rows, "id")
    _check_ids(_TRACE_IDS, columns["trace_id"])
    _check(_STATES.issuperset(columns["state"]))
    for name in ("start_ns", "span_count", "error_count"):
        _check(_types(columns[name]) <= _INT)
    for name in ("end_ns", *TOKEN_KINDS):
        _check(_types(columns[name]) <= _INT | _OR_NONE)
    for name in COST_KINDS:
        _check(_types(columns[name]) <= _FLOAT | _OR_NONE)
    for name in _TEXTS:
        _check(_types(columns[name]) <= _STR | _OR_NONE)
    times = _together(columns, ("trace_id", "state", "start_ns", "end_ns"))
    texts = _together(columns, _TEXTS)
    objects = _together(columns, ("tags", "metadata"))
    tokens, costs = _together(columns, TOKEN_KINDS), _together(columns, COST_KINDS)
    for one in zip(times, texts, objects, tokens, costs, strict=True):
        (trace_id, state, start, end), of_texts, (tags, metadata), of_tokens, of_costs = one
        name, request_id, experiment_id, request, response = of_texts
        info: dict[str, Any] = {"trace_id": f"tr-{trace_id}"}
        if request_id is not None:
            info["client_request_id"] = request_id
        info["trace_location"] = _location(experiment_id)
        if request is not None:
            info["request_preview"] = request
        if response is not None:
            info["response_preview"] = response
        info["request_time"] = rfc3339(start // 1_000_000)
        if end is not None:
            _check(-MAX_TIME <= end - start <= MAX_TIME)
            info["execution_duration_ms"] = (end - start) // 1_000_000
        info["state"] = state
        info["trace_metadata"] = {SCHEMA_VERSION: SCHEMA, **_text_object(metadata)}
        info["trace_metadata"].update(_sums(of_tokens, of_costs))
        shown = _text_object(tags)
        if name is not None:
            shown = {TRACE_NAME: name, **shown}
        if shown:
            info["tags"] = shown
        yield info


def _together(columns: dict[str, Sequence[Any]], names: Iterable[str]) -> Iterator[_Row]:
    """Of each row what these columns have."""
    return zip(*(columns[name] for name in names), strict=True)


def _types(values: Iterable[Any]) -> set[type]:
    return set(map(type, values))


def _check(is_plain: bool) -> None:
    if not is_plain:
        raise ValueError("something is odd")


def _check_ids(form: re.Pattern[str], ids: Sequence[str]) -> None:
    text = "".join([f"{one}," for one in ids])
    _check(text.count(",") == len(ids) and _types(ids) <= _STR and bool(form.fullmatch(text)))


def _objects(texts: Iterable[Any]) -> list[dict[str, Any]]:
    found = [{} if one is None else orjson.loads(one) for one in texts]
    _check(_types(found) <= _DICT)
    return found


def _text_object(text: Any) -> dict[str, str]:
    if text == "{}":
        return {}
    _check(type(text) is str)
    found: dict[str, str] = orjson.loads(text)
    _check(type(found) is dict and _types(found.values()) <= _STR)
    return found


def _sums(of_tokens: _Row, of_costs: _Row) -> dict[str, str]:
    """The sums in metadata; amounts are by `TOKEN_KINDS` and `COST_KINDS`."""
    tokens = [
        f'"{kind}": {n}' for kind, n in zip(TOKEN_KINDS, of_tokens, strict=True) if n is not None
    ]
    found = {TOKEN_USAGE: f"{{{', '.join(tokens)}}}"} if tokens else {}
    costs = {
        kind: amount
        for kind, amount in zip(COST_KINDS, of_costs, strict=True)
        if amount is not None
    }
    if costs:
        _check(max(map(abs, costs.values())) < float("inf"))
        found[COST] = json_text(encode(costs))
    return found


@lru_cache(maxsize=64)
def _location(experiment_id: str | None) -> Any:
    return location_of(experiment_id).to_dict()


def _trace_ids(group: TraceGroup, fields: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for row, spans in zip(group.rows, group.spans, strict=True):
        found += [f"tr-{row[1]}"] * len(spans)
    for index, one in enumerate(fields):
        if FOREIGN_TRACE_ID in one and type(one[FOREIGN_TRACE_ID]) is str:
            found[index] = one[FOREIGN_TRACE_ID]
    return found


def _events(text: Any) -> list[Any]:
    found: list[Any] = orjson.loads(text)
    _check(type(found) is list and _types(found) <= {list})
    for name, at, _ in found:
        _check(type(name) is str and type(at) is int)
    return found


def _orders(
    counts: Iterable[int],
    ids: Sequence[str],
    parents: Sequence[str | None],
    starts: Sequence[int],
) -> Iterator[list[int]]:
    """Of each trace the indices of its spans, in order; `counts` says how many it has."""
    at = 0
    for count in counts:
        following = at + count
        some = range(at, following)
        yield [at] if count == 1 else _order(some, ids, parents, starts)
        at = following


def _order(
    some: range, ids: Sequence[str], parents: Sequence[str | None], starts: Sequence[int]
) -> list[int]:
    """As `in_order`; mostly the clock alone decides."""
    order = sorted(some, key=starts.__getitem__)
    seen: set[str | None] = {None}
    last: int | None = None
    for index in order:
        if starts[index] == last or parents[index] not in seen:
            found = order_of((ids[one], parents[one], starts[one]) for one in some)
            return [some[one] for one in found]
        last = starts[index]
        seen.add(ids[index])
    return order
