"""Sources of `tracetape import`: the kind of a file, and its traces."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tracetape.entities import Trace
from tracetape.entities.attachment import Attachment
from tracetape.exceptions import InvalidValueError, TracetapeException
from tracetape.exchange.importing import read_new_traces
from tracetape.exchange.mlflow_store import count_traces, read_mlflow_store
from tracetape.store.inspection import SQLITE_ERRORS, reason
from tracetape.store.query import TraceQuery
from tracetape.store.rows import NewTrace
from tracetape.store.schema import APPLICATION_ID
from tracetape.store.sqlite import SQLiteStore

__all__ = ["Source", "open_source"]

_WHAT = "name a file of traces as JSON (.jsonl, .json), a tracetape store, or MLflow's mlflow.db"
_BEGINNING = 1024  # bytes that are looked at
# What some files of other kinds begin with; and the remedy.
_OTHERS = (
    (b"PAR1", "a Parquet file, which has only a part of a trace: export with --jsonl instead"),
    (b"\x1f\x8b", "compressed: unpack it with gunzip first"),
    (b"PK\x03\x04", "a ZIP archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed: unpack it with zstd -d first"),
    (b"BZh", "compressed: unpack it with bunzip2 first"),
    (b"\xff\xfe", "in UTF-16: save it in UTF-8"),
    (b"\xfe\xff", "in UTF-16: save it in UTF-8"),
)


@dataclass
class Source:
    """Traces to import.

    Attributes:
        traces: they themselves; errors for those that cannot be read.
        total: how many there are; None: that is not known.
        attachment: gives the media to which they refer, by id.
        store: what is read, if it is a tracetape store.
    """

    traces: Iterable[Trace | NewTrace | TracetapeException]
    total: int | None = None
    attachment: Callable[[str], Attachment | None] = lambda _: None
    store: SQLiteStore | None = None


def open_source(path: Path) -> Source:
    """The traces of a file.

    Raises:
        InvalidValueError: it is not a file of traces.
        OSError: it cannot be read.
        StoreError: it is a tracetape store, or MLflow's, and cannot be read.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InvalidValueError(f"{path} is a folder: {_WHAT}")
    if not stat.S_ISREG(mode):
        raise InvalidValueError(f"{path} is a device or a pipe, not a regular file: {_WHAT}")
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if beginning.startswith(b"SQLite format 3\0"):
        return _database(path)
    for start, what in _OTHERS:
        if beginning.startswith(start):
            raise InvalidValueError(f"{path} is {what}")
    if b"\0" in beginning:
        raise InvalidValueError(f"{path} is a binary file: {_WHAT}")
    return Source(read_new_traces(path))


def _database(path: Path) -> Source:
    try:
        url = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(url, uri=True)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            # A view of such a name may go on for ever.
            select = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {name for (name,) in connection.execute(select)}
    except SQLITE_ERRORS as error:
        raise InvalidValueError(
            f"{path} is a SQLite database that cannot be read ({reason(error)}): "
            f"`sqlite3 {path.name} .recover` may get back what was in it"
        ) from error
    if application == APPLICATION_ID or {"traces", "spans", "contents"} <= tables:
        ours = SQLiteStore(path.absolute(), read_only=True)
        numbers = ours.find(TraceQuery())
        return Source(ours.get_traces(numbers), len(numbers), ours.get_attachment, ours)
    if "trace_info" in tables:
        return Source(read_mlflow_store(path), count_traces(path))
    raise InvalidValueError(
        f"{path} is a SQLite database, but neither a tracetape store nor MLflow's, "
        f"which has a table trace_info: {_WHAT}"
    )
