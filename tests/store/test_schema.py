"""Files of older versions are brought up to date, with all that is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.entities import Span, TraceState
from tracetape.entities.span import record_of
from tracetape.formats.names import SESSION
from tracetape.live.live_trace import TraceDetails
from tracetape.store import SQLiteStore, TraceUpdate, schema
from tracetape.store.filters import parse_filter
from tracetape.store.query import Comparison, TraceQuery

ENDED = Comparison("trace", "status", "!=", "IN_PROGRESS")
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
    connection = sqlite3.connect(tmp_path / "oldest.db")
    connection.executescript(schema._MIGRATIONS[0])
    for table in ("traces", "spans"):
        known = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        columns = ", ".join(name for (name,) in known)
        for row in newer.execute(f"SELECT {columns} FROM {table}").fetchall():
            values = [INPUTS.decode() if isinstance(value, bytes) else value for value in row]
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    newer.close()
    return tmp_path / "oldest.db"


@pytest.fixture
def third(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> Path:
    """A file as version 3 wrote it: sessions stand in the metadata only, under an index."""
    path = tmp_path / "third.db"
    store = SQLiteStore(path)
    details = TraceDetails(metadata={SESSION: "s1"})
    store.write([update(make_span(inputs=INPUTS), state=TraceState.OK, details=details)])
    store.close()
    connection = sqlite3.connect(path)
    for table in schema.TABLES[schema.TABLES.index("brief_traces") :]:
        connection.execute(f"DROP TABLE {table}")
    connection.executescript(
        """
        DROP INDEX traces_by_session;
        ALTER TABLE traces DROP COLUMN session;
        CREATE INDEX traces_by_session ON traces (
            json_extract(metadata, '$."mlflow.trace.session"'), start_ns
        ) WHERE json_extract(metadata, '$."mlflow.trace.session"') IS NOT NULL;
        PRAGMA user_version = 3;
        """
    )
    connection.close()
    return path


@pytest.mark.parametrize("name", ["old_file", "third"])
def test_readers_leave_an_older_file_as_it_is(name: str, request: pytest.FixtureRequest) -> None:
    """They see what is in it; while they do, a program may bring it up to date."""
    path: Path = request.getfixturevalue(name)
    needle = TraceQuery(parse_filter("trace.text LIKE '%needle%'"))
    before = path.read_bytes()
    reader = SQLiteStore(path, read_only=True)
    assert len(reader.search(needle)) == len(reader.list_traces()) == 1
    assert reader.sessions(ENDED, 10) == (["s1"] if name == "third" else [])
    reader.close()
    assert path.read_bytes() == before
    assert list(path.parent.glob(f"{path.name}-*")) == []

    assert reader.count() == 1
    writer = SQLiteStore(path)
    writer.open()
    trace = reader.get_trace(1)
    assert trace is not None
    assert record_of(trace.data.spans[0]).inputs == INPUTS
    assert reader.sessions(ENDED, 10) == (["s1"] if name == "third" else [])
    reader.close()
    writer.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_the_schema_is_not_trusted(tmp_path: Path, read_only: bool) -> None:
    """A file can make nothing run by what it says in its tables' definitions."""
    writer = SQLiteStore(tmp_path / "s.db")
    writer.open()
    store = SQLiteStore(tmp_path / "s.db", read_only=read_only)
    (found,) = store._use(
        store._reader, lambda connection: connection.execute("PRAGMA trusted_schema").fetchone()
    )
    store.close()
    writer.close()
    assert found == 0


def test_an_older_file_is_migrated_with_what_is_in_it(
    old_file: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """By whoever writes to it first; its texts are found and indexed as new ones are."""
    store = SQLiteStore(old_file)
    trace = store.get_trace(1)
    assert trace is not None
    assert (trace.info.name, record_of(trace.data.spans[0]).inputs) == ("old", INPUTS)
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
