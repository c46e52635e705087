"""Exit, crash, fork, and many processes at one store."""

from __future__ import annotations

import contextlib
import re
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.live.liveness import is_unfinished, last_seen_ms
from tracetape.store import open_store
from tracetape.views import tree_text

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def store(store_path: Path) -> dict[str, str]:
    """The environment of a program that writes to this test's store."""
    return {"TRACETAPE_STORE": f"sqlite:///{store_path}"}


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError('mine')", 1),
        ("threading.Thread(target=late).start()", 0),
        ("signal.raise_signal(signal.SIGINT)", -2),
    ],
    ids=["end", "sys.exit", "exception", "thread", "ctrl-c"],
)
def test_exit_writes_everything(
    ending: str, code: int, run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """However a program ends, its own exit code and its last spans are there."""
    done = run_python(
        f"""
        import signal, sys, threading, time
        import tracetape

        # What Python does, unless whoever started this suite ignores the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def late():
            time.sleep(0.1)
            with tracetape.start_span("late"):
                pass

        for n in range(50):
            with tracetape.start_span("step") as span:
                span.set_inputs(n)
        with tracetape.start_span("last"):
            {ending}
        """,
        check=False,
        **store,
    )
    assert done.returncode == code, done.stderr
    assert "tracetape" not in done.stderr.replace("<string>", "").split("Traceback")[0]
    status = "OK" if code == 0 else "ERROR"
    assert query("SELECT count(*) FROM spans WHERE name = 'step'") == [(50,)]
    assert query("SELECT status FROM spans WHERE name = 'last'") == [(status,)]
    assert query("SELECT count(*) FROM spans WHERE name = 'late'") == [("late" in ending,)]


def test_without_a_word_a_program_writes_below_its_folder(run_python: Run, tmp_path: Path) -> None:
    """And says nothing about it."""
    done = run_python("import tracetape\nwith tracetape.start_span('s'): pass")
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / ".tracetape" / "traces.db").is_file()
    assert (tmp_path / ".tracetape" / ".gitignore").read_text() == "*\n"


def test_spans_of_exit_handlers_and_finalisers(
    run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """What ends in a handler that runs after ours is written; what is too late is not waited for.

    At shutdown no thread can be started any more, and who waits for one waits for ever.
    """
    done = run_python(
        """
        import atexit
        import tracetape

        def step(name):
            with tracetape.start_span(name):
                pass

        class Late:
            def __del__(self):
                step("of a finaliser")

        @tracetape.trace
        def items():
            yield 1
            yield 2

        atexit.register(lambda: step("of an exit handler"))
        atexit.register(lambda: print(tracetape.flush(1)))
        step("of the program")
        late, left = Late(), items()
        next(left)
        """,
        **store,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
    # A generator that is open at the end is recorded with what came.
    assert query("SELECT name FROM traces ORDER BY name")[:3] == [
        ("items",),
        ("of an exit handler",),
        ("of the program",),
    ]


def test_short_programs_keep_the_bound_too(
    run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """Though they are never idle: at their end old traces go, and texts are indexed."""
    program = """
        import tracetape

        with tracetape.start_span("step") as span:
            span.set_inputs("a giraffe")
        """
    for _ in range(2):
        done = run_python(program, **store, TRACETAPE_RETENTION="1s")
        assert (done.returncode, done.stderr) == (0, "")
        assert query("SELECT count(*) FROM traces") == [(1,)]
        assert query("SELECT count(*) FROM spans_text WHERE spans_text MATCH 'gir'") == [(1,)]
        time.sleep(1.1)


def test_a_program_that_makes_no_span_leaves_nothing(run_python: Run, tmp_path: Path) -> None:
    """No file, no thread."""
    run_python(
        """
        import threading, tracetape
        tracetape.trace(lambda: 1)
        assert threading.active_count() == 1
        assert tracetape.flush() == 0
        """
    )
    assert list(tmp_path.iterdir()) == []


def test_disabled_nothing_is_done(run_python: Run, tmp_path: Path) -> None:
    """TRACETAPE_DISABLED=1: results and exceptions as ever, no file, no thread."""
    run_python(
        """
        import threading, tracetape
        from tracetape.entities import NoOpSpan

        @tracetape.trace
        def double(x):
            return 2 * x

        with tracetape.start_span("s") as span:
            assert isinstance(span, NoOpSpan)
            span.set_inputs(1)
            assert double(4) == 8
            assert tracetape.get_current_active_span() is None
        try:
            double()
        except TypeError:
            pass
        else:
            raise AssertionError
        assert tracetape.get_last_active_trace_id() is None
        assert threading.active_count() == 1
        """,
        TRACETAPE_DISABLED="1",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_killed_program_keeps_what_ended_before(
    start_python: Start, query: Query, store: dict[str, str]
) -> None:
    """Spans that ended 200 ms before kill -9 are in the file; so is what was long under way."""
    process = start_python(
        """
        import sys, time
        import tracetape

        for n in range(100):
            with tracetape.start_span("before") as span:
                span.set_inputs("x" * 100)
        time.sleep(0.4)
        with tracetape.start_span("under way"):
            time.sleep(1.8)
            print("ready", flush=True)
            time.sleep(60)
        """,
        **store,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait(60)
    assert query("SELECT count(*) FROM spans WHERE name = 'before'") == [(100,)]
    assert query("SELECT end_ns, status FROM spans WHERE name = 'under way'") == [(None, "UNSET")]
    assert query("SELECT state FROM traces WHERE name = 'under way'") == [("IN_PROGRESS",)]
    assert query("PRAGMA integrity_check") == [("ok",)]
    with contextlib.closing(open_store(store["TRACETAPE_STORE"], read_only=True)) as source:
        (info,) = source.list_traces(1)
        trace = source.get_trace(int(info.trace_id[3:], 16))
    assert trace is not None
    assert is_unfinished(info)
    assert time.time() * 1000 - (last_seen_ms(info) or 0) < 60_000
    shown = tree_text(trace)
    assert re.match(r"under way  unfinished  last sign of life \d+ s ago", shown)
    assert "running" not in shown


def test_a_trace_that_is_written_while_it_runs_is_running(
    run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """Its process says again and again that it lives; of a finished one nothing is left of it."""
    done = run_python(
        """
        import time
        import tracetape
        from tracetape.live.liveness import is_unfinished, last_seen_ms
        from tracetape.recorder import writing

        writing._BEAT_SECONDS = 0.2
        with tracetape.start_span("root"):
            time.sleep(1.5)
            (info,) = tracetape.tracing.runtime.runtime.recorder.store.list_traces()
            first = last_seen_ms(info)
            time.sleep(0.8)
            (info,) = tracetape.tracing.runtime.runtime.recorder.store.list_traces()
            print(is_unfinished(info), last_seen_ms(info) > first)
        """,
        **store,
    )
    assert done.stdout == "False True\n"
    ((metadata,),) = query("SELECT metadata FROM traces")
    assert "tracetape." not in metadata


def test_fork(run_python: Run, query: Query, store: dict[str, str]) -> None:
    """Parent and child both record, in one trace if they fork inside it; neither hangs."""
    run_python(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore")
        import tracetape

        with tracetape.start_span("before"):
            pass
        with tracetape.start_span("root"):
            with tracetape.start_span("parent 1"):
                pass
            children = []
            for n in range(3):
                pid = os.fork()
                if pid == 0:
                    for m in range(10):
                        with tracetape.start_span(f"child {n}"):
                            pass
                    left = tracetape.flush(20)
                    assert tracetape.stats()["recorded"] == 10, tracetape.stats()
                    os._exit(left)
                children.append(pid)
            with tracetape.start_span("parent 2"):
                pass
            codes = [os.waitpid(pid, 0)[1] for pid in children]
        assert codes == [0, 0, 0], codes
        """,
        **store,
    )
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        ("before", 1),
        ("child 0", 10),
        ("child 1", 10),
        ("child 2", 10),
        ("parent 1", 1),
        ("parent 2", 1),
        ("root", 1),
    ]
    assert query("SELECT name, state, span_count FROM traces ORDER BY name") == [
        ("before", "OK", 1),
        ("root", "OK", 33),
    ]
    ids = query("SELECT count(DISTINCT span_id) FROM spans")
    assert ids == [(34,)]


def test_fork_while_the_store_fails(run_python: Run, query: Query, store: dict[str, str]) -> None:
    """It does not wait for the store, and what was queued is written when the store is back."""
    done = run_python(
        """
        import os, time, warnings
        warnings.simplefilter("ignore")
        import tracetape
        from tracetape.exceptions import StoreError
        from tracetape.store import SQLiteStore

        write, failing = SQLiteStore.write, True
        def troubled(self, updates):
            if failing:
                raise StoreError("the disk is full")
            write(self, updates)
        SQLiteStore.write = troubled

        for n in range(20):
            with tracetape.start_span("before"):
                pass
        tracetape.flush(0.3)
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        took = time.monotonic() - began
        os.waitpid(pid, 0)
        failing = False
        assert tracetape.flush(20) == 0
        print(took)
        """,
        **store,
    )
    assert query("SELECT count(*) FROM spans") == [(20,)]
    assert float(done.stdout) < 2


def test_multiprocessing(run_python: Run, query: Query, store: dict[str, str]) -> None:
    """Processes of the standard library, which end by os._exit, lose nothing."""
    run_python(
        """
        import multiprocessing, warnings
        warnings.simplefilter("ignore")
        import tracetape

        def work(n):
            with tracetape.start_span(f"work {n}"):
                pass

        with tracetape.start_span("root"):
            context = multiprocessing.get_context("fork")
            processes = [context.Process(target=work, args=(n,)) for n in range(3)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
                assert process.exitcode == 0
        """,
        **store,
    )
    assert query("SELECT name FROM spans ORDER BY name") == [
        ("root",),
        ("work 0",),
        ("work 1",),
        ("work 2",),
    ]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("outer", [True, False], ids=["below an open span", "roots"])
def test_a_pool_that_kills_its_workers_at_once(
    method: str,
    outer: bool,
    run_python: Run,
    query: Query,
    store: dict[str, str],
    tmp_path: Path,
) -> None:
    """What they have recorded is written before their results go back."""
    source = tmp_path / "pooling.py"
    source.write_text(
        textwrap.dedent(
            """
            import contextlib, multiprocessing, sys, warnings
            warnings.simplefilter("ignore")
            import tracetape

            def work(n):
                with tracetape.start_span(f"work {n}"), tracetape.start_span("below"):
                    return n

            if __name__ == "__main__":
                outer = tracetape.start_span("outer") if sys.argv[2] else contextlib.nullcontext()
                with outer, multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                    assert sum(pool.map(work, range(8), 2)) == 28
            """
        )
    )
    start = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True)"
    run_python(start, str(source), method, "1" if outer else "", **store)
    found = query("SELECT name FROM spans WHERE name LIKE 'work%' ORDER BY name")
    assert found == [(f"work {n}",) for n in range(8)]
    assert query("SELECT count(*) FROM spans WHERE name = 'below'") == [(8,)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_whose_workers_make_spans_while_they_load_the_main_module(
    method: str, run_python: Run, query: Query, store: dict[str, str], tmp_path: Path
) -> None:
    """multiprocessing says only afterwards that they are a pool's; all is written anyway."""
    source = tmp_path / "loading.py"
    source.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys, time
            import tracetape
            from tracetape.store import SQLiteStore

            write = SQLiteStore.write

            def slowly(store, updates):
                time.sleep(0.3)
                write(store, updates)

            SQLiteStore.write = slowly

            def work(n):
                with tracetape.start_span(f"work {n}"):
                    return n

            with tracetape.start_span("import of " + __name__):
                pass

            if __name__ == "__main__":
                with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
                    assert pool.map(work, range(3), 1) == [0, 1, 2]
            """
        )
    )
    start = "import subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True)"
    run_python(start, str(source), method, **store)
    assert query("SELECT name FROM spans ORDER BY name") == [
        ("import of __main__",),
        ("import of __mp_main__",),
        ("work 0",),
        ("work 1",),
        ("work 2",),
    ]


@pytest.mark.parametrize("daemon", [True, False], ids=["killed", "ends"])
def test_a_child_that_makes_a_span_before_multiprocessing_begins_it(
    daemon: bool, run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """In a hook of forks, say: what the process is it learns later, and loses nothing."""
    run_python(
        """
        import multiprocessing, os, sys, time, warnings
        warnings.simplefilter("ignore")
        import tracetape
        from tracetape.store import SQLiteStore

        write = SQLiteStore.write

        def slowly(store, updates):
            time.sleep(0.3)
            write(store, updates)

        def begin():
            SQLiteStore.write = slowly
            with tracetape.start_span("hook"):
                pass

        def work(queue):
            with tracetape.start_span("work"):
                pass
            queue.put(1)
            if sys.argv[1]:
                time.sleep(60)

        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        os.register_at_fork(after_in_child=begin)
        process = context.Process(target=work, args=(queue,), daemon=bool(sys.argv[1]))
        process.start()
        queue.get()
        if sys.argv[1]:
            process.terminate()
        process.join()
        """,
        "1" if daemon else "",
        **store,
    )
    assert query("SELECT name FROM spans ORDER BY name") == [("hook",), ("work",)]


@pytest.mark.parametrize("daemon", [True, False], ids=["event loop", "server"])
def test_a_child_that_serves_is_not_held_up(
    daemon: bool, run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """Only who may be killed after the result waits for the store, and no event loop does."""
    run_python(
        """
        import asyncio, multiprocessing, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        import tracetape
        from tracetape.store import SQLiteStore

        go_on = threading.Event()
        write = SQLiteStore.write

        def slowly(store, updates):
            go_on.wait(60)
            write(store, updates)

        def serve():
            began = time.monotonic()
            with tracetape.start_span("request"):
                pass
            took = time.monotonic() - began
            go_on.set()
            assert tracetape.flush(20) == 0
            assert took < 4, took  # a wait for the store takes 5

        async def serve_async():
            serve()

        def child():
            SQLiteStore.write = slowly
            if multiprocessing.current_process().daemon:
                asyncio.run(serve_async())
            else:
                serve()

        context = multiprocessing.get_context("fork")
        process = context.Process(target=child, daemon=bool(sys.argv[1]))
        process.start()
        process.join()
        assert process.exitcode == 0
        """,
        "1" if daemon else "",
        **store,
    )
    assert query("SELECT name FROM spans") == [("request",)]


def test_killed_within_the_first_second(
    start_python: Start, store_path: Path, store: dict[str, str]
) -> None:
    """What was written says whose it is, so that it does not seem to run; no span is an orphan."""
    process = start_python(
        """
        import time, tracetape
        with tracetape.start_span("root") as root, tracetape.start_span("between"):
            with tracetape.start_span("below"):
                pass
            assert tracetape.flush() == 0
            print(root.trace_id, flush=True)
            time.sleep(60)
        """,
        **store,
    )
    trace_id = process.stdout.readline().strip()  # type: ignore[union-attr]
    process.kill()
    process.wait(60)
    trace = open_store(f"sqlite:///{store_path}").get_trace(int(trace_id[3:], 16))
    assert trace is not None
    assert {span.name for span in trace.data.spans} == {"root", "between", "below"}
    assert is_unfinished(trace.info)


def test_four_processes_at_one_store(
    start_python: Start, query: Query, store: dict[str, str]
) -> None:
    """All of their spans are there, though they begin at the same moment in an empty folder."""
    source = """
        import sys, tracetape
        print("ready", flush=True)
        sys.stdin.readline()
        for n in range(500):
            with tracetape.start_span(sys.argv[1]) as span:
                span.set_inputs({"n": n})
        sys.exit(tracetape.flush(30))
    """
    processes = [start_python(source, f"process {n}", **store) for n in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        (f"process {n}", 500) for n in range(4)
    ]
    assert query("SELECT count(*) FROM traces WHERE state = 'OK'") == [(2000,)]


def test_importing_brings_nothing_heavy(run_python: Run) -> None:
    """Neither asyncio nor wrapt, nor the parts that are used later."""
    done = run_python(
        """
        import sys
        import tracetape
        print(*(name for name in sys.argv[1:] if name in sys.modules))
        """,
        "asyncio",
        "wrapt",
        "pydantic",
        "respx",
        "yaml",
        "click",
        "rich",
        "tracetape.instrument",
        "tracetape.cassettes",
    )
    assert done.stdout.split() == []
