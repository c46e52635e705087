"""The end of a program waits for nobody, and loses nothing in silence."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    assert f"{count} spans could not be written and are lost" in errors
    assert took < 2.9  # one second, and what a busy machine adds; it took from 3 to 14
