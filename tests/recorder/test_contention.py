"""A store that others write to is slow, and loses nothing; one that is only locked fails."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

import tracetape
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore
from tracetape.tracing.runtime import runtime

BLOCKED_SECONDS = 2.0  # longer than a batch of a store that is well


def hold(path: Path, held: threading.Event, end: threading.Event, writes: bool) -> None:
    """Lock the store, as another process would, and perhaps write to its log meanwhile."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA cache_size = 1")  # what is written goes to the log at once
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE busy (content)")
    held.set()
    while not end.wait(0.01):
        if writes:
            connection.execute("INSERT INTO busy VALUES (randomblob(9000))")
    connection.execute("ROLLBACK")
    connection.close()


def spans(count: int) -> None:
    """So many, of 4 kB each."""
    for _ in range(count):
        with tracetape.start_span() as span:
            span.set_inputs("x" * 4000)


@pytest.mark.parametrize("writes", [True, False], ids=["writes", "only locks"])
def test_a_turn_that_is_long_in_coming(
    store_path: Path, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    """Makers wait for a store that another process writes to, not for one that is only locked."""
    recorder = Recorder(lambda: SQLiteStore(store_path), max_bytes=4_000_000)
    monkeypatch.setattr(runtime, "recorder", recorder)
    spans(1)
    assert recorder.flush(30) == 0
    held, end = threading.Event(), threading.Event()
    other = threading.Thread(target=hold, args=(store_path, held, end, writes))
    other.start()
    assert held.wait(60)
    spans(1)
    time.sleep(BLOCKED_SECONDS)
    if writes:
        threading.Timer(0.5, end.set).start()
    spans(1500)
    end.set()
    other.join()
    recorder.flush(30)
    dropped = recorder.stats.dropped_spans
    recorder.close()
    assert bool(dropped) is not writes
