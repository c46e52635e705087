"""Long trials: kill -9, many processes at one file, many traces at full speed.

`make test` runs small ones; `make soak` sets TRACETAPE_SOAK=1 and runs them at full size.
"""

from __future__ import annotations

import contextlib
import glob
import inspect
import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tracetape.store import open_store
from tracetape.store.inspection import NoStoreError

Query = Callable[..., list[tuple[Any, ...]]]
Start = Callable[..., "subprocess.Popen[str]"]

# `isolated` removes the variable from each test's environment.
FULL = os.environ.get("TRACETAPE_SOAK") == "1"
KILLS = 200 if FULL else 4
PROCESSES, EACH = (16, 50_000) if FULL else (4, 1_000)
TRACES = 100_000 if FULL else 200  # of ten spans
# How long before its end a span must have ended to be in the file for sure, in time of its process:
# what its threads waited for a processor, which others had, does not count.
DURABLE_SECONDS = 0.2
# The first batch of a process waits until what writes is loaded.
YOUNG_SECONDS = 1.0
LONGEST_SECONDS = 5.0 if FULL else 2.5  # of a process, though it had less time
PATIENCE = 3600 if FULL else 120


@pytest.fixture
def store(store_path: Path) -> dict[str, str]:
    """The environment of a program that writes to this test's store."""
    return {"TRACETAPE_STORE": f"sqlite:///{store_path}"}


def waited(process: int | str) -> float:
    """Seconds in which threads of a process were ready to run, and others had the processors."""
    found = 0
    for name in glob.glob(f"/proc/{process}/task/*/schedstat"):  # none where there is no Linux
        with contextlib.suppress(OSError), open(name) as file:  # one that ends
            found += int(file.read().split()[1])
    return found / 1e9


def live_for(process: int, seconds: float) -> None:
    """Wait so long, in the time of the process; where others have the processors, a bit longer."""
    began, before = time.monotonic(), waited(process)
    last = began + LONGEST_SECONDS
    while (now := time.monotonic()) < last and now - began - waited(process) + before < seconds:
        time.sleep(0.01)


def stop(process: subprocess.Popen[str]) -> None:
    """Hold a process, and come back when none of its threads is under way any more."""
    process.send_signal(signal.SIGSTOP)
    for name in glob.glob(f"/proc/{process.pid}/task/*/stat"):
        while Path(name).read_text().rpartition(")")[2].split()[0] not in "Tt":
            time.sleep(0.001)


# Notes what has ended in a file of its own, which the kernel keeps whatever becomes of the process.
NOTING = inspect.getsource(waited) + textwrap.dedent("""
    import contextlib, glob, os, sys, threading, time, tracetape

    notes = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(span):
        os.write(notes, f"{span.trace_id} {span.span_id} {time.time()}\\n".encode())

    def note_waiting():
        while True:
            os.write(notes, f"waited {waited('self')}\\n".encode())
            time.sleep(0.01)

    threading.Thread(target=note_waiting, daemon=True).start()
    while True:
        with tracetape.start_span("root") as root:
            root.set_inputs({"question": "what? " * 20})
            with tracetape.start_span("step") as step:
                step.set_outputs(["an answer"] * 5)
            note(step)
        note(root)
        time.sleep(0.001)
""")


def test_kill_at_any_moment(
    start_python: Start, store: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store always opens; what ended 200 ms before is there, and nothing is half."""
    chance = random.Random(7)
    ended = checked = 0
    path = Path(store["TRACETAPE_STORE"].removeprefix("sqlite:///"))
    for run in range(KILLS):
        notes = tmp_path / f"notes-{run}"
        process = start_python(NOTING, str(notes), **store)
        while not notes.exists():
            assert process.poll() is None
            time.sleep(0.01)
        live_for(process.pid, chance.uniform(0.0, 2.5))
        killed = time.time()
        stop(process)
        ages = Ages(notes, killed, waited(process.pid))
        process.kill()
        process.wait(20)
        there = spans_of(path, len(ages) + 10)  # the newest: those of this run are among them
        due = ages.due()
        assert due <= there.keys(), f"run {run}: {len(due - there.keys())} spans are lost"
        ended += len(ages)
        checked += len(due)
    if FULL:
        with capsys.disabled():
            sys.stdout.write(f"{ended} spans ended, {checked} of them had to be in the file\n")
        assert checked > KILLS
    assert ended > KILLS
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


class Ages:
    """How long before the end of a process its spans have ended, in its own time."""

    def __init__(self, notes: Path, killed: float, waited: float) -> None:
        """Read what it has noted.

        Args:
            notes: the file.
            killed: when it was held.
            waited: what it had to wait until then.
        """
        self._now = killed - waited
        self._ends: dict[tuple[str, str], float] = {}
        before = 0.0
        for line in notes.read_text().splitlines(keepends=True):
            first, *others = line.split()
            if not line.endswith("\n"):
                break  # the end cut it short
            if first == "waited":
                before = float(others[0])
            else:
                self._ends[first, others[0]] = float(others[1]) - before

    def __len__(self) -> int:
        return len(self._ends)

    def due(self) -> set[tuple[str, str]]:
        """Those that must be in the file."""
        if not self._ends or self._now - min(self._ends.values()) < YOUNG_SECONDS:
            return set()
        return {one for one, end in self._ends.items() if self._now - end > DURABLE_SECONDS}


def spans_of(path: Path, limit: int) -> dict[tuple[str, str], str]:
    """Names of the newest traces' spans, read as a user does; each has the contents it had."""
    found: dict[tuple[str, str], str] = {}
    if not path.exists():  # killed before
        return found
    reader = open_store(str(path), read_only=True)
    try:
        for info in reader.list_traces(limit):
            trace = reader.get_trace(int(info.trace_id[3:], 16))
            assert trace is not None
            for span in trace.data.spans:
                found[info.trace_id, span.span_id] = span.name
                content = span.inputs if span.name == "root" else span.outputs
                assert content or span.end_time_ns is None
    except NoStoreError:  # killed while the file was being made
        pass
    finally:
        reader.close()
    return found


def test_many_processes_at_one_file(
    start_python: Start, query: Query, store: dict[str, str]
) -> None:
    """All of their spans are there, and each program ends well."""
    source = """
        import sys, tracetape

        for n in range(int(sys.argv[2])):
            with tracetape.start_span(sys.argv[1]) as span:
                span.set_inputs({"n": n})
        left = tracetape.flush(1800)
        stats = tracetape.stats()
        assert not left and not stats["dropped_spans"] and not stats["lost"], (left, stats)
        sys.exit(0)
    """
    names = [f"process {n:02}" for n in range(PROCESSES)]
    processes = [start_python(source, name, str(EACH), **store) for name in names]
    for process in processes:
        assert process.wait(PATIENCE) == 0, process.communicate()
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        (name, EACH) for name in names
    ]
    assert query("SELECT count(*) FROM traces WHERE state = 'OK'") == [(PROCESSES * EACH,)]
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_full_speed(
    start_python: Start, query: Query, store: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten spans a trace, nothing lost, and the memory stays within the queue's bound."""
    source = """
        import resource, sys, time, tracetape

        def size():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

        longest = 0
        with tracetape.start_span("first"):
            pass
        tracetape.flush()
        before, began = size(), time.perf_counter()
        for n in range(int(sys.argv[1])):
            with tracetape.start_span("root") as root:
                root.set_inputs({"question": n})
                for step in range(9):
                    at = time.perf_counter()
                    with tracetape.start_span("step") as span:
                        span.set_outputs([step])
                    longest = max(longest, time.perf_counter() - at)
        left = tracetape.flush(3000)
        stats, spent = tracetape.stats(), time.perf_counter() - began
        print(left, stats["dropped_spans"], stats["lost"], size() - before)
        print(f"{int(sys.argv[1]) * 10 / spent:,.0f} spans a second, the longest took "
              f"{longest * 1e3:.1f} ms, {size() - before} MiB more", file=sys.stderr)
    """
    process = start_python(source, str(TRACES), **store)
    out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    if FULL:
        with capsys.disabled():
            sys.stdout.write(said)
    left, dropped, lost, grown = out.split()
    assert (left, dropped, lost) == ("0", "0", "0")
    assert int(grown) < 256  # MiB; the queue's 64 are of JSON
    assert query("SELECT count(*) FROM spans") == [(TRACES * 10 + 1,)]
    assert query("SELECT count(*) FROM traces WHERE state = 'OK'") == [(TRACES + 1,)]
