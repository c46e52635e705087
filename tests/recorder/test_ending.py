"""The end of a program waits for nobody, and loses nothing in silence."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.testing import capture

Start = Callable[..., Any]

MAKING = """
    import json, os, sys, time, tracetape

    count, delay = int(sys.argv[1]), float(sys.argv[2])
    for number in range(count):
        with tracetape.start_span("s") as span:
            span.set_inputs({"number": number})
        time.sleep(delay)
    print("last", flush=True)
"""


@pytest.mark.parametrize(
    ("count", "delay"), [(1, 0.0), (100, 0.01), (300, 0.005), (5, 1.2)], ids=str
)
@pytest.mark.parametrize("known", [True, False], ids=["ours", "empty"])
def test_a_lock_of_another_process_holds_up_the_end_for_a_second(
    count: int,
    delay: float,
    known: bool,
    start_python: Start,
    run_python: Callable[..., Any],
    store_path: Path,
) -> None:
    """Whenever it began to be waited for; what is lost is counted and logged."""
    store = {"TRACETAPE_STORE": f"sqlite:///{store_path}"}
    if known:
        run_python(MAKING, "1", "0", **store)
    other = sqlite3.connect(store_path, isolation_level=None)
    if not known:
        other.execute("CREATE TABLE t (a)")
        other.execute("DROP TABLE t")
    other.execute("BEGIN EXCLUSIVE")
    process = start_python(MAKING, str(count), str(delay), **store)
    assert process.stdout.readline() == "last\n"
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    took = time.monotonic() - began
    other.execute("ROLLBACK")
    other.close()
    assert process.returncode == 0
    assert f"{count} spans are lost: the store did not take them" in errors
    assert took < 2.9  # one second, and what a busy machine adds; it took from 3 to 14


@pytest.mark.parametrize("where", ["captured", "configured"])
def test_a_span_that_ends_after_its_recorder_has_gone_leaves_no_thread(
    where: str, tmp_path: Path, eventually: Callable[[Callable[[], Any]], Any]
) -> None:
    """As that of a stream which the garbage collector ends; what it recorded is kept."""
    there = f"sqlite:///{tmp_path / 'other.db'}"
    with capture() if where == "captured" else tracetape.configure(store=there) as kept:
        late = [tracetape.start_span_no_context(name) for name in ("one", "two")]
    if where == "configured":
        tracetape.configure(store="memory://")
    for span in late:
        span.end()
        eventually(lambda: "tracetape-recorder" not in [t.name for t in threading.enumerate()])
    if where == "configured":
        tracetape.configure(store=there)
        kept = tracetape.search_traces(return_type="list")
    assert sorted(trace.data.spans[0].name for trace in kept) == ["one", "two"]
