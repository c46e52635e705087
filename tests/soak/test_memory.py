"""Long trials of memory: what a program holds stays within bounds, whatever it makes.

`make test` runs a small one; `make soak` sets TRACETAPE_SOAK=1 and runs it at full size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Start = Callable[..., "subprocess.Popen[str]"]

FULL = os.environ.get("TRACETAPE_SOAK") == "1"
TIMES = 300 if FULL else 3  # about 4 MB of contents, and 3,000 spans, each
MOST = 400 if FULL else 150  # MB
PATIENCE = 3600 if FULL else 120

GREEDY = """
    import json, os, sqlite3, sys, tracetape
    from tracetape.entities import SpanEvent

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

    def round_of_everything(number):
        for n in range(4):
            with tracetape.start_span("large") as span:
                span.set_inputs(f"{number} {n}" + "x" * 500_000)
        with tracetape.start_span("many events") as span:
            for _ in range(1000):
                span.add_event(SpanEvent("e", attributes={"msg": "z" * 500}))
        for n in range(500):
            with tracetape.start_span("attributes") as span:
                for key in range(10):
                    span.set_attribute(f"k{key}", "z" * 100)
        for n in range(1000):
            with tracetape.start_span("small") as span:
                span.set_inputs({"n": n})
        for n in range(1500):
            tracetape.start_span_no_context("never ended").set_inputs({"n": n})
        with tracetape.configure(sampling_ratio=0, keep_errors=True):
            with tracetape.start_span("held"):
                for n in range(10):
                    with tracetape.start_span("below") as span:
                        span.set_inputs(f"{number} {n}" + "x" * 50_000)

    with tracetape.start_span("first"):
        pass
    assert tracetape.flush(60) == 0
    path = tracetape.stats()["store"].removeprefix("sqlite:///")
    times, before, most = int(sys.argv[1]), resident(), 0.0
    for locked in (True, False):
        other = sqlite3.connect(path, isolation_level=None)
        if locked:
            other.execute("BEGIN IMMEDIATE")
        for number in range(times):
            round_of_everything(number)
            most = max(most, resident() - before)
        other.close()
    left = tracetape.flush(1800)
    after = {k: v for k, v in tracetape.stats().items() if isinstance(v, int)}
    print(json.dumps({"most": most, "left": left, **after}))
"""


def test_memory_stays_within_its_bounds(start_python: Start, store_path: Path) -> None:
    """While the store is locked, and while it takes what it can; what is left out is counted."""
    process = start_python(GREEDY, str(TIMES), TRACETAPE_STORE=f"sqlite:///{store_path}")
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    found = json.loads(out)
    if FULL:
        sys.stdout.write(f"{found}\n")
    assert found["most"] < MOST
    assert (found["left"], found["lost"]) == (0, 0)
    assert found["recorded"] == found["written"] + found["dropped_spans"]
    if FULL:
        assert found["forgotten_spans"] > 500_000
