"""What is held in memory is bounded, whatever holds it and whatever the store does.

`make test` divides the bounds and what is made; `make soak` sets TRACETAPE_SOAK=1 and tries both
whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SHARE = 1 if os.environ.get("TRACETAPE_SOAK") == "1" else 8

# Makes too much while another connection holds the store; reports what the process grew by.
GREEDY = """
    import json, sqlite3, sys, tracetape
    from tracetape.entities import SpanEvent
    from tracetape.recorder import Recorder

    share = int(sys.argv[2])
    Recorder.__init__.__kwdefaults__["max_bytes"] //= share

    def most_resident():
        (line,) = [one for one in open("/proc/self/status") if one.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def generators():
        @tracetape.trace
        def chunks():
            yield from ({"k": f"token {k}"} for k in range(300))

        for _ in range(1000 // share):
            list(chunks())

    def inputs():
        for number in range(500 // share):
            with tracetape.start_span("s") as span:
                span.set_inputs(str(number) + "x" * 1_000_000)

    def small():
        for number in range(110_000 // share):
            with tracetape.start_span("s") as span:
                span.set_inputs({"i": number})

    def events():
        for _ in range(10_000 // share):
            with tracetape.start_span("s") as span:
                for _ in range(20):
                    span.add_event(SpanEvent("e", attributes={"msg": "z" * 500}))

    def attributes():
        for _ in range(10_000 // share):
            with tracetape.start_span("s") as span:
                for key in range(20):
                    span.set_attribute(f"k{key}", "z" * 500)
                    span.set_attribute(f"n{key}", key)

    def statuses():
        for _ in range(10_000 // share):
            with tracetape.start_span("s") as span:
                span.record_exception("z" * 3000)

    def one_open_span():
        with tracetape.start_span("s") as span:
            for _ in range(400_000 // share):
                span.add_event(SpanEvent("e", attributes={"msg": "z" * 500}))

    def open_spans():
        spans = [tracetape.start_span_no_context("s") for _ in range(1000 // share)]
        for number, span in enumerate(spans):
            span.set_inputs(str(number) + "x" * 500_000)
        for span in spans:
            span.end()

    def held():
        with tracetape.configure(sampling_ratio=0, keep_errors=True), tracetape.start_span("s"):
            for number in range(500 // share):
                with tracetape.start_span("s") as span:
                    span.set_inputs(str(number) + "x" * 1_000_000)

    with tracetape.start_span("first"):
        pass
    assert tracetape.flush(60) == 0
    path = tracetape.stats()["store"].removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = most_resident()
    globals()[sys.argv[1]]()
    grown = (most_resident() - before) / 1e6
    other.execute("ROLLBACK")
    with tracetape.start_span("afterwards"):
        pass
    left = tracetape.flush(120)
    after = {k: v for k, v in tracetape.stats().items() if isinstance(v, int)}
    print(json.dumps({"grown": grown, "left": left, "after": after}))
"""


@pytest.mark.parametrize(
    ("greedy", "most"),
    [
        ("generators", 200),
        ("inputs", 200),
        ("small", 200),
        ("events", 200),
        ("attributes", 200),
        ("statuses", 200),
        ("one_open_span", 300),
        ("open_spans", 300),
        ("held", 300),
    ],
)
def test_memory_is_bounded_while_the_store_is_locked(
    greedy: str, most: int, run_python: Callable[..., Any], store_path: Path
) -> None:
    """In megabytes of the process; what is left out is counted, and writing goes on afterwards."""
    done = run_python(GREEDY, greedy, str(SHARE), TRACETAPE_STORE=f"sqlite:///{store_path}")
    found = json.loads(done.stdout)
    assert found["grown"] < most // SHARE
    assert found["left"] == 0
    after = found["after"]
    assert after["dropped_traces"] > 0
    assert after["lost"] == 0
    assert after["recorded"] == after["written"] + after["dropped_spans"]
    assert after["written"] >= 2


IN_MEMORY = """
    import ctypes, json, os, sys, tracetape
    from tracetape.store import sqlite

    share = int(sys.argv[1])
    assert sqlite.MEMORY_BYTES == 64_000_000
    sqlite.MEMORY_BYTES //= share

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

    tracetape.configure(store="memory://")
    with tracetape.start_span("first"):
        pass
    assert tracetape.flush(60) == 0
    before = resident()
    for number in range(250):
        with tracetape.start_span(f"trace {number}") as span:
            span.set_inputs(str(number) + "x" * (1_000_000 // share))
    assert tracetape.flush(120) == 0
    getattr(ctypes.CDLL(None), 'malloc_trim', abs)(0)  # what was freed is not held
    grown = resident() - before  # and what a reader copies is its own
    stats = tracetape.stats()
    kept = tracetape.search_traces(max_results=500, return_type="list")
    print(json.dumps({
        "grown": grown / 1e6,
        "stats": {k: v for k, v in stats.items() if isinstance(v, int)},
        "kept": len(kept),
        "newest": kept[0].data.spans[0].name,
    }))
"""


def test_a_store_in_memory_is_bounded(run_python: Callable[..., Any]) -> None:
    """The oldest traces make room, and are counted; there is one warning."""
    done = run_python(IN_MEMORY, str(SHARE))
    found = json.loads(done.stdout)
    stats = found["stats"]
    assert found["grown"] < 110 // SHARE + 10
    assert stats["written"] == 251
    assert stats["evicted_traces"] + found["kept"] == 251
    assert 40 < found["kept"] < 80
    assert found["newest"] == "trace 249"
    assert done.stderr.count(f"the store in memory is full ({64 // SHARE} MB)") == 1


BODIES = """
    import json, os, tracetape
    from types import SimpleNamespace
    from tracetape.instrument import body

    def resident():
        return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")

    roots = [tracetape.start_span_no_context("call") for _ in range(60)]
    bodies = [body.Body(SimpleNamespace(headers={}), None, root) for root in roots]
    before = resident()
    for number in range(160):
        for one in bodies:
            one.keep(bytes(50_000))
    grown = (resident() - before) / 1e6
    for root, one in zip(roots, bodies):
        one.rest(None)
        root.end()
    assert tracetape.flush(60) == 0
    stats = tracetape.stats()
    print(json.dumps([grown, stats["dropped_traces"], stats["written"], stats["dropped_spans"]]))
"""


def test_bodies_that_arrive_are_bounded(run_python: Callable[..., Any], store_path: Path) -> None:
    """480 MB of 60 calls at once: what there is no room for is let go, and counted."""
    done = run_python(BODIES, TRACETAPE_STORE=f"sqlite:///{store_path}")
    grown, traces, written, spans = json.loads(done.stdout)
    assert grown < 250
    assert 0 < traces < 60
    assert (written, spans) == (60 - traces, traces)
