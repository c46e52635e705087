"""MLflow's own SQLite store, read: ``sqlite:///mlflow.db``."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tracetape.capture import encode
from tracetape.entities import Trace
from tracetape.exceptions import InvalidValueError, StoreError, TracetapeException
from tracetape.formats.names import COST, SESSION, TOKEN_USAGE, TRACE_NAME
from tracetape.formats.timestamps import rfc3339
from tracetape.store.deadlines import WatchedConnection, watched
from tracetape.store.inspection import SQLITE_ERRORS, reason
from tracetape.store.protocol import COST_KINDS, TOKEN_KINDS

__all__ = ["count_traces", "read_mlflow_store"]

_ARTIFACTS = "mlflow.artifactLocation"
_Row = dict[str, Any]


def count_traces(path: Path) -> int:
    """How many traces there are.

    Raises:
        StoreError: the database cannot be read.
    """
    with _opened(path) as connection, watched(connection):
        return len(connection.execute("SELECT request_id FROM trace_info").fetchall())


def read_mlflow_store(path: Path) -> Iterator[Trace | TracetapeException]:
    """All traces of MLflow's store, the oldest first; what cannot be read comes as an error.

    Spans come from the database, as MLflow has kept them since version 3.6, or from the
    ``traces.json`` of older traces if it is in a folder next to the database.

    Raises:
        StoreError: the database cannot be read.
    """
    with _opened(path) as connection:
        with watched(connection):
            select = "SELECT request_id FROM trace_info ORDER BY timestamp_ms"
            ids = connection.execute(select).fetchall()
        for row in ids:
            trace_id = row["request_id"]
            try:
                with watched(connection):
                    found = _trace(connection, trace_id, path.parent)
                read: Trace | TracetapeException = Trace.from_dict(found)
            except StoreError:  # a query without an end
                raise
            except TracetapeException as error:
                read = InvalidValueError(f"{path}, trace {trace_id}: {error}")
            except Exception as error:  # noqa: BLE001 - whatever it is that its rows lack
                why = f"{type(error).__name__}: {error}"
                read = InvalidValueError(f"{path}, trace {trace_id}: {why}")
            yield read


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        url = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(url, uri=True, factory=WatchedConnection)
        with contextlib.closing(connection):
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.row_factory = lambda cursor, row: {
                column[0]: value for column, value in zip(cursor.description, row, strict=True)
            }
            yield connection
    except SQLITE_ERRORS as error:
        raise StoreError(f"{path} cannot be read as MLflow's store: {reason(error)}") from error


def _trace(connection: sqlite3.Connection, trace_id: str, folder: Path) -> _Row:
    """One trace, as MLflow's trace JSON has it."""

    def rows(table: str, key: str) -> list[_Row]:
        names = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'table'", (table,)
        )
        if names.fetchone() is None:  # an older version's store
            return []
        return connection.execute(f"SELECT * FROM {table} WHERE {key} = ?", (trace_id,)).fetchall()

    (info,) = rows("trace_info", "request_id")
    tags = {row["key"]: row["value"] for row in rows("trace_tags", "request_id")}
    metadata = {row["key"]: row["value"] for row in rows("trace_request_metadata", "request_id")}
    # Newer versions keep these in columns.
    for kinds, key in ((TOKEN_KINDS, TOKEN_USAGE), (COST_KINDS, COST)):
        sums = {kind: info[kind] for kind in kinds if info.get(kind) is not None}
        if sums:
            metadata.setdefault(key, encode(sums).decode())
    if info.get("session_id"):
        metadata.setdefault(SESSION, info["session_id"])
    if info.get("trace_name"):
        tags.setdefault(TRACE_NAME, info["trace_name"])
    spans = [_decoded(row["content"]) for row in rows("spans", "trace_id")]
    location = tags.pop(_ARTIFACTS, None)
    if not spans and location:
        spans = _artifact(location, folder)
    return {
        "info": {
            "trace_id": trace_id,
            "trace_location": {
                "type": "MLFLOW_EXPERIMENT",
                "mlflow_experiment": {"experiment_id": str(info["experiment_id"])},
            },
            "request_time": rfc3339(info["timestamp_ms"]),
            "execution_duration_ms": info["execution_time_ms"],
            "state": info["status"],
            "client_request_id": info.get("client_request_id"),
            "request_preview": info.get("request_preview"),
            "response_preview": info.get("response_preview"),
            "tags": tags,
            "trace_metadata": metadata,
            "assessments": [_assessment(row) for row in rows("assessments", "trace_id")],
        },
        "data": {"spans": spans},
    }


def _assessment(row: _Row) -> _Row:
    value = _decoded(row["value"])
    kind = row["assessment_type"]
    said: _Row = {"value": value}
    if kind == "feedback" and row["error"]:
        said["error"] = _decoded(row["error"])
    elif kind == "issue":
        said = {"issue_name": value if isinstance(value, str) else row["name"]}
    elif kind == "expectation" and isinstance(value, (dict, list)):
        said = {"serialized_value": {"value": row["value"]}}
    return {
        "assessment_id": row["assessment_id"],
        "assessment_name": row["name"],
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
        "source": {"source_type": row["source_type"], "source_id": row["source_id"]},
        "create_time": rfc3339(row["created_timestamp"]),
        "last_update_time": rfc3339(row["last_updated_timestamp"]),
        "rationale": row["rationale"],
        "metadata": _decoded(row["assessment_metadata"]) if row["assessment_metadata"] else None,
        "overrides": row["overrides"],
        "valid": bool(row["valid"]),
        kind: said,
    }


def _artifact(location: str, folder: Path) -> list[Any]:
    """Spans of a trace that MLflow keeps in a file; only next to the database, whatever it says."""
    path = Path(location.removeprefix("file://")) / "traces.json"
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        data = path.read_bytes() if inside else b"{}"
    except (OSError, ValueError):  # a path cannot hold a NUL
        return []
    spans = _decoded(data)
    found = spans.get("spans") if isinstance(spans, dict) else None
    return found if isinstance(found, list) else []


def _decoded(text: str | bytes | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidValueError(f"{error}: {text!r:.100}") from None
