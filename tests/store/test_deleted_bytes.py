"""What is deleted leaves the file and its log, whoever else has them open."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.entities import Span
from tracetape.store import SQLiteStore, TraceUpdate

Left = Callable[[], bool]
Delete = Callable[[], str]
SECRET = b"hunter-secret-2"


@pytest.fixture
def left(store_path: Path) -> Iterator[Left]:
    """A store with a trace that is to be deleted; whether its text still stands anywhere in it."""
    with tracetape.start_span("secret") as span:
        span.set_inputs({"messages": [{"role": "user", "content": SECRET.decode() + "x" * 200}]})
    tracetape.flush()
    # Closed only after SQLite has: whoever closes a file ends the locks of this process on it.
    opened = [os.open(f"{store_path}{end}", os.O_RDONLY) for end in ("", "-wal")]

    def read() -> bool:
        again = os.stat(f"{store_path}-wal").st_ino == os.fstat(opened[1]).st_ino
        assert again, "the log was made anew: the test looks at another one"
        return any(SECRET in os.pread(file, 1 << 26, 0) for file in opened)

    assert read()
    yield read
    tracetape.configure(store="memory://")
    for file in opened:
        os.close(file)


@pytest.fixture
def reader(store_path: Path, left: Left) -> Iterator[sqlite3.Connection]:
    """Of another program, which is in the midst of reading."""
    with contextlib.closing(sqlite3.connect(store_path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM traces").fetchone()
        yield connection


@pytest.fixture
def delete(runner: CliRunner, store_path: Path) -> Delete:
    """Deletes it by the command; gives what that says on stderr."""

    def call() -> str:
        arguments = ["--filter", "name = 'secret'", "--yes", "--store", str(store_path)]
        done = runner.invoke(main, ["delete", *arguments])
        assert (done.exit_code, "1 trace deleted" in done.stdout) == (0, True), done.output
        return done.stderr

    return call


def test_beside_a_program_that_only_has_it_open(delete: Delete, left: Left) -> None:
    """It is gone at once."""
    assert delete() == ""
    assert not left()


def test_beside_a_reader_it_is_said_that_it_may_still_be_there(
    store_path: Path, left: Left, reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch,
    delete: Delete, runner: CliRunner,
) -> None:  # fmt: skip
    """Deleting waits for a moment only; later it can be made sure of."""
    monkeypatch.setattr("tracetape.cli.shared.stores._LOG_SECONDS", 0.1)
    said = delete()
    assert "may still be in the file, or in traces.db-wal" in said
    assert "`tracetape prune --optimize`" in said
    assert left()
    optimize = ["prune", "--optimize", "--store", str(store_path)]
    done = runner.invoke(main, optimize)
    assert (done.exit_code, "may still be" in done.stderr) == (0, True)
    reader.close()
    done = runner.invoke(main, optimize)
    assert (done.exit_code, done.stderr) == (0, "")
    assert not left()


def test_a_program_beside_a_reader_is_told_so(
    left: Left, reader: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """In its log; deleting again finds nothing, and says nothing."""
    trace_id = str(tracetape.get_last_active_trace_id())
    for expected in (1, 0):
        assert tracetape.delete_traces(trace_ids=[trace_id]) == expected
    (said,) = [record.getMessage() for record in caplog.records]
    assert "may still be in the file, or in the log next to it" in said
    assert left()


@pytest.mark.parametrize("by_command", [False, True])
def test_a_program_that_writes_on_makes_it_go(
    by_command: bool, store_path: Path, left: Left, reader: sqlite3.Connection, delete: Delete,
    monkeypatch: pytest.MonkeyPatch, make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
) -> None:  # fmt: skip
    """Once the reader is away: in idle time if it has deleted, else with what it writes."""
    monkeypatch.setattr("tracetape.cli.shared.stores._LOG_SECONDS", 0.0)
    monkeypatch.setattr("tracetape.store.maintenance._LOG_SECONDS", 0.0)
    writer = SQLiteStore(store_path)
    writer.write([update(make_span(trace_id=2), trace_id=2)])
    if by_command:
        delete()
    else:
        (number,) = [
            int(one.trace_id[3:], 16) for one in writer.list_traces() if one.name == "secret"
        ]
        assert writer.delete([number]) == 1
    assert left()
    reader.close()
    if by_command:
        for n in range(3, 300):  # until SQLite begins the log anew
            large = b'"%d %b"' % (n, b"y" * 100_000)
            writer.write([update(make_span(trace_id=n, outputs=large), trace_id=n)])
            if not left():
                break
    else:
        while writer.maintain():
            pass
    assert not left()
    writer.close()


def test_beside_a_busy_writer(
    store_path: Path, left: Left, delete: Delete, make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
) -> None:  # fmt: skip
    """Neither waits for long, and nothing of what is written meanwhile is lost."""
    writer = SQLiteStore(store_path)
    stop = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not stop.is_set():
            number = len(written) + 2
            writer.write([update(make_span(trace_id=number), trace_id=number)])
            written.append(number)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert delete() == ""
        assert not left()
    finally:
        stop.set()
        thread.join()
    assert writer.count() == len(written)
    writer.close()
