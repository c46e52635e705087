"""Programs whose threads are green: gevent and eventlet, at work before tracetape or after."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
ORDERS = {
    "first": "{patch}\nimport tracetape",
    "after the import": "import tracetape\ntracetape.start_span, tracetape.flush\n{patch}",
    "after a span": """
import tracetape
with tracetape.start_span("early"):
    pass
assert tracetape.flush(10) == 0
{patch}""",
    "while spans are queued": """
import tracetape
for _ in range(100):
    with tracetape.start_span("early"):
        pass
{patch}""",
}
# `spawn`, `joined` and `sleep` as the library has them; the last checks hold for every program.
HEAD = {
    "gevent": """
import gevent
from gevent import sleep, spawn
def joined(green):
    gevent.joinall(green, timeout=60, raise_error=True)
    assert all(one.successful() for one in green), green
""",
    "eventlet": """
from eventlet import sleep, spawn
def joined(green):
    with eventlet.Timeout(30):
        for one in green:
            one.wait()
""",
}
TAIL = """
assert tracetape.flush(20) == 0
stats = tracetape.stats()
assert (stats["lost"], stats["dropped_spans"], stats["faults"]) == (0, 0, {}), stats
"""

libraries = pytest.mark.parametrize("library", PATCH)
orders = pytest.mark.parametrize("order", ORDERS)


@pytest.fixture
def program(run_python: Run, store_path: Path) -> Callable[..., str]:
    """Run a program in green threads; it prints nothing of ours."""

    def run(library: str, order: str, text: str) -> str:
        source = "\n".join([ORDERS[order].format(patch=PATCH[library]), HEAD[library], text, TAIL])
        done = run_python(
            source,
            TRACETAPE_STORE=f"sqlite:///{store_path}",
            PYTHONWARNINGS="ignore",
            EVENTLET_NO_GREENDNS="yes",  # its DNS library does not load beside trio
        )
        said = [line for line in done.stderr.splitlines() if "RLock(s) were not" not in line]
        assert not any("tracetape" in line or "Traceback" in line for line in said), done.stderr
        return done.stdout

    return run


@libraries
@orders
def test_every_green_thread_ends(
    library: str, order: str, program: Callable[..., str], query: Query
) -> None:
    """All make their first span at once, and processes meanwhile; every span is kept."""
    program(
        library,
        order,
        """
import subprocess, sys
def work(n):
    with tracetape.start_span(f"work {n}") as span:
        span.set_inputs({"n": n})
        sleep(0.01 * (n % 3))
        if n % 10 == 0:
            subprocess.run([sys.executable, "-c", ""], check=True, preexec_fn=lambda: None)
        with tracetape.start_span("below"):
            sleep(0)
joined([spawn(work, n) for n in range(60)])
""",
    )
    assert query("SELECT count(*) FROM traces WHERE name LIKE 'work %' AND state = 'OK'") == [(60,)]
    assert query("SELECT count(*) FROM spans WHERE name = 'below'") == [(60,)]


@libraries
@orders
def test_others_go_on_while_one_waits(
    library: str, order: str, program: Callable[..., str]
) -> None:
    """`flush` of a store that is locked holds up its own green thread, and ends in time."""
    printed = program(
        library,
        order,
        """
import os, sqlite3, time
with tracetape.start_span("first"):
    pass
assert tracetape.flush(10) == 0
lock = sqlite3.connect(os.environ["TRACETAPE_STORE"].removeprefix("sqlite:///"))
lock.execute("BEGIN IMMEDIATE")
with tracetape.start_span("second"):
    pass
ticks, left = [], []
def tick():
    while not left:
        ticks.append(1)
        sleep(0.01)
def wait():
    left.append(tracetape.flush(1))
began = time.time()
joined([spawn(tick), spawn(wait)])
print(left, len(ticks) > 5, time.time() - began < 20)
lock.rollback()
""",
    )
    assert printed == "[1] True True\n"


@libraries
@orders
def test_forks_of_green_programs(
    library: str, order: str, program: Callable[..., str], query: Query
) -> None:
    """Parent and child each have one writing thread."""
    program(
        library,
        order,
        """
import os, signal
over = []
def step(name):
    with tracetape.start_span(name):
        sleep(0)
def others():  # the child has them too
    while not over:
        step("others")
        sleep(0.01)
def work():
    for _ in range(5):
        step("parent")
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            try:
                step("child")
                threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc") else 2
                os._exit(tracetape.flush(10) or 10 * (threads > 3))
            finally:
                os._exit(1)
        found, status = 0, 0
        while not found:
            sleep(0.01)
            found, status = os.waitpid(pid, os.WNOHANG)
        assert status == 0, status
        step("parent")
    over.append(True)
joined([spawn(others), spawn(others), spawn(work)])
""",
    )
    named = "SELECT name, count(*) FROM spans WHERE name IN ('child', 'parent') GROUP BY name"
    assert query(named) == [("child", 5), ("parent", 10)]


@libraries
@orders
def test_a_store_that_fails_is_told_of(
    library: str, order: str, run_python: Run, store_path: Path
) -> None:
    """By the program's own threads: its log may have green locks, which the writing one has not."""
    done = run_python(
        "\n".join(
            [
                ORDERS[order].format(patch=PATCH[library]),
                HEAD[library],
                """
import logging, os
class Slow(logging.StreamHandler):
    def emit(self, record):
        sleep(0.005)  # other green threads run while this one has the log's lock
        super().emit(record)
logging.basicConfig(format="%(message)s", handlers=[Slow()])
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore
assert tracetape.flush(10) == 0
def troubled(self, updates):
    raise StoreError("the disk is full")
write, SQLiteStore.write = SQLiteStore.write, troubled
def work(n):
    with tracetape.start_span("work"):
        for _ in range(20):
            logging.warning("mine")
            sleep(0)
joined([spawn(work, n) for n in range(10)])
assert tracetape.flush(0.5) > 0
SQLiteStore.write = write
assert tracetape.flush(20) == 0
""",
            ]
        ),
        TRACETAPE_STORE=f"sqlite:///{store_path}",
        PYTHONWARNINGS="ignore",
        EVENTLET_NO_GREENDNS="yes",
    )
    assert done.stderr.count("mine") == 200
    assert done.stderr.count("the disk is full") == 1
    assert "Traceback" not in done.stderr


@libraries
def test_patched_while_something_is_loaded(
    library: str, run_python: Run, store_path: Path, query: Query
) -> None:
    """As `tracetape run` of such a program does: no import is left half done for ever."""
    run_python(
        "\n".join(
            [
                """
import sys, threading, time
import tracetape
from tracetape import flush, start_span
loading = threading.Event()
class Slowly:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not main:
            loading.set()
            time.sleep(0.03)
main = threading.main_thread()
sys.meta_path.insert(0, Slowly())
""",
                "start_span('early').__enter__()",
                "assert loading.wait(60)",
                PATCH[library],
                HEAD[library],
                """
def work():
    with start_span("work"):
        sleep(0)
joined([spawn(work) for _ in range(10)])
""",
                TAIL,
            ]
        ),
        TRACETAPE_STORE=f"sqlite:///{store_path}",
        PYTHONWARNINGS="ignore",
        EVENTLET_NO_GREENDNS="yes",
    )
    assert query("SELECT count(*) FROM spans WHERE name = 'work'") == [(10,)]
