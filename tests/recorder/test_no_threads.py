"""A system that starts no more threads takes no span away: who flushes, or ends, writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

# Root has no limit of processes: the refusal is raised where Python raises it.
HEAD = """
import threading, time
import tracetape

start = threading.Thread.start

def refuse(*args):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
"""
SPANS = """
for number in range(3):
    with tracetape.start_span("a") as span:
        assert span.trace_id != "MLFLOW_NO_OP_SPAN_TRACE_ID", span
        span.set_inputs(number)
"""


@pytest.mark.parametrize("begin", ["", "tracetape.autolog()"])
def test_who_flushes_writes_and_who_ends_writes_the_rest(
    begin: str, run_python: Run, query: Query, store_path: Path
) -> None:
    """Nothing is lost, and the program is warned once."""
    done = run_python(
        f"{HEAD}\n{begin}\n{SPANS}"
        + """
assert tracetape.stats()["queued"] == 3
assert tracetape.flush(30) == 0
assert tracetape.stats()["written"] == 3
assert tracetape.get_trace(tracetape.get_last_active_trace_id()).data.spans[0].inputs == 2
tracetape.set_trace_tag(tracetape.get_last_active_trace_id(), "late", "tag")
with tracetape.start_span("last"):
    pass
assert not tracetape.stats()["faults"]
""",
        TRACETAPE_STORE=str(store_path),
    )
    assert query("SELECT name, COUNT(*) FROM spans GROUP BY name ORDER BY name") == [
        ("a", 3),
        ("last", 1),
    ]
    assert done.stderr.count("tracetape:") == done.stderr.count("the system starts no thread") == 1


def test_the_thread_starts_when_the_system_lets_it(
    run_python: Run, query: Query, store_path: Path
) -> None:
    """A later span has what waits written, without a flush."""
    run_python(
        f"{HEAD}\n{SPANS}"
        + """
threading.Thread.start = start
deadline = time.monotonic() + 60
while tracetape.stats()["written"] < 3:
    assert time.monotonic() < deadline
    time.sleep(0.1)
    with tracetape.start_span("later"):
        pass
""",
        TRACETAPE_STORE=str(store_path),
    )
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'a'") == [(3,)]


def test_a_store_that_fails_meanwhile_is_tried_again(run_python: Run) -> None:
    """A flush tries it once, and what it does not take stays in memory."""
    run_python(
        f"{HEAD}\n"
        + """
from pathlib import Path
from tracetape.exceptions import StoreError
from tracetape.store.sqlite import SQLiteStore

class Troubled(SQLiteStore):
    fails = True

    def write(self, updates):
        if self.fails:
            raise StoreError("the disk is full")
        super().write(updates)

store = Troubled(Path("traces.db"))
tracetape.configure(store=store)
"""
        + SPANS
        + """
assert tracetape.flush() == 3
assert tracetape.stats()["queued"] == 3 and not tracetape.stats()["lost"]
store.fails = False
assert tracetape.flush() == 0
assert tracetape.stats()["written"] == 3
"""
    )


def test_a_full_queue_holds_nobody_up(run_python: Run) -> None:
    """Nobody waits for room that no thread can make; what has none is counted."""
    run_python(
        f"{HEAD}\n"
        + """
from tracetape.recorder import bounds

def waited(seconds):
    raise SystemExit("waited")

bounds.pause = waited
from tracetape.tracing.runtime import runtime
runtime.recorder._max_bytes = 1 << 20
runtime.recorder._count(0, 0)
for number in range(3000):
    with tracetape.start_span("a"):
        pass
stats = tracetape.stats()
assert stats["dropped_spans"] and stats["dropped_spans"] + stats["queued"] == 3000, stats
"""
    )
