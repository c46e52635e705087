"""Traces as a Parquet file for Spark, DuckDB and pandas: one row a span."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from tracetape._json import dumps
from tracetape.capture import encode
from tracetape.entities import Span, Trace
from tracetape.entities.span import record_of
from tracetape.exceptions import IntegrationMissingError
from tracetape.exchange.columns import SpanColumns, info_dicts
from tracetape.formats.names import NAME_OF_FIELD, SESSION, TRACE_ID, TRACE_NAME, USER
from tracetape.privacy.files import replacing
from tracetape.store.reading import TraceGroup

__all__ = ["COLUMNS", "span_rows", "write_parquet"]

_ROWS, _CHARACTERS = 5000, 16_000_000  # in a row group, about
_ROW_CHARACTERS = 500  # of a row without its inputs and outputs, about
_Row = tuple[Any, ...]

# A dictionary helps no column whose values differ; no query asks for the largest JSON text.
_UNLIKE = {"span_id", "start_time", "end_time", "start_time_ns", "duration_ns", "inputs", "outputs"}
_JSON = {"inputs", "outputs", "attributes", "events", "trace_tags", "trace_metadata"}

# The documented schema (docs/store.md); times are UTC, what is deep is JSON text.
COLUMNS = {
    "trace_id": "string",
    "span_id": "string",
    "parent_id": "string",
    "name": "string",
    "type": "string",
    "status": "string",
    "status_description": "string",
    "start_time": "time",
    "end_time": "time",
    "start_time_ns": "int64",
    "duration_ns": "int64",
    "model": "string",
    "provider": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "total_tokens": "int64",
    "total_cost": "double",
    "inputs": "string",
    "outputs": "string",
    "attributes": "string",
    "events": "string",
    "trace_name": "string",
    "trace_state": "string",
    "session_id": "string",
    "user": "string",
    "trace_tags": "string",
    "trace_metadata": "string",
}


_INPUTS, _OUTPUTS = map(list(COLUMNS).index, ("inputs", "outputs"))
_NO_CALL = (None,) * 6  # the columns from ``model`` to ``total_cost``
_OF_SPAN = "mlflow.span"  # with this begin attributes that have columns of their own


def write_parquet(path: Path, traces: Iterable[Trace | list[_Row]]) -> Iterator[int]:
    """Write the spans of all `traces`; yields 1 after each trace.

    Args:
        path: the file; what was there is replaced when all are written.
        traces: they themselves, or what `span_rows` made of them.

    Raises:
        IntegrationMissingError: the package pyarrow is absent.
    """
    try:
        arrow, parquet = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
    except ImportError:
        raise IntegrationMissingError(
            "Parquet needs the package pyarrow: `pip install 'tracetape[parquet]'`"
        ) from None
    # Microseconds, as Spark reads no others.
    types = {"time": arrow.timestamp("us", tz="UTC"), "double": arrow.float64()}
    schema = arrow.schema(
        [(name, types.get(kind) or getattr(arrow, kind)()) for name, kind in COLUMNS.items()]
    )
    with (
        replacing(path) as file,
        parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[name for name in COLUMNS if name not in _UNLIKE],
            write_statistics=[name for name in COLUMNS if name not in _JSON],
        ) as writer,
    ):
        rows: list[_Row] = []
        size = 0

        def write() -> None:
            columns = zip(zip(*rows, strict=True), schema, strict=True)
            arrays = [arrow.array(column, field.type) for column, field in columns]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))

        for trace in traces:
            own = [_row(trace, s) for s in trace.data.spans] if isinstance(trace, Trace) else trace
            rows += own
            size += sum(
                _ROW_CHARACTERS + len(row[_INPUTS] or "") + len(row[_OUTPUTS] or "") for row in own
            )
            if len(rows) >= _ROWS or size >= _CHARACTERS:
                write()
                rows, size = [], 0
            yield 1
        if rows:
            write()


def span_rows(group: TraceGroup) -> Iterator[list[_Row]]:
    """Of those of the traces that can be read, the rows of their spans."""
    try:
        traces = _plain_rows(group)
    except (LookupError, TypeError, ValueError):  # something is odd: read it with more care
        traces = [[_row(trace, span) for span in trace.data.spans] for trace in group.traces()]
    yield from traces


def _plain_rows(group: TraceGroup) -> list[list[_Row]]:
    infos = list(info_dicts(group.rows))
    columns = SpanColumns.of(group)
    # By identity: what several spans hold is one object.
    given = {id(one): one for one in (*columns.inputs, *columns.outputs) if one is not None}
    for value in given.values():
        orjson.loads(value)  # one that is not JSON is reported elsewhere
    decoded = {key: value.decode() for key, value in given.items()}
    texts = [
        [None if value is None else decoded[id(value)] for value in values]
        for values in (columns.inputs, columns.outputs)
    ]
    spans = [
        (
            span_id,
            parent_id,
            name,
            kind,
            code,
            description,
            start // 1000,
            None if end is None else end // 1000,
            start,
            None if end is None else _whole(end - start),
            *(_call(fields) if fields else _NO_CALL),
            inputs,
            outputs,
            _attributes(trace_id, fields, attributes),
            dumps(events).decode() if events else "[]",
        )
        for (
            trace_id, span_id, parent_id, name, kind, code, description, start, end, fields,
            inputs, outputs, attributes, events,
        ) in zip(
            columns.trace_ids, columns.span_ids, columns.parent_ids, columns.names, columns.types,
            columns.codes, columns.descriptions, columns.starts, columns.ends, columns.fields,
            *texts, columns.attributes, columns.events, strict=True,
        )
    ]  # fmt: skip
    rows = []
    for info, order in zip(infos, columns.orders, strict=True):
        tags, metadata = info.get("tags", {}), info["trace_metadata"]
        of_trace = (
            tags.get(TRACE_NAME),
            info["state"],
            metadata.get(SESSION),
            metadata.get(USER),
            orjson.dumps(tags).decode(),
            orjson.dumps(metadata).decode(),
        )
        rows.append([(info["trace_id"], *spans[index], *of_trace) for index in order])
    return rows


def _call(fields: dict[str, Any]) -> tuple[Any, ...]:
    """The columns from ``model`` to ``total_cost``."""
    usage, cost = fields.get("usage"), fields.get("cost")
    usage, cost = usage if type(usage) is dict else {}, cost if type(cost) is dict else {}
    said = {name: fields.get(name) for name in ("model", "request_model", "provider")}
    model, asked, provider = [one if type(one) is str else None for one in said.values()]
    tokens = [usage.get(kind) for kind in ("input_tokens", "output_tokens", "total_tokens")]
    total = cost.get("total_cost")
    return (
        model or asked,
        provider,
        *[_whole(n) if type(n) in (int, float) else None for n in tokens],
        total if type(total) in (int, float) else None,
    )


def _attributes(trace_id: str, fields: dict[str, Any], attributes: dict[str, Any]) -> str:
    shown: dict[str, Any] = {TRACE_ID: trace_id}
    if not fields and not attributes:
        return orjson.dumps(shown).decode()
    shown.update((NAME_OF_FIELD[key], one) for key, one in fields.items() if key in NAME_OF_FIELD)
    shown.update(attributes)
    return dumps({k: v for k, v in shown.items() if not k.startswith(_OF_SPAN)}).decode()


def _row(trace: Trace, span: Span) -> _Row:
    usage, cost = span.token_usage or {}, span.llm_cost or {}
    info, record = trace.info, record_of(span)
    return (
        info.trace_id,
        span.span_id,
        span.parent_id,
        span.name,
        span.span_type,
        span.status.status_code.value,
        span.status.description,
        span.start_time_ns // 1000,
        None if span.end_time_ns is None else span.end_time_ns // 1000,
        span.start_time_ns,
        _whole(span.duration_ns),
        span.model_name,
        span.provider,
        _whole(usage.get("input_tokens")),
        _whole(usage.get("output_tokens")),
        _whole(usage.get("total_tokens")),
        cost.get("total_cost"),
        None if record.inputs is None else record.inputs.decode(),
        None if record.outputs is None else record.outputs.decode(),
        _json({k: v for k, v in span.attributes.items() if not k.startswith(_OF_SPAN)}),
        _json([[event.name, event.timestamp, event.attributes] for event in span.events]),
        info.name,
        info.state.value,
        info.trace_metadata.get(SESSION),
        info.trace_metadata.get(USER),
        _json(info.tags),
        _json(info.trace_metadata),
    )


def _whole(number: float | None) -> int | None:
    """As a column of whole numbers takes it; what has more than 64 bits it does not take."""
    return int(number) if number is not None and abs(number) < 2**63 else None


def _json(value: Any) -> str:
    return encode(value).decode()
