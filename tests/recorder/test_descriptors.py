"""A program that closes descriptors which it has not opened, as daemons and faults do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.store.connections import Connection

Run = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/fd"), reason="this system does not list descriptors"
)


PROGRAM = """
import os
import tracetape

def work(n):
    for _ in range(n):
        with tracetape.start_span("work") as span:
            span.set_inputs("x" * 5000)
    return tracetape.flush(5)

assert work(3) == 0
assert len(tracetape.search_traces(return_type="list")) == 3  # readers have a connection, too
os.closerange(3, 300)
{files}
print(work(20))
"""


def test_the_store_is_opened_again(run_python: Run, store_path: Path, query: Query) -> None:
    """Nothing is lost."""
    done = run_python(PROGRAM.format(files=""), TRACETAPE_STORE=f"sqlite:///{store_path}")
    assert done.stdout == "0\n"
    assert query("SELECT count(*) FROM traces") == [(23,)]


def test_other_files_of_the_program_are_left_alone(
    run_python: Run, store_path: Path, query: Query, tmp_path: Path
) -> None:
    """They have the numbers of ours by then: no page of a database is written there.

    SQLite cannot open the store again in this process: the loss is counted, and reported.
    """
    files = "mine = [open(f'mine {n}', 'w+b') for n in range(30)]"
    done = run_python(PROGRAM.format(files=files), TRACETAPE_STORE=f"sqlite:///{store_path}")
    assert [one.stat().st_size for one in tmp_path.glob("mine *")] == [0] * 30
    assert done.stdout == "20\n"
    assert "the program has closed what was open of the store" in done.stderr
    assert "20 spans are lost" in done.stderr
    assert query("SELECT count(*) FROM traces") == [(3,)]


def test_a_descriptor_of_another_connection_is_not_missed(tmp_path: Path) -> None:
    """One that opened meanwhile, and has closed since: the program may have its number now."""
    path = tmp_path / "s.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (a)")
    other = Connection(lambda: sqlite3.connect(path), path)

    def both() -> sqlite3.Connection:
        with other as connection:
            connection.execute("SELECT a FROM t")
        return sqlite3.connect(path)

    mine = Connection(both, path)
    with mine as connection:
        connection.execute("SELECT a FROM t")
    other.close()
    with open(os.devnull), open(os.devnull), mine as connection:
        assert connection.execute("SELECT a FROM t").fetchall() == []
    mine.close()
