"""Files of older versions are brought up to date, with all that is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.entities import Span, TraceState
from tracetape.store import SQLiteStore, TraceUpdate, schema
from tracetape.store.filters import parse_filter
from tracetape.store.query import TraceQuery

INPUTS = orjson.dumps({"messages": [{"role": "user", "content": "a needle " + "x" * 600}]})


@pytest.fixture
def old_file(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> Path:
    """A file as version 1 wrote it: one span, its inputs in its row."""
    path = tmp_path / "old.db"
    store = SQLiteStore(path)
    store.write([update(make_span(inputs=INPUTS), name="old", state=TraceState.OK)])
    store.close()
    newer = sqlite3.connect(path)
    rows = {
        table: newer.execute(f"SELECT * FROM {table}").fetchall() for table in ("traces", "spans")
    }
    newer.close()
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript(schema._MIGRATIONS[0])
    for table, found in rows.items():
        for row in found:
            values = [INPUTS.decode() if isinstance(value, bytes) else value for value in row]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("read_only", [False, True])
def test_an_older_file_is_migrated_with_what_is_in_it(
    old_file: Path, read_only: bool, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """By whoever opens it first; its texts are found and indexed as new ones are."""
    store = SQLiteStore(old_file, read_only=read_only)
    trace = store.get_trace(1)
    assert trace is not None
    assert (trace.info.name, trace.data.spans[0]._inputs) == ("old", INPUTS)
    assert query("PRAGMA user_version", path=old_file) == [(schema.VERSION,)]
    needle = TraceQuery(parse_filter("trace.text LIKE '%needle%'"))
    assert len(store.search(needle)) == 1
    while store.maintain():
        pass
    assert len(store.search(needle)) == 1
    store.close()


def test_a_migration_that_fails_changes_nothing(
    old_file: Path, monkeypatch: pytest.MonkeyPatch, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """It is one transaction; the next attempt begins anew."""
    with monkeypatch.context() as broken:
        scripts = [*schema._MIGRATIONS[:-1], schema._MIGRATIONS[-1] + ";\nNONSENSE"]
        broken.setattr(schema, "_MIGRATIONS", scripts)
        with pytest.raises(Exception, match="NONSENSE"):
            SQLiteStore(old_file).list_traces()
    assert query("PRAGMA user_version", path=old_file) == [(1,)]
    store = SQLiteStore(old_file)
    assert len(store.list_traces()) == 1
    store.close()
