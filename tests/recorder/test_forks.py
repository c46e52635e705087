"""Processes that fork while something of ours is under way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

# A child that hangs is ended by its alarm, and its parent's test fails.
HEAD = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import tracetape

def step(name):
    with tracetape.start_span(name):
        pass

def in_child(work):
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(15)
    code = 1
    try:
        work()
        code = tracetape.flush(10)
    finally:
        os._exit(code)

def code_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
SLOWLY = """
loading, go_on = threading.Event(), threading.Event()

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1] and not loading.is_set():
            loading.set()
            go_on.wait(0.5)
        return None

sys.meta_path.insert(0, Slowly())
"""


@pytest.fixture
def program(run_python: Run, store_path: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a program that can fork into `in_child`; gives what it prints."""

    def run(text: str, *arguments: str, head: str = HEAD) -> str:
        path = tmp_path / "program.py"
        path.write_text(head + text)
        line = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
        return run_python(line, *arguments, TRACETAPE_STORE=f"sqlite:///{store_path}").stdout

    return run


@pytest.mark.parametrize(
    "module",
    [
        "tracetape.tracing.spans",
        "tracetape.recorder",
        "tracetape.recorder.writing",
        "tracetape.store.sqlite",
        "sqlite3",
    ],
)
def test_no_import_is_under_way(module: str, program: Callable[..., str], query: Query) -> None:
    """A module that another thread was loading would never be loaded in the child."""
    program(
        SLOWLY
        + """
other = threading.Thread(target=step, args=("parent",))
other.start()
assert loading.wait(60)
assert code_of(in_child(lambda: step("child"))) == 0
other.join()
assert tracetape.flush(10) == 0
""",
        module,
    )
    assert query("SELECT name FROM spans ORDER BY name") == [("child",), ("parent",)]


def test_no_extractor_is_being_loaded(program: Callable[..., str], tmp_path: Path) -> None:
    """They are loaded with the first call of their kind."""
    (tmp_path / "own_extractor.py").write_text("class Own: pass\n")
    program(
        SLOWLY
        + """
from tracetape.instrument.endpoints import resolve
sys.path.insert(0, os.getcwd())
other = threading.Thread(target=resolve, args=("own_extractor:Own",))
other.start()
assert loading.wait(60)
assert code_of(in_child(lambda: resolve("own_extractor:Own"))) == 0
other.join()
""",
        "own_extractor",
    )


def test_forks_among_busy_threads(program: Callable[..., str], query: Query) -> None:
    """Cold and warm, with threads that make spans and change traces all the time."""
    program(
        """
stop = False
def busy():
    while not stop:
        with tracetape.start_span("busy") as span:
            span.set_inputs("x" * 5000)
            tracetape.update_current_trace(tags={"a": "b"})
        tracetape.get_trace(span.trace_id)
threads = [threading.Thread(target=busy) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(20):
    assert code_of(in_child(lambda: step("child"))) == 0
stop = True
for thread in threads:
    thread.join()
assert tracetape.flush(20) == 0
stats = tracetape.stats()
assert stats["recorded"] == stats["written"], stats
assert stats["faults"] == {}, stats
"""
    )
    assert query("SELECT count(*) FROM spans WHERE name = 'child'") == [(20,)]
    assert query("PRAGMA integrity_check") == [("ok",)]


def test_locks_of_other_threads_are_free_in_the_child(program: Callable[..., str]) -> None:
    """Whoever held them is not there to give them back."""
    program(
        """
import contextlib
from tracetape import diagnostics
from importlib import import_module
from tracetape.live import running_span
from tracetape.tracing.runtime import runtime

recorder = runtime.recorder
names = ("cassette", "context", "replay.placeholders")
modules = [import_module(f"tracetape.cassettes.{name}") for name in names]
def locks():
    return [
        diagnostics._lock, running_span._reading, *(m._lock for m in modules),
        recorder._lock, recorder._start_lock, recorder._store_lock,
    ]
held, done = threading.Event(), threading.Event()
def hold():
    with contextlib.ExitStack() as stack:
        for lock in locks():
            stack.enter_context(lock)
        held.set()
        done.wait(60)
other = threading.Thread(target=hold)
other.start()
assert held.wait(60)
def work():
    for lock in locks():
        assert lock.acquire(timeout=60), lock
        lock.release()
    step("child")
assert code_of(in_child(work)) == 0
done.set()
other.join()
"""
    )


def test_no_database_is_open_in_the_child(program: Callable[..., str], query: Query) -> None:
    """SQLite forbids it; the parent's thread goes on, and is one and the same."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc")
    printed = program(
        """
def files():
    links = (f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd"))
    return [os.readlink(link) for link in links if os.path.exists(link)]

def is_open():
    return any("traces.db" in one for one in files())

step("parent")
assert tracetape.flush(10) == 0
assert is_open()
threads = set(os.listdir("/proc/self/task"))
def work():
    assert not is_open()
    assert len(os.listdir("/proc/self/task")) == 1
    step("child")
for _ in range(10):
    step("parent")
    assert code_of(in_child(work)) == 0
assert set(os.listdir("/proc/self/task")) == threads
step("parent")
print(tracetape.flush(10))
"""
    )
    assert printed == "0\n"
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        ("child", 10),
        ("parent", 12),
    ]


def test_a_store_in_use_is_waited_for(program: Callable[..., str], query: Query) -> None:
    """By a reader, and by the writing thread; not for longer than for a bounded time."""
    program(
        """
from tracetape.store import connections
from tracetape.tracing.runtime import runtime

step("parent")
assert tracetape.flush(10) == 0
reader = runtime.recorder.store._reader
inside, leave = threading.Event(), threading.Event()
def read(seconds):
    with reader as connection:
        connection.execute("SELECT count(*) FROM spans").fetchall()
        inside.set()
        leave.wait(seconds)
def during(seconds, work):
    inside.clear()
    leave.clear()
    other = threading.Thread(target=read, args=(seconds,))
    other.start()
    assert inside.wait(60)
    code = code_of(in_child(work))
    leave.set()
    other.join()
    return code

assert during(0.3, lambda: step("child")) == 0

connections._FORK_SECONDS = 0.2
def work():
    import logging
    said = []
    logging.getLogger("tracetape").addFilter(lambda record: said.append(record.getMessage()))
    step("of a child that must not open the file")
    assert tracetape.flush(10) == 0
    assert tracetape.stats()["store"] == "memory://"
    (message,) = said
    assert "was in use when this process was forked" in message, message
assert during(20, work) == 0
step("parent")
assert tracetape.flush(10) == 0
"""
    )
    assert query("SELECT name FROM spans ORDER BY name") == [
        ("child",),
        ("parent",),
        ("parent",),
    ]


def test_a_fork_does_not_wait_for_another_process(program: Callable[..., str]) -> None:
    """Which has the store locked, so that the writing thread waits for it."""
    printed = program(
        """
import sqlite3
step("first")
assert tracetape.flush(10) == 0
lock = sqlite3.connect(os.environ["TRACETAPE_STORE"].removeprefix("sqlite:///"))
lock.execute("BEGIN IMMEDIATE")
step("second")
tracetape.flush(0.3)
began = time.perf_counter()
assert code_of(in_child(lambda: os._exit(0))) == 0
took = time.perf_counter() - began
lock.rollback()
assert tracetape.flush(10) == 0
print(took)
"""
    )
    assert float(printed) < 3


def test_the_parents_spans_are_the_parents(program: Callable[..., str], query: Query) -> None:
    """A child that leaves the block it was forked in ends none of them a second time."""
    program(
        """
seen = []
tracetape.configure(span_processors=[lambda span: seen.append(span.name)])
pids = []
with tracetape.start_span("root") as root:
    with tracetape.start_span("inner"):
        for how in ("leave", "exit"):
            pid = os.fork()
            if pid:
                pids.append(pid)
                continue
            signal.alarm(15)
            step("child")
            if how == "exit":
                sys.exit(3)
            break
        else:
            time.sleep(0.2)
if len(pids) < 2:  # the first child
    assert seen == ["child"], seen
    assert tracetape.stats()["recorded"] == 1, tracetape.stats()
    assert tracetape.flush(10) == 0
    os._exit(0)
assert [code_of(pid) for pid in pids] == [0, 3]
assert tracetape.flush(10) == 0
"""
    )
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        ("child", 2),
        ("inner", 1),
        ("root", 1),
    ]
    assert query("SELECT span_count, state FROM traces") == [(4, "OK")]
    ((took,),) = query("SELECT end_ns - start_ns FROM spans WHERE name = 'root'")
    assert took >= 200_000_000


@pytest.mark.parametrize("warm", [True, False])
def test_a_fork_that_python_is_not_told_of(
    warm: bool, program: Callable[..., str], query: Query
) -> None:
    """As uWSGI's: each child has ids and a thread of its own."""
    program(
        """
import ctypes
if sys.argv[1] == "True":
    step("parent")
    assert tracetape.flush(10) == 0
    time.sleep(1.1)
else:
    tracetape.tracing.start_span
fork = ctypes.PyDLL(None).fork
pids = []
for _ in range(4):
    pid = fork()
    if not pid:
        signal.alarm(15)
        step("child")
        step("child")
        os._exit(tracetape.flush(10))
    pids.append(pid)
assert [code_of(pid) for pid in pids] == [0, 0, 0, 0]
step("parent")
assert tracetape.flush(10) == 0
""",
        str(warm),
    )
    assert query("SELECT name, count(*) FROM traces GROUP BY name ORDER BY name") == [
        ("child", 8),
        ("parent", 1 + warm),
    ]
    assert query("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_pools_of_processes(method: str, program: Callable[..., str], query: Query) -> None:
    """Started while other threads trace."""
    program(
        """
import concurrent.futures, multiprocessing

def work(n):
    step(f"work {n}")
    return n

if __name__ == "__main__":
    stop = False
    def busy():
        while not stop:
            step("busy")
            time.sleep(0.001)
    thread = threading.Thread(target=busy)
    thread.start()
    context = multiprocessing.get_context(sys.argv[1])
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(work, range(6))) == list(range(6))
    stop = True
    thread.join()
""",
        method,
    )
    assert query("SELECT name FROM spans WHERE name LIKE 'work%' ORDER BY name") == [
        (f"work {n}",) for n in range(6)
    ]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no fork in an exit handler any more")
def test_a_fork_in_an_exit_handler(program: Callable[..., str], query: Query) -> None:
    """The child writes what it ends, though no thread can be started there."""
    program(
        """
import atexit
def at_exit():
    assert code_of(in_child(lambda: step("child"))) == 0
    step("parent")
tracetape.tracing.start_span
atexit.register(at_exit)
step("before")
""",
        head=HEAD.replace("import tracetape\n", "import atexit, tracetape\n"),
    )
    assert query("SELECT name FROM spans ORDER BY name") == [("before",), ("child",), ("parent",)]
