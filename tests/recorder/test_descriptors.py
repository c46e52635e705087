"""A program that closes descriptors which it has not opened, as daemons and faults do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
