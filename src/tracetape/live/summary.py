"""The summary of a trace, from its spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tracetape.capture import encode
from tracetape.entities.constants import SpanStatusCode, TraceState
from tracetape.entities.span_record import SpanRecord
from tracetape.entities.trace_info import TraceInfo, location_of
from tracetape.formats.ids import trace_id_text
from tracetape.formats.json_text import json_text
from tracetape.formats.names import (
    COST,
    ROOT_INPUTS,
    ROOT_OUTPUTS,
    SCHEMA_VERSION,
    TOKEN_USAGE,
    TRACE_NAME,
)
from tracetape.live.preview import preview, shortened

__all__ = [
    "SCHEMA",
    "has_failed",
    "make_info",
    "preview",
    "root_metadata",
    "state_of",
    "summarise",
    "token_sum",
]

SCHEMA = "3"  # of MLflow's trace JSON


def state_of(root: SpanRecord) -> TraceState:
    """The state of a trace with this root."""
    if root.end_time_ns is None:
        return TraceState.IN_PROGRESS
    return TraceState.ERROR if has_failed(root) else TraceState.OK


def has_failed(record: SpanRecord) -> bool:
    """Whether the span ended with an error, or has one so far."""
    return record.status.status_code is SpanStatusCode.ERROR


def token_sum(usages: Iterable[tuple[int, Sequence[int], dict[str, Any]]]) -> dict[str, Any]:
    """Tokens, or costs, of a trace from (span id, ids of the spans above it, the span's own).

    The spans below one that has its own are left out: it counts them already.
    """
    entries = list(usages)
    own = {span_id for span_id, _, _ in entries}
    total: dict[str, Any] = {}
    for _, above, usage in entries:
        if own.isdisjoint(above):
            for kind, n in usage.items():
                if isinstance(n, (int, float)):  # the user may have set anything
                    total[kind] = total.get(kind, 0) + n
    return total


def root_metadata(root: SpanRecord) -> dict[str, str]:
    """MLflow's preview of an ended root span in its trace's metadata; empty text for nothing."""
    return {ROOT_INPUTS: shortened(root.inputs), ROOT_OUTPUTS: shortened(root.outputs)}


def make_info(
    trace_id: str,
    *,
    state: TraceState,
    start_ns: int,
    end_ns: int | None = None,
    name: str | None = None,
    request_preview: str | None = None,
    response_preview: str | None = None,
    tokens: dict[str, int] | None = None,
    cost: dict[str, float] | None = None,
    tags: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    client_request_id: str | None = None,
    experiment_id: str | None = None,
    span_count: int = 0,
    error_count: int = 0,
) -> TraceInfo:
    """A trace's info from neutral values: MLflow's names for them are here.

    Args:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        state: the state.
        start_ns: when it began, ns since the epoch.
        end_ns: when it ended; None while it runs.
        name: the root's name; a tag ``mlflow.traceName`` that the user set wins.
        request_preview: the beginning of the request.
        response_preview: the beginning of the response.
        tokens: their sums; None or empty: there are none.
        cost: their sums, likewise.
        tags: the user's.
        metadata: the user's, and `root_metadata`.
        client_request_id: the id that the caller's own system has for it.
        experiment_id: MLflow's experiment, if any.
        span_count: spans so far.
        error_count: spans with status ERROR.
    """
    sums = {TOKEN_USAGE: tokens, COST: cost}
    duration = None if end_ns is None else end_ns - start_ns
    return TraceInfo(
        trace_id,
        location_of(experiment_id),
        start_ns // 1_000_000,
        state,
        request_preview,
        response_preview,
        client_request_id,
        None if duration is None else duration // 1_000_000,
        {
            SCHEMA_VERSION: SCHEMA,
            **(metadata or {}),
            **{key: json_text(encode(value)) for key, value in sums.items() if value},
        },
        {**({} if name is None else {TRACE_NAME: name}), **(tags or {})},
        span_count=span_count,
        error_count=error_count,
        duration_ns=duration,
    )


def summarise(trace_id: int, spans: Sequence[SpanRecord]) -> TraceInfo:
    """Summarise a trace from its `spans`."""
    root = next((span for span in spans if span.parent_id is None), None)
    return make_info(
        trace_id_text(trace_id),
        state=TraceState.IN_PROGRESS if root is None else state_of(root),
        start_ns=min((span.start_time_ns for span in spans), default=0),
        end_ns=None if root is None else root.end_time_ns,
        name=None if root is None else root.name,
        request_preview=None if root is None else preview(root.inputs),
        response_preview=None if root is None else preview(root.outputs, "assistant"),
        tokens=_field_sum(spans, "usage"),
        cost=_field_sum(spans, "cost"),
        metadata=None if root is None or root.end_time_ns is None else root_metadata(root),
        span_count=len(spans),
        error_count=sum(map(has_failed, spans)),
    )


def _field_sum(spans: Sequence[SpanRecord], field: str) -> dict[str, Any]:
    parents = {span.span_id: span.parent_id for span in spans}
    own = {
        span.span_id: span.fields[field]
        for span in spans
        if span.fields and isinstance(span.fields.get(field), dict)
    }
    counted: dict[int, bool] = {}  # whether the span itself, or one above it, has its own

    def is_counted(span_id: int | None) -> bool:
        way: dict[int, None] = {}
        while span_id is not None and span_id not in counted and span_id not in way:
            if span_id in own:
                counted[span_id] = True
                break
            way[span_id] = None
            span_id = parents.get(span_id)
        found = span_id is not None and counted.get(span_id, False)
        counted.update(dict.fromkeys(way, found))
        return found

    return token_sum(
        (span_id, (), usage)
        for span_id, usage in own.items()
        if parents[span_id] == span_id or not is_counted(parents[span_id])
    )
