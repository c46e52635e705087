"""What writing needs is loaded when recording is switched on, not when the first span has ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

# `loaded` waits for the thread that loads; nothing of it is left then.
HEAD = """
import os, signal, sys, threading, time
import tracetape

def loader():
    return [one for one in threading.enumerate() if one.name == "tracetape-loader"]

def loaded():
    deadline = time.monotonic() + 60
    while loader():
        assert time.monotonic() < deadline
        time.sleep(0.002)
"""
ON = {
    "autolog": "tracetape.autolog()",
    "one": "tracetape.openai.autolog()",
    "configure": "tracetape.configure(sampling_ratio=1.0)",
    "enable": "tracetape.tracing.disable(); tracetape.tracing.enable()",
}
# Holds up whoever imports the module that is named, once, unless that is the main thread.
SLOWLY = """
loading, go_on = threading.Event(), threading.Event()

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and threading.current_thread() is not threading.main_thread():
            loading.set()
            go_on.wait({seconds})
        return None

sys.meta_path.insert(0, Slowly())
"""


@pytest.mark.parametrize("how", ON)
def test_the_first_span_finds_everything_loaded(how: str, run_python: Run, tmp_path: Path) -> None:
    """By a thread that then ends; and no store is made of that."""
    done = run_python(
        f"{HEAD}\n{ON[how]}"
        + """
loaded()
assert os.listdir() == [], os.listdir()
assert threading.active_count() == 1
tracetape.flush, tracetape.start_span
before = set(sys.modules)
try:
    with tracetape.start_span("first", attributes={"number": float("nan")}) as span:
        span.set_inputs({"a": 1, "image": "data:image/png;base64," + "iVBORw0KGgo" * 500})
        raise KeyError("a")
except KeyError:
    pass
assert tracetape.flush(20) == 0
print(sorted(set(sys.modules) - before))
"""
    )
    assert done.stdout == "[]\n"


def test_switching_on_does_not_wait(run_python: Run) -> None:
    """For what is being loaded, however long that takes."""
    run_python(
        HEAD
        + SLOWLY.format(module="tracetape.store.query", seconds=20)
        + """
tracetape.autolog()
assert loading.wait(60)
assert "tracetape.store.query" not in sys.modules
go_on.set()
"""
    )


@pytest.mark.parametrize("where", ["disabled", "off", "imported only"])
def test_nothing_is_loaded_where_nothing_is_recorded(where: str, run_python: Run) -> None:
    """As SQLite, and the store."""
    text = "" if where == "imported only" else "tracetape.autolog()"
    if where == "off":
        text = "tracetape.tracing.disable()\ntracetape.configure(sampling_ratio=1.0)"
    environment = {"TRACETAPE_DISABLED": "1"} if where == "disabled" else {}
    done = run_python(
        f"{HEAD}\n{text}\nloaded()\nprint('tracetape.store.sqlite' in sys.modules)", **environment
    )
    assert done.stdout == "False\n"


def test_a_fork_meanwhile_has_one_thread(run_python: Run, query: Query, store_path: Path) -> None:
    """It waits for one module, not for all; parent and child load the rest when they need it."""
    done = run_python(
        HEAD
        + SLOWLY.format(module="tracetape.store.query", seconds=0.2)
        + """
import warnings
warnings.simplefilter("error", DeprecationWarning)
tracetape.autolog()
assert loading.wait(60)
pid = os.fork()
assert not loader(), loader()
assert "tracetape.store.sqlite" not in sys.modules
if not pid:
    signal.alarm(20)
with tracetape.start_span("child" if not pid else "parent"):
    pass
left = tracetape.flush(10)
if not pid:
    os._exit(left)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
""",
        TRACETAPE_STORE=f"sqlite:///{store_path}",
    )
    assert done.stderr == ""
    assert query("SELECT name FROM spans ORDER BY name") == [("child",), ("parent",)]


def test_a_program_that_ends_meanwhile(run_python: Run, tmp_path: Path) -> None:
    """Does not wait for the rest, and says nothing."""
    done = run_python(
        HEAD
        + SLOWLY.format(module="tracetape.store.query", seconds=0.2)
        + "tracetape.autolog()\nassert loading.wait(60)"
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_without_a_further_thread_the_program_goes_on(run_python: Run) -> None:
    """The system may give a process none."""
    done = run_python(
        HEAD
        + """
def refuse(*arguments, **named):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
tracetape.autolog()
print(loader())
"""
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to wait for")
def test_signals_are_the_programs(run_python: Run, store_path: Path) -> None:
    """A thread of ours takes none that the program's have blocked, to wait for it."""
    done = run_python(
        HEAD
        + """
tracetape.autolog()
with tracetape.start_span("first"):
    pass
assert tracetape.flush(20) == 0
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
for _ in range(20):
    os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.sigtimedwait({signal.SIGUSR1}, 10) is not None
print("goes on")
""",
        TRACETAPE_STORE=f"sqlite:///{store_path}",
    )
    assert done.stdout == "goes on\n"


def test_imports_of_the_program_go_on_while_loading_ends(run_python: Run) -> None:
    """Python asks the finders one by one: none may go from among them meanwhile."""
    run_python(
        HEAD
        + """
from tracetape import start_span  # of which the writing thread knows nothing yet
went = threading.Event()

class Meanwhile:  # is asked before the finder of files
    def find_spec(self, name, path=None, target=None):
        if name == "colorsys":
            from tracetape.recorder.loading import shield
            while shield._up:  # as another thread does
                shield.lower()
            went.set()
        return None

sys.meta_path.insert(len(sys.meta_path) - 1, Meanwhile())
from tracetape.recorder.loading import shield
shield.raise_()
import colorsys
assert went.is_set()
"""
    )
