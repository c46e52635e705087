"""Queries end: at a deadline, whatever the file holds, and by Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore
from tracetape.store.connections import connect
from tracetape.store.deadlines import watched
from tracetape.store.statements import rows_in_time

ENDLESS = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max({}) FROM r"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """As stores have them."""
    with contextlib.closing(connect(":memory:")) as opened:
        opened.create_function("same", 1, lambda value: value)
        yield opened


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Press it soon."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    here = threading.get_ident()
    timers: list[threading.Timer] = []

    def press() -> None:
        timers.append(threading.Timer(0.1, signal.pthread_kill, (here, signal.SIGINT)))
        timers[-1].start()

    yield press
    for timer in timers:
        timer.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("what", ["n", "same(n)"])
def test_a_query_that_would_never_end(
    what: str, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up with an error, and the connection can be used again."""
    monkeypatch.setattr("tracetape.store.deadlines.QUERY_SECONDS", 0.05)
    with pytest.raises(StoreError, match="given up after"), watched(connection):
        connection.execute(ENDLESS.format(what)).fetchall()
    with watched(connection):
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("what", ["n", "same(n)"])
def test_ctrl_c_ends_a_query(
    what: str, connection: sqlite3.Connection, ctrl_c: Callable[[], None]
) -> None:
    """Also where SQLite calls a function of Python's, which would forget it."""
    ctrl_c()
    with pytest.raises(KeyboardInterrupt), watched(connection):
        connection.execute(ENDLESS.format(what)).fetchall()


def test_ctrl_c_is_no_sign_that_a_search_takes_too_long(
    connection: sqlite3.Connection, ctrl_c: Callable[[], None]
) -> None:
    """Who tries the newest traces first does not go on with all others then."""
    ctrl_c()
    with pytest.raises(KeyboardInterrupt), watched(connection):
        rows_in_time(connection, ENDLESS.format("n"), [], 60.0)


def test_a_fault_of_a_function_is_no_ctrl_c(connection: sqlite3.Connection) -> None:
    """It stays the error that SQLite makes of it."""
    connection.create_function("fails", 0, lambda: 1 / 0)
    with pytest.raises(sqlite3.OperationalError, match="user-defined"), watched(connection):
        connection.execute("SELECT fails()")


def test_ctrl_c_ends_a_command_within_its_query(
    store_path: Path, ctrl_c: Callable[[], None], monkeypatch: pytest.MonkeyPatch,
    runner: CliRunner,
) -> None:  # fmt: skip
    """With the status that shells know, and one line."""
    with tracetape.start_span("s"):
        pass
    tracetape.flush()

    def endless(store: SQLiteStore, *_: object, **__: object) -> None:
        store._read(lambda connection: connection.execute(ENDLESS.format("n")).fetchall())

    monkeypatch.setattr(SQLiteStore, "search", endless)
    ctrl_c()
    done = runner.invoke(main, ["ls", "--store", str(store_path)])
    assert (done.exit_code, done.stderr) == (130, "\ntracetape: interrupted\n")


def test_a_view_is_no_store_of_mlflows(tmp_path: Path) -> None:
    """It may go on for ever."""
    with contextlib.closing(sqlite3.connect(tmp_path / "m.db")) as foreign:
        foreign.execute("CREATE VIEW trace_info AS " + ENDLESS.format("n"))
    done = CliRunner().invoke(main, ["import", str(tmp_path / "m.db")])
    assert done.exit_code in (1, 2)
    assert "neither a tracetape store nor MLflow's" in done.output
