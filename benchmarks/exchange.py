"""What `tracetape export` and `tracetape import` cost: processor time, and memory on Linux.

    .venv/bin/python benchmarks/exchange.py [--traces 20000] [--folder /tmp/bench]

Each trace has three spans with 1 to 2 kB of inputs and outputs, two of them as of a chat. Each
command runs in a process of its own; the time that it takes for one trace, most of which is the
import of libraries, is not counted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from store import show, span, update, words

from tracetape.store import SQLiteStore, TraceUpdate

_BATCH = 200
# Not `ru_maxrss`, which counts the process that was forked to begin this one.
_RUN = """
import re, sys, time
from tracetape.cli import main
main(sys.argv[1:], standalone_mode=False)
memory = re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())
print(time.process_time(), memory[1])
"""


def chat(number: int) -> TraceUpdate:
    """A question, and two calls of a model."""
    answer = {"choices": [{"message": {"role": "assistant", "content": words(60)}}]}
    messages = [
        {"role": "system", "content": "You are helpful. " * 3},
        {"role": "user", "content": words(150)},
    ]
    inputs: list[Any] = [{"question": words(150)}, *[{"model": "m", "messages": messages}] * 2]
    outputs = [words(60), answer, answer]
    return update(
        number,
        [
            span(number, n + 1, 1 if n else None, *both)
            for n, both in enumerate(zip(inputs, outputs, strict=True))
        ],
    )


def measured(*arguments: object) -> tuple[float, float]:
    """Processor time of a command in seconds, and its peak memory in MiB."""
    command = [sys.executable, "-c", _RUN, *map(str, arguments)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds, memory = output.splitlines()[-1].split()
    return float(seconds), int(memory) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        for store, count in (("one.db", 1), ("traces.db", given.traces)):
            filled = SQLiteStore(folder / store)
            filled.open()
            for at in range(1, count + 1, _BATCH):
                filled.write([chat(n) for n in range(at, min(at + _BATCH, count + 1))])
            filled.close()
        spans = 3 * given.traces
        for what, command in (
            ("export --jsonl", lambda store: ("export", "--jsonl", folder / f"{store}.jsonl")),
            ("export --parquet", lambda store: ("export", "--parquet", folder / f"{store}.pq")),
        ):
            one, _ = measured(*command("one.db"), "--store", folder / "one.db")
            took, memory = measured(*command("traces.db"), "--store", folder / "traces.db")
            told(what, took - one, memory, spans)
        copy = folder / "copy.db"
        one, _ = measured("import", folder / "one.db.jsonl", "--store", folder / "first.db")
        took, memory = measured("import", folder / "traces.db.jsonl", "--store", copy)
        told("import", took - one, memory, spans)
        size = os.path.getsize(folder / "traces.db.jsonl")
        print(f"a trace in the file: {size / given.traces / 1024:.1f} KiB")


def told(what: str, seconds: float, memory: float, spans: int) -> None:
    show(f"{what}, processor time a span", seconds / spans * 1e6, "µs", 50)
    show("  … spans a second", spans / seconds, "")
    show("  … peak memory", memory, "MiB")


if __name__ == "__main__":
    main()
