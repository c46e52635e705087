"""Work in other threads and tasks keeps its parent, and never lands under a stranger's."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import anyio
import anyio.to_thread
import pytest

import tracetape
from tracetape.entities import Trace

trio = pytest.importorskip("trio")

active = tracetape.get_current_active_span
SUBMIT, START = ThreadPoolExecutor.submit, threading.Thread.start


@pytest.fixture
def autolog() -> Iterator[None]:
    """Threads keep the current span, as `autolog()` has it; afterwards nothing is patched."""
    tracetape.autolog(exclude=["openai"])
    yield
    tracetape.autolog(disable=True)
    assert (ThreadPoolExecutor.submit, threading.Thread.start) == (SUBMIT, START)


with_autolog = pytest.mark.usefixtures("autolog")


def name_of_active() -> str | None:
    """The current span's name."""
    span = active()
    return None if span is None else span.name


def in_thread(function: Callable[[], Any]) -> Any:
    """What a function gives that is called in a thread of its own."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def work(name: str = "work") -> str | None:
    """A span; the name of the one around it."""
    around = name_of_active()
    with tracetape.start_span(name):
        pass
    return around


def parents(trace: Trace) -> dict[str, str | None]:
    """Each span's name, with its parent's."""
    names = {span.span_id: span.name for span in trace.data.spans}
    return {s.name: names.get(s.parent_id or "") for s in trace.data.spans}


# -- by hand ---------------------------------------------------------------------------------


def test_a_carried_function(last_trace: Callable[[], Trace]) -> None:
    """It runs below the span that was current when it was carried, in any thread."""
    with tracetape.start_span("root"):
        with tracetape.start_span("child"):
            carried = tracetape.carry(work)
            with tracetape.start_span("deeper"):
                assert in_thread(lambda: carried(name="far")) == "child"
                assert carried("near") == "child"
                assert name_of_active() == "deeper"
        assert carried("late") == "root"  # the nearest that is still open
    assert parents(last_trace()) == {
        "root": None,
        "child": "root",
        "deeper": "child",
        "far": "child",
        "near": "child",
        "late": "root",
    }


def test_a_carried_function_keeps_its_looks() -> None:
    """Name, signature, kind, result and exceptions."""

    async def coroutine(a: int) -> int:
        return a

    def fails(a: int) -> None:
        raise LookupError(a)

    for function in (coroutine, fails):
        carried = tracetape.carry(function)
        assert carried.__name__ == function.__name__
        assert inspect.signature(carried) == inspect.signature(function)
        assert inspect.iscoroutinefunction(carried) == inspect.iscoroutinefunction(function)
    assert asyncio.run(tracetape.carry(coroutine)(3)) == 3
    with pytest.raises(LookupError, match="3"), tracetape.start_span():
        tracetape.carry(fails)(3)
    assert active() is None


async def test_a_carried_coroutine_function() -> None:
    """In another task, and in another loop."""

    async def waiting() -> str | None:
        before = name_of_active()
        await asyncio.sleep(0)
        assert name_of_active() == before
        return before

    with tracetape.start_span("root"):
        carried = tracetape.carry(waiting)
    with tracetape.start_span("other"):
        assert await asyncio.create_task(carried()) is None  # root has ended
        with tracetape.start_span("parent"):
            carried = tracetape.carry(waiting)
            assert in_thread(lambda: asyncio.run(carried())) == "parent"
        assert name_of_active() == "other"


def test_carried_from_nowhere() -> None:
    """It has no parent, wherever it is called."""
    carried = tracetape.carry(work)
    with tracetape.start_span("elsewhere"):
        assert carried() is None
        assert name_of_active() == "elsewhere"


def test_only_our_own_variable_is_carried() -> None:
    """Other libraries' context is theirs."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    with tracetape.start_span():
        assert in_thread(tracetape.carry(variable.get)) == 0


# -- autolog(threads=True) ---------------------------------------------------------------------


@with_autolog
def test_work_that_is_submitted(last_trace: Callable[[], Trace]) -> None:
    """It lands below the span that submitted it."""
    with ThreadPoolExecutor(2) as pool, tracetape.start_span("root"):
        with tracetape.start_span("a"):
            assert pool.submit(work, "in a").result() == "a"
        with tracetape.start_span("b"):
            assert [*pool.map(work, ["in b 1", "in b 2"])] == ["b", "b"]
    assert parents(last_trace()) == {
        "root": None,
        "a": "root",
        "b": "root",
        "in a": "a",
        "in b 1": "b",
        "in b 2": "b",
    }


@with_autolog
def test_results_exceptions_and_arguments_of_submitted_work() -> None:
    """As without us."""

    def function(self: int, fn: int, *, place: int) -> tuple[int, int, int]:
        return self, fn, place

    def fails() -> None:
        raise LookupError("bad")

    with ThreadPoolExecutor(1) as pool, tracetape.start_span():
        assert pool.submit(function, 1, fn=2, place=3).result() == (1, 2, 3)
        with pytest.raises(LookupError, match="bad"):
            pool.submit(fails).result()
        with pytest.raises(TypeError):
            pool.submit()  # type: ignore[call-arg]


@with_autolog
def test_a_worker_remembers_nobody() -> None:
    """Work from outside of any span gets no parent, on a worker that has served one."""
    with ThreadPoolExecutor(1) as pool:
        with tracetape.start_span("request"):
            assert pool.submit(work).result() == "request"
        assert pool.submit(work).result() is None
        with tracetape.start_span("other"):
            assert pool.submit(work).result() == "other"
        assert pool.submit(work).result() is None


@with_autolog
def test_a_worker_that_was_started_inside_of_a_span() -> None:
    """It is the pool's thread, not the request's."""
    pool = ThreadPoolExecutor(1)
    with tracetape.start_span("request"):
        pool.submit(work).result()
    tracetape.autolog(disable=True)
    assert pool.submit(work).result() is None
    pool.shutdown()


@with_autolog
async def test_work_of_an_event_loop() -> None:
    """`run_in_executor`, with the loop's pool or another, and `to_thread`."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        for executor in (None, pool):
            with tracetape.start_span("request"):
                assert await loop.run_in_executor(executor, work) == "request"
            assert await loop.run_in_executor(executor, work) is None
    with tracetape.start_span("request"):
        assert await asyncio.to_thread(work) == "request"
    assert await asyncio.to_thread(work) is None


@with_autolog
@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_of_the_program(daemon: bool, last_trace: Callable[[], Trace]) -> None:
    """It keeps the span that it was started in, however it is made."""
    seen: dict[str, str | None] = {}

    class Own(threading.Thread):
        def run(self) -> None:
            seen["own"] = work("own")

    class Calling(threading.Thread):
        def run(self) -> None:
            super().run()

    def target(name: str) -> None:
        seen[name] = work(name)

    threads = [
        threading.Thread(target=target, args=("target",), daemon=daemon),
        Own(daemon=daemon),
        Calling(target=target, args=("calling",), daemon=daemon),
    ]
    with tracetape.start_span("request"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {"target": "request", "own": "request", "calling": "request"}
    assert parents(last_trace()) == {"request": None, **seen}
    assert all("run" not in vars(thread) for thread in threads)


@with_autolog
def test_a_thread_that_cannot_start() -> None:
    """It raises as ever, and is left as it was."""
    thread = threading.Thread(target=work)
    with tracetape.start_span():
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
    assert "run" not in vars(thread)


@with_autolog
def test_a_thread_with_a_run_of_its_own() -> None:
    """An attribute that the program has set is called, and is there afterwards."""
    seen: list[str | None] = []

    def run() -> None:
        seen.append(work())

    thread = threading.Thread()
    thread.run = run  # type: ignore[method-assign]
    with tracetape.start_span("request"):
        thread.start()
        thread.join()
    assert seen == ["request"]
    assert thread.run is run


@with_autolog
def test_a_thread_outside_of_any_span() -> None:
    """It has no parent, and is not touched."""
    assert in_thread(work) is None


@with_autolog
def test_threads_within_threads(last_trace: Callable[[], Trace]) -> None:
    """Each below the one that started it."""

    def outer() -> None:
        with tracetape.start_span("outer"):
            in_thread(lambda: work("inner"))

    with tracetape.start_span("root"):
        in_thread(outer)
    assert parents(last_trace()) == {"root": None, "outer": "root", "inner": "outer"}


@with_autolog
def test_threads_of_the_standard_library_inherit_nothing() -> None:
    """The workers of a pool, say, belong to nobody's request."""
    with ThreadPool(1) as idle:
        with tracetape.start_span("request"), ThreadPool(1) as pool:
            for one in (pool, idle):
                assert one.apply(work) == "request"
            tracetape.autolog(disable=True)
            for one in (pool, idle):
                assert one.apply(work) is None


# A thread is started by code of this file and module.
STARTS = """
def start(thread):
    thread.start()
    thread.join()
"""


@with_autolog
@pytest.mark.parametrize(
    ("file", "module", "parent"),
    [
        ("/home/u/.shiv/app_1/site-packages/posthog/consumer.py", "posthog.consumer", None),
        ("/opt/app/dist-packages/posthog.py", "posthog", None),
        (r"C:\\app\\site-packages\\posthog.py", "posthog", None),
        ("multiprocessing/pool.py", "multiprocessing.pool", None),  # within a packaged program
        ("queue.py", "queue", None),
        ("app.py", "__main__", "request"),
        ("worker/jobs.py", "worker.jobs", "request"),
        ("/home/u/project/queue.py", "queue", "request"),
    ],
)
def test_libraries_are_known_wherever_they_are(file: str, module: str, parent: str | None) -> None:
    """Unpacked archives have `site-packages` of their own; packaged programs have no folder."""
    names: dict[str, Any] = {"__name__": module}
    exec(compile(STARTS, file, "exec"), names)
    found: list[str | None] = []
    with tracetape.start_span("request"):
        names["start"](threading.Thread(target=lambda: found.append(work())))
    assert found == [parent]


@with_autolog
def test_switching_it_on_twice() -> None:
    """Is switching it on once."""
    tracetape.autolog(exclude=["openai"])
    with ThreadPoolExecutor(1) as pool, tracetape.start_span("request"):
        assert pool.submit(work).result() == "request"


@with_autolog
def test_while_tracing_is_off() -> None:
    """Work is done as ever."""
    with tracetape.context(enabled=False), ThreadPoolExecutor(1) as pool:
        with tracetape.start_span():
            assert pool.submit(work).result() is None
            assert in_thread(work) is None
    assert tracetape.get_last_active_trace_id() is None


@pytest.fixture
def disabled_afterwards() -> Iterator[None]:
    """Whatever a test switches on is off after it."""
    yield
    tracetape.autolog(disable=True)


@pytest.mark.usefixtures("disabled_afterwards")
@pytest.mark.parametrize("how", ["threads=False", "never", "disabled", "switched off"])
def test_without_it(how: str) -> None:
    """The originals are there, and threads start empty."""
    if how == "threads=False":
        tracetape.autolog(threads=False, exclude=["openai"])
    elif how == "disabled":
        tracetape.autolog(exclude=["openai"])
        tracetape.autolog(disable=True)
    elif how == "switched off":
        tracetape.autolog(exclude=["openai"])
        assert ThreadPoolExecutor.submit is not SUBMIT
        tracetape.autolog(threads=False, exclude=["openai"])
    assert ThreadPoolExecutor.submit is SUBMIT
    assert threading.Thread.start is START
    with ThreadPoolExecutor(1) as pool, tracetape.start_span("request"):
        assert pool.submit(work).result() is None
        assert in_thread(work) is None


@with_autolog
def test_many_requests_at_once(query: Callable[..., Any]) -> None:
    """A shared pool, hammered from many threads: none lands under a stranger's request."""
    pool = ThreadPoolExecutor(4)
    wrong: list[Any] = []

    def request(n: int) -> None:
        for _ in range(20):
            with tracetape.start_span(f"request {n}"):
                around = pool.submit(work).result()
                if around != f"request {n}":
                    wrong.append((n, around))
            if pool.submit(work).result() is not None:
                wrong.append((n, "a stranger"))

    threads = [threading.Thread(target=request, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.shutdown()
    assert wrong == []
    assert tracetape.flush(20) == 0
    assert query("SELECT count(*) FROM spans") == [(8 * 20 * 3,)]


# -- tasks -------------------------------------------------------------------------------------


async def test_a_thousand_coroutines(last_trace: Callable[[], Trace]) -> None:
    """Each with its own child, all below the same root."""

    @tracetape.trace
    async def branch(n: int) -> None:
        await asyncio.sleep(n % 7 / 1000)
        with tracetape.start_span(f"leaf {n}"):
            await asyncio.sleep(0)

    with tracetape.start_span("root") as root:
        await asyncio.gather(*(branch(n) for n in range(1000)))
        assert active() is root
    spans = {span.span_id: span for span in last_trace().data.spans}
    assert len(spans) == 2001
    for span in spans.values():
        if span.name.startswith("leaf"):
            parent = spans[span.parent_id or ""]
            assert span.name == f"leaf {parent.inputs['n']}"
            assert parent.parent_id == root.span_id


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_of_anyio(backend: str, last_trace: Callable[[], Trace]) -> None:
    """Task groups, and threads that anyio starts with the caller's context."""

    async def child(n: int) -> None:
        with tracetape.start_span(f"child {n}"):
            await anyio.sleep(0.001)
            await anyio.to_thread.run_sync(work, f"thread {n}")

    async def main() -> None:
        with tracetape.start_span("root") as root:
            async with anyio.create_task_group() as group:
                for n in range(5):
                    group.start_soon(child, n)
            assert active() is root

    anyio.run(main, backend=backend)
    expected: dict[str, str | None] = {"root": None}
    for n in range(5):
        expected |= {f"child {n}": "root", f"thread {n}": f"child {n}"}
    assert parents(last_trace()) == expected


def test_tasks_of_trio(last_trace: Callable[[], Trace]) -> None:
    """Nurseries and its own threads."""

    async def child(name: str) -> None:
        with tracetape.start_span(name):
            await trio.sleep(0.001)
            await trio.to_thread.run_sync(work, f"{name} thread")

    async def main() -> None:
        with tracetape.start_span("root"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child, "a")
                nursery.start_soon(child, "b")

    trio.run(main)
    assert parents(last_trace()) == {
        "root": None,
        "a": "root",
        "b": "root",
        "a thread": "a",
        "b thread": "b",
    }


def test_an_async_generator_on_trio(caplog: pytest.LogCaptureFixture) -> None:
    """Abandoned, it is closed by trio; nothing is logged."""
    kept: list[Any] = []
    tidied: list[int] = []

    @tracetape.trace
    async def items() -> Any:
        try:
            yield 1
            yield 2
        finally:
            tidied.append(1)

    async def main() -> None:
        kept.append(items())
        await kept[0].__anext__()

    trio.run(main)
    assert tidied == [1]
    assert tracetape.get_last_active_trace_id() is not None
    assert caplog.records == []


@with_autolog
async def test_an_event_loop_within_a_thread_of_another(last_trace: Callable[[], Trace]) -> None:
    """As notebooks and sync wrappers of async code do it."""

    async def inner() -> None:
        with tracetape.start_span("inner"):
            await asyncio.gather(*(asyncio.to_thread(work, f"work {n}") for n in range(3)))

    with tracetape.start_span("outer"):
        await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(inner()))
    assert parents(last_trace()) == {
        "outer": None,
        "inner": "outer",
        **{f"work {n}": "inner" for n in range(3)},
    }


@with_autolog
def test_tasks_of_a_pool_of_threads() -> None:
    """Of multiprocessing: each method hands a task on with its place, also with none."""
    with ThreadPool(2) as pool:

        def all_ways() -> set[str | None]:
            return {
                pool.apply(work),
                pool.apply_async(work, ("one",)).get(),
                *pool.map(work, ["a", "b"]),
                *pool.map_async(work, ["a"], chunksize=1).get(),
                *pool.starmap(work, [("a",)]),
                *pool.imap(work, ["a", "b"]),
                *pool.imap(work, ["a", "b"], chunksize=2),
                *pool.imap_unordered(work, ["a"]),
            }

        with tracetape.start_span("request"):
            assert all_ways() == {"request"}
        assert all_ways() == {None}
        with pytest.raises(ZeroDivisionError):
            pool.apply(lambda: 1 // 0)
        tracetape.autolog(disable=True)
        with tracetape.start_span("request"):
            assert all_ways() == {None}
    assert "apply_async" not in vars(ThreadPool)


GREEN = {
    "gevent": """
from gevent import monkey; monkey.patch_all()
import gevent, gevent.pool
def all_ways(work):
    group = gevent.pool.Group()
    pool = gevent.pool.Pool(2)
    return {
        gevent.spawn(work).get(),
        gevent.Greenlet.spawn(work).get(),
        gevent.spawn_later(0.01, work).get(),
        group.spawn(work).get(),
        *pool.map(work, "ab"),
        pool.apply(work),
        *pool.imap(work, "ab"),
        *pool.imap_unordered(work, "abc"),
    }
""",
    "eventlet": """
import eventlet; eventlet.monkey_patch()
from eventlet import greenthread
def all_ways(work):
    pool = eventlet.GreenPool(2)
    seen = []
    def keep(n=0):
        seen.append(work())
    greenthread.spawn(keep).wait()
    eventlet.spawn_after(0.01, keep, n=1).wait()
    pool.spawn_n(keep)
    pool.waitall()
    return {
        *seen,
        eventlet.spawn(work).wait(),
        pool.spawn(work).wait(),
        *pool.imap(work, "ab"),
        *pool.starmap(work, [("a",), ("b",)]),
    }
""",
}


@pytest.mark.parametrize("library", GREEN)
@pytest.mark.parametrize("first", [True, False], ids=["autolog first", "autolog afterwards"])
def test_green_threads(library: str, first: bool, run_python: Any) -> None:
    """They keep their place as threads do, until that is switched off."""
    autolog = "import tracetape\ntracetape.autolog(exclude=['openai'])\n"
    parts = [autolog, GREEN[library]] if first else [GREEN[library], autolog]
    done = run_python(
        "\n".join(parts)
        + """
import threading
def work(name="work"):
    span = tracetape.get_current_active_span()
    with tracetape.start_span("work"):
        pass
    return None if span is None else span.name
def in_thread():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(work()))
    thread.start()
    thread.join()
    return seen[0]
with tracetape.start_span("request"):
    assert all_ways(work) == {"request"}, all_ways(work)
    assert in_thread() == "request"
assert all_ways(work) == {None}, all_ways(work)
tracetape.autolog(disable=True)
with tracetape.start_span("request"):
    assert all_ways(work) == {None}, all_ways(work)
assert tracetape.flush(10) == 0
assert tracetape.stats()["faults"] == {}
""",
        PYTHONWARNINGS="ignore",
        EVENTLET_NO_GREENDNS="yes",
    )
    assert "tracetape" not in done.stderr


def test_what_a_library_starts_green_inherits_nothing(run_python: Any) -> None:
    """A thread of a pool serves the whole program, though a request has started it."""
    run_python(
        GREEN["gevent"]
        + """
import tracetape
tracetape.autolog(exclude=['openai'])
from concurrent.futures import ThreadPoolExecutor
def name():
    span = tracetape.get_current_active_span()
    return None if span is None else span.name
pool = ThreadPoolExecutor(1)
with tracetape.start_span("request"):
    assert pool.submit(name).result() == "request"
tracetape.autolog(disable=True)
assert pool.submit(name).result() is None
pool.shutdown()
"""
    )
