"""Traces as a Parquet file for Spark, DuckDB and pandas: one row a span."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tracetape.capture import encode
from tracetape.entities import Span, Trace
from tracetape.entities.names import SESSION, USER
from tracetape.exceptions import IntegrationMissingError
from tracetape.privacy.files import replacing

__all__ = ["COLUMNS", "write_parquet"]

_ROWS = 5000  # in a row group

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


def write_parquet(path: Path, traces: Iterable[Trace]) -> Iterator[int]:
    """Write the spans of all `traces`; yields 1 after each trace.

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
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        rows: list[dict[str, Any]] = []
        for trace in traces:
            rows += [_row(trace, span) for span in trace.data.spans]
            if len(rows) >= _ROWS:
                writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
                rows = []
            yield 1
        if rows:
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _row(trace: Trace, span: Span) -> dict[str, Any]:
    usage, cost = span.token_usage or {}, span.llm_cost or {}
    info = trace.info
    return {
        "trace_id": info.trace_id,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "type": span.span_type,
        "status": span.status.status_code.value,
        "status_description": span.status.description,
        "start_time": span.start_time_ns // 1000,
        "end_time": None if span.end_time_ns is None else span.end_time_ns // 1000,
        "start_time_ns": span.start_time_ns,
        "duration_ns": _whole(span.duration_ns),
        "model": span.model_name,
        "provider": span.provider,
        "input_tokens": _whole(usage.get("input_tokens")),
        "output_tokens": _whole(usage.get("output_tokens")),
        "total_tokens": _whole(usage.get("total_tokens")),
        "total_cost": cost.get("total_cost"),
        "inputs": None if span._inputs is None else span._inputs.decode(),
        "outputs": None if span._outputs is None else span._outputs.decode(),
        "attributes": _json(
            {k: v for k, v in span.attributes.items() if not k.startswith("mlflow.span")}
        ),
        "events": _json([[event.name, event.timestamp, event.attributes] for event in span.events]),
        "trace_name": info.name,
        "trace_state": info.state.value,
        "session_id": info.trace_metadata.get(SESSION),
        "user": info.trace_metadata.get(USER),
        "trace_tags": _json(info.tags),
        "trace_metadata": _json(info.trace_metadata),
    }


def _whole(number: float | None) -> int | None:
    """As a column of whole numbers takes it; what has more than 64 bits it does not take."""
    return int(number) if number is not None and abs(number) < 2**63 else None


def _json(value: Any) -> str:
    return encode(value).decode()
