"""A store in which rows were changed: commands read the rest, and say what they left out."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.tracing.runtime import runtime

LONG = "a long text " * 100
READERS = (
    ["ls"],
    ["ls", "--json"],
    ["ls", "--filter", "tag.t = 'x' OR metadata.m = 'x' OR name RLIKE 'good'"],
    ["ls", "--text", "straße OR long"],
    ["show", "--full"],
    ["show", "--json"],
    ["tail", "--once"],
    ["export", "--jsonl", "-"],
    ["export", "--json", "-"],
    ["export", "--parquet", "out.parquet"],
)
# Of the trace, or its span, that is called bad.
TRACE = "UPDATE traces SET {} WHERE name = 'bad'"
SPAN = "UPDATE spans SET {} WHERE name = 'bad'"
BLOB = "UPDATE spans SET inputs = X'{}' WHERE name = 'bad'"
STRANGE = [
    TRACE.format("state = 'WAT'"),
    TRACE.format("state = NULL"),
    TRACE.format("state = X'ff'"),
    TRACE.format("trace_id = 'nothing'"),
    TRACE.format("trace_id = upper('abcdef' || substr(trace_id, 7))"),
    TRACE.format("trace_id = X'00'"),
    TRACE.format("start_ns = 'yesterday'"),
    TRACE.format("start_ns = 1.5e300"),
    TRACE.format("start_ns = -9223372036854775808, end_ns = 9223372036854775807"),
    TRACE.format("end_ns = 'x'"),
    TRACE.format("tags = '{'"),
    TRACE.format("tags = X'ff'"),
    TRACE.format("tags = '[]'"),
    TRACE.format("metadata = CAST(X'7b22ff223a317d' AS TEXT)"),
    TRACE.format("metadata = NULL"),
    TRACE.format("request_preview = X'ff00'"),
    TRACE.format("input_tokens = 'many'"),
    TRACE.format("span_count = 'x'"),
    TRACE.format("name = CAST(X'626164ff' AS TEXT)"),
    SPAN.format("span_id = 'nothing'"),
    SPAN.format("parent_id = X'00'"),
    SPAN.format("name = CAST(X'626164ff' AS TEXT)"),
    SPAN.format("name = X'00'"),
    SPAN.format("type = 5.5, start_ns = 'x'"),
    SPAN.format("end_ns = X'00'"),
    SPAN.format("status = 'WAT'"),
    SPAN.format("status_description = X'ff'"),
    SPAN.format("fields = '{'"),
    SPAN.format("fields = '[1]'"),
    SPAN.format("attributes = '7'"),
    SPAN.format("attributes = X'ff'"),
    SPAN.format("events = '{}'"),
    SPAN.format("events = '[[1, 2, 3]]'"),
    SPAN.format("""events = '[["a", 1e300, {}]]'"""),
    SPAN.format("inputs = '{not json'"),
    SPAN.format("outputs = replace(hex(zeroblob(3000)), '00', '[')"),
    SPAN.format("inputs = CAST(X'22ff22' AS TEXT)"),
    BLOB.format("1f63391f"),
    BLOB.format("1f6339393939393939393939393939393939393939393939391f"),
    BLOB.format("1f781f"),
    BLOB.format("1f1f"),
    BLOB.format("1fff1f"),
    BLOB.format("ff"),
    "UPDATE contents SET data = X'ff'",
    "UPDATE contents SET data = CAST(X'ff' AS TEXT)",
    "DELETE FROM contents",
    "DELETE FROM lists WHERE before = 0",
    "UPDATE lists SET before = id",
    "UPDATE lists SET before = (SELECT max(id) FROM lists)",
    "INSERT INTO assessments VALUES (7, 'a', 1, 'feedback', 'n', 1, '{', '{')",
    "INSERT INTO assessments VALUES (7, 'a', 1, 'feedback', 'n', 1, NULL, '[]')",
]


@pytest.fixture
def changed(store_path: Path) -> Callable[[str], Path]:
    """A store of a good trace and a bad one, of which a statement has changed something."""

    def make(statement: str) -> Path:
        messages = {"messages": [{"role": "user", "content": f"{n} {LONG}"} for n in range(3)]}
        for name in ("good", "bad"):
            with tracetape.start_span(name) as span:
                tracetape.update_current_trace(tags={"t": "x"}, metadata={"m": "x"})
                with tracetape.start_span(f"below {name}"):
                    pass
                if name == "bad":
                    span.set_inputs(messages)
        runtime.recorder.close()
        with contextlib.closing(sqlite3.connect(store_path)) as connection:
            for column in ("state", "tags", "metadata"):  # a hostile file has other tables
                connection.execute("PRAGMA writable_schema = ON")
                connection.execute(
                    "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'traces'",
                    (f"{column} TEXT NOT NULL", f"{column} TEXT"),
                )
            connection.commit()
        with contextlib.closing(sqlite3.connect(store_path)) as connection:
            assert connection.execute(statement).rowcount
            connection.commit()
        return store_path

    return make


# Of what removes traces: the rest of their contents, and what refers to that.
REFERRING = [
    "UPDATE lists SET content = '{}'",
    "UPDATE lists SET content = X'ff', before = 'x' WHERE id = (SELECT max(id) FROM lists)",
    "UPDATE lists SET before = 1.5",
    "UPDATE uses SET part = 'x'",
    "UPDATE indexed SET id = 'x'",
    "DELETE FROM indexed",
    "DELETE FROM uses",
]
REMOVERS = (
    ["prune", "--max-size", "300KB"],
    ["prune", "--optimize"],
    ["delete", "--yes", "--filter", "name = 'bad'"],
    ["prune", "--older-than", "0d"],
)


@pytest.mark.parametrize("statement", [*STRANGE, *REFERRING])
def test_commands_remove_the_rest(
    runner: CliRunner, statement: str, changed: Callable[[str], Path]
) -> None:
    """An odd row refers to nothing; it neither ends a command nor keeps others in the store."""
    path = changed(statement)
    for command in REMOVERS:
        result = runner.invoke(main, [*command, "--store", str(path)])
        assert isinstance(result.exception, (SystemExit, type(None))), (command, result.exception)
        assert "error" not in result.stderr, (command, result.stderr)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM traces WHERE name = 'good'").fetchone() == (
            0,
        )


@pytest.mark.parametrize("statement", STRANGE)
def test_commands_read_the_rest(
    runner: CliRunner, statement: str, changed: Callable[[str], Path]
) -> None:
    """What is good is shown, what is not is counted on stderr, and the status is 1."""
    path = changed(statement)
    before = path.read_bytes()
    told = 0
    for command in READERS:
        result = runner.invoke(main, [*command, "--store", str(path)])
        assert isinstance(result.exception, (SystemExit, type(None))), (command, result.exception)
        assert "error" not in result.stderr, (command, result.stderr)
        assert result.exit_code == ("cannot be read" in result.stderr), (command, result.stderr)
        told += result.exit_code
        if command in (["show", "--json"], ["export", "--json", "-"]):
            assert json.loads(result.stdout)
        if command in (["ls", "--json"], ["export", "--jsonl", "-"]):
            assert [json.loads(line) for line in result.stdout.splitlines()]
        if command[0] in ("ls", "tail", "export") and "--parquet" not in command:
            assert "good" in result.stdout or "--text" in command
    assert told
    assert path.read_bytes() == before


def test_a_program_is_told_once(
    changed: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Searching goes on with the rest; the log says what is left out."""
    path = changed(TRACE.format("state = 'WAT'"))
    with tracetape.configure(store=str(path)):
        for _ in range(2):
            found = tracetape.search_traces(return_type="list", max_results=1)
            assert [trace.info.name for trace in found] == ["good"]
        runtime.recorder.close()
    (said,) = [record.getMessage() for record in caplog.records]
    assert "1 trace cannot be read" in said
    assert "WAT" in said


def test_the_newest_traces_that_can_be_read_are_found(
    runner: CliRunner, changed: Callable[[str], Path]
) -> None:
    """Those that cannot do not count for the limit."""
    path = changed(TRACE.format("state = 'WAT'"))
    result = runner.invoke(main, ["ls", "-n", "1", "--store", str(path)])
    assert "good" in result.stdout
    result = runner.invoke(main, ["show", "--store", str(path)])
    assert "good" in result.stdout
    assert "1 trace cannot be read" in result.stderr


def test_a_store_is_imported_without_what_cannot_be_read(
    runner: CliRunner, changed: Callable[[str], Path]
) -> None:
    """The rest is in the new store."""
    path = changed(TRACE.format("state = 'WAT'"))
    result = runner.invoke(main, ["import", str(path), "--store", "new.db"])
    assert result.exit_code == 1
    assert "1 trace imported" in result.stdout
    assert "1 trace cannot be read" in result.stderr


def test_no_cassette_is_made_of_a_trace_that_cannot_be_read(
    runner: CliRunner, changed: Callable[[str], Path], tmp_path: Path
) -> None:
    """The error says that, not that the trace is gone."""
    path = changed(TRACE.format("state = 'WAT'"))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((bad,),) = connection.execute("SELECT trace_id FROM traces WHERE name = 'bad'").fetchall()
    command = ["cassette", "from-trace", bad, "-o", str(tmp_path / "t.yaml"), "--store", str(path)]
    result = runner.invoke(main, command)
    assert result.exit_code == 1
    assert f"the trace {bad} cannot be read" in result.stderr
    assert "its state is 'WAT'" in result.stderr


@pytest.mark.parametrize(
    "column",
    ["metadata = '{}'", "metadata = NULL", "metadata = '['", "session = X'ff'", "state = 5"],
)
def test_sessions_are_read_without_what_is_odd(column: str, store_path: Path) -> None:
    """The traces of a conversation, but for the one that was changed."""
    for name in ("bad", "good"):
        with tracetape.start_span(name):
            tracetape.update_current_trace(metadata={"mlflow.trace.session": "s"})
    runtime.recorder.close()
    with contextlib.closing(sqlite3.connect(store_path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'metadata TEXT NOT NULL', 'metadata TEXT')"
        )
        connection.commit()
    with contextlib.closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute(TRACE.format(column)).rowcount
        connection.commit()
    with tracetape.configure(store=str(store_path)):
        (session,) = tracetape.search_sessions()
        assert [trace.info.name for trace in session] == ["good"]
        runtime.recorder.close()


def test_a_value_that_would_fill_the_memory(
    runner: CliRunner, changed: Callable[[str], Path]
) -> None:
    """A small value may refer to a large one many times."""
    path = changed(
        "UPDATE spans SET inputs = CAST(replace(hex(zeroblob(300000)), '00', "
        "CAST(X'1f63311f' AS TEXT)) AS BLOB) WHERE name = 'bad'"
    )
    result = runner.invoke(main, ["show", "--full", "--store", str(path)])
    assert result.exit_code == 1
    assert "1 value cannot be read" in result.stderr
    assert " bytes" in result.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIRTUAL TABLE v USING fts5 (a)",
        "CREATE VIRTUAL TABLE v USING rtree (a, b, c)",
        "ALTER TABLE traces ADD COLUMN x AS (hex(zeroblob(500000000)))",
        "ALTER TABLE spans ADD COLUMN x GENERATED ALWAYS AS (randomblob(9)) VIRTUAL",
    ],
)
def test_what_would_run_when_it_is_read_is_refused(
    runner: CliRunner, statement: str, store_path: Path
) -> None:
    """As triggers and views are; the error says what it is, and what to do."""
    with tracetape.start_span("s"):
        pass
    runtime.recorder.close()
    with contextlib.closing(sqlite3.connect(store_path)) as connection:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            pytest.skip(f"this SQLite cannot make it: {error}")
        connection.commit()
    result = runner.invoke(main, ["ls", "--store", str(store_path)])
    assert result.exit_code == 1
    assert "which tracetape did not make; remove it" in result.stderr
