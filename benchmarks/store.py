"""What the store costs: reading, searching, growing. Run it on an idle machine.

    .venv/bin/python benchmarks/store.py [--traces 100000] [--folder /tmp/bench] [--only chats]

`--only chats` leaves out all but the traces of a chat application; `--chats FILE` uses such a store
again, or makes it there.

Spans are written straight to the store, in batches as the recorder writes them.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chats
import orjson

from tracetape.entities import SpanStatus, TraceState
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_trace import TraceDetails
from tracetape.live.summary import preview, root_metadata
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.filters import parse_filter
from tracetape.store.query import TraceQuery

_NOW = 1_790_000_000_000_000_000
_random = random.Random(1)
_LETTERS = "etaoinshrdlucmfwypvbgk"
_WORDS = ["".join(_random.choices(_LETTERS, k=_random.randint(2, 10))) for _ in range(30_000)]
_WEIGHTS = [1 / (n + 5) for n in range(len(_WORDS))]
_POOL = _random.choices(_WORDS, _WEIGHTS, k=2_000_000)


def words(count: int) -> str:
    at = _random.randrange(len(_POOL) - count)
    return " ".join(_POOL[at : at + count])


def span(trace: int, number: int, parent: int | None, inputs: Any, outputs: Any) -> SpanRecord:
    start = _NOW + trace * 1_000_000 + number * 1000
    return SpanRecord(
        trace_id=trace,
        span_id=number,
        parent_id=parent,
        name=f"step {number}",
        span_type="CHAIN",
        start_time_ns=start,
        end_time_ns=start + 900,
        inputs=orjson.dumps(inputs),
        outputs=orjson.dumps(outputs),
        attributes={"n": number},
        fields=None,
        events=None,
        status=SpanStatus("OK"),
    )


def update(trace: int, spans: list[SpanRecord]) -> TraceUpdate:
    root = spans[0]
    return TraceUpdate(
        trace,
        root.start_time_ns,
        spans,
        TraceState.OK,
        "answer",
        root.end_time_ns,
        preview(root.inputs),
        preview(root.outputs, "assistant"),
        len(spans),
        details=TraceDetails(metadata=root_metadata(root)),
    )


def agent(trace: int) -> TraceUpdate:
    """Ten spans with small inputs and outputs."""
    return update(
        trace, [span(trace, n + 1, 1 if n else None, words(8), words(8)) for n in range(10)]
    )


def call(trace: int, size: int = 600) -> TraceUpdate:
    """One call with a prompt of about 4 kB that is like no other."""
    prompt = {"messages": [{"role": "user", "content": words(size)}], "model": "m"}
    return update(trace, [span(trace, 1, None, prompt, {"content": words(30)})])


def fill(
    store: SQLiteStore, make: Callable[[int], TraceUpdate], count: int, first: int = 1
) -> float:
    """Processor time of writing, in seconds."""
    taken = 0.0
    for at in range(first, first + count, 200):
        batch = [make(n) for n in range(at, min(at + 200, first + count))]
        began = time.process_time()
        store.write(batch)
        taken += time.process_time() - began
    return taken


def median(work: Callable[[], Any], rounds: int = 15) -> float:
    """Milliseconds."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def show(what: str, value: float, unit: str, budget: float | None = None) -> None:
    said = "" if budget is None else f"   budget {budget:g} {'' if value <= budget else '  OVER'}"
    print(f"{what:<58} {value:>10.2f} {unit}{said}", flush=True)


def search(store: SQLiteStore, text: str, spans: bool = False, limit: int = 100) -> int:
    found = store.search(TraceQuery(parse_filter(text), limit=limit), include_spans=spans)
    return len(found)


def reading(folder: Path, traces: int) -> None:
    store = SQLiteStore(folder / "agents.db")
    cost = fill(store, agent, 2000)
    show("write 2,000 traces of ten spans, processor time a span", cost / 20_000 * 1e6, "µs", 25)
    show("newest 100 of 2,000 traces, listed", median(lambda: store.list_traces(100)), "ms", 5)
    query = TraceQuery(limit=100)
    show("  … searched, with their 1,000 spans", median(lambda: store.search(query)), "ms")
    show("a trace of ten spans", median(lambda: store.get_trace(1234), 100), "ms", 0.5)
    big = [span(10**7, n + 1, 1 if n else None, words(8), words(8)) for n in range(1000)]
    store.write([update(10**7, big)])
    show("a trace of 1,000 spans", median(lambda: store.get_trace(10**7)), "ms", 20)
    store.close()

    store = SQLiteStore(folder / "calls.db")
    cost = fill(store, call, traces)
    name = f"{traces:,} traces"
    show(f"write {name} with a 4 kB prompt, processor time each", cost / traces * 1e6, "µs", 200)
    show(f"newest 100 of {name}, listed", median(lambda: store.list_traces(100)), "ms", 20)
    query = TraceQuery(parse_filter("status = 'OK'"), limit=100)
    show("  … searched by status, with spans", median(lambda: store.search(query)), "ms", 20)
    needle = "a needle in the haystack"
    store.write([update(10**7, [span(10**7, 1, None, {"q": f"{words(300)} {needle}"}, "")])])
    show(
        "a text before it is indexed",
        median(lambda: search(store, f"trace.text LIKE '%{needle}%'"), 3),
        "ms",
    )
    began, wall = time.process_time(), time.perf_counter()
    while store.maintain(0.2):
        pass
    show(
        "index, processor time a call (idle time)",
        (time.process_time() - began) / traces * 1e6,
        "µs",
    )
    show("  … all of it", time.perf_counter() - wall, "s")
    show(
        "a text among them",
        median(lambda: search(store, f"trace.text LIKE '%{needle}%'")),
        "ms",
        100,
    )
    show(
        "  … in any case",
        median(lambda: search(store, f"trace.text ILIKE '%{needle.upper()}%'")),
        "ms",
        100,
    )
    for rank in (0, 100, 3000, 20000):
        word = _WORDS[rank]
        count = search(store, f"trace.text LIKE '% {word} %'", limit=10**9)
        took = median(lambda w=word: search(store, f"trace.text LIKE '% {w} %'"), 3)
        show(f"  … a word that {count:,} have, newest 100", took, "ms", 100)
    store.close()
    size = os.path.getsize(folder / "calls.db")
    show("size of it, a call with its index", size / traces / 1024, "KiB")


def growing(folder: Path) -> None:
    """A conversation of 200 turns, each call repeating the history."""
    store = SQLiteStore(folder / "talk.db")
    messages = [{"role": "system", "content": words(80)}]
    sent = 0
    began = time.process_time()
    for n in range(200):
        messages.append({"role": "user", "content": words(80)})
        answer = {"role": "assistant", "content": words(80)}
        one = span(
            n + 1, 1, None, {"model": "m", "messages": messages}, {"choices": [{"message": answer}]}
        )
        sent += len(one.inputs or b"")
        store.write([update(n + 1, [one])])
        messages.append(answer)
    show("200 turns, processor time each", (time.process_time() - began) / 200 * 1e6, "µs")
    while store.maintain():
        pass
    store.close()
    size = os.path.getsize(folder / "talk.db")
    show("  … sent", sent / 1024, "KiB")
    show("  … stored, with the index", size / 1024, "KiB", sent / 1024 / 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", choices=["chats"])
    parser.add_argument("--chats", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if given.only is None:
            growing(Path(folder))
            reading(Path(folder), given.traces)
        chats.main(Path(folder), given.traces, show, given.chats)


if __name__ == "__main__":
    main()
