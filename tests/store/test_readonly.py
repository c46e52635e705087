"""Readers make nothing, change nothing, and say what they cannot see."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracetape.cli import main
from tracetape.entities import Span
from tracetape.store import SQLiteStore, TraceUpdate

Write = Callable[[SQLiteStore, int], None]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def write(make_span: Callable[..., Span], update: Callable[..., TraceUpdate]) -> Write:
    """Write a trace of one span."""

    def one(store: SQLiteStore, number: int) -> None:
        span = make_span(trace_id=number, parent_id=None)
        store.write([update(span, trace_id=number, start_ns=number, name=str(number))])

    return one


@pytest.fixture
def seen_only(tmp_path: Path, run_command: Run) -> Iterator[Path]:
    """The folder ``made``, at a place where nothing can be written."""
    made, place = tmp_path / "made", tmp_path / "place"
    made.mkdir()
    place.mkdir()
    bind = ["mount", "--bind", str(made), str(place)]
    if shutil.which("mount") is None or run_command(bind).returncode:
        pytest.skip("mounting a folder needs root")
    assert run_command(["mount", "-o", "remount,ro,bind", str(place)]).returncode == 0
    yield place
    assert run_command(["umount", "-l", str(place)]).returncode == 0


def names(store: SQLiteStore) -> list[str | None]:
    """Of the traces that are seen, the newest first."""
    return [info.name for info in store.list_traces()]


def test_what_is_in_the_log_is_read_where_nothing_can_be_written(
    seen_only: Path, tmp_path: Path, write: Write
) -> None:
    """A program writes there; each look sees what it has committed, before and after it ends."""
    writer = SQLiteStore(tmp_path / "made" / "s.db")
    write(writer, 1)
    reader = SQLiteStore(seen_only / "s.db", read_only=True)
    assert names(reader) == ["1"]
    write(writer, 2)
    assert names(reader) == ["2", "1"]
    writer.close()
    assert names(reader) == ["2", "1"]
    write(writer, 3)
    assert names(reader) == ["3", "2", "1"]
    writer.close()
    reader.close()


def test_a_log_that_cannot_be_read_is_told(
    seen_only: Path, tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Its index is gone, and cannot be made there: what stands in the file is seen."""
    writer = SQLiteStore(tmp_path / "s.db")
    write(writer, 1)
    writer.close()
    write(writer, 2)
    for ending in ("", "-wal"):
        shutil.copy(tmp_path / f"s.db{ending}", tmp_path / "made" / f"s.db{ending}")
    writer.close()
    reader = SQLiteStore(seen_only / "s.db", read_only=True)
    assert names(reader) == ["1"]
    reader.close()
    (said,) = [record.getMessage() for record in caplog.records]
    assert "s.db-wal" in said
    assert "the newest traces are missing" in said


@pytest.mark.parametrize(
    "command", [["ls"], ["show"], ["tail", "--once"], ["export", "--jsonl", "-"], ["doctor"]]
)
@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_commands_that_read_leave_the_file_as_it_is(
    command: list[str], journal: str, tmp_path: Path, write: Write
) -> None:
    """Whatever way of writing SQLite uses there, and whoever else may open it."""
    store = SQLiteStore(tmp_path / "s.db")
    write(store, 1)
    store.close()
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.close()
    (tmp_path / "s.db").chmod(0o644)
    before = (tmp_path / "s.db").read_bytes()
    result = CliRunner().invoke(main, [*command, "--store", str(tmp_path / "s.db")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "s.db").read_bytes() == before
    assert (tmp_path / "s.db").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


def test_a_value_that_is_no_json_does_not_make_a_store_a_damaged_one(
    tmp_path: Path, write: Write
) -> None:
    """SQLite calls such a value malformed, as it calls a damaged file."""
    store = SQLiteStore(tmp_path / "s.db")
    write(store, 1)
    store.close()
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("UPDATE traces SET tags = '{', metadata = X'ff'")
    connection.commit()
    connection.close()
    write(store, 1)
    write(store, 2)
    assert names(store) == ["2", "1"]
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]
