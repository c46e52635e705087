"""Tasks and threads: each has its own current span, and none can harm another's."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import tracetape
from tracetape.entities import Trace


def parents(trace: Trace) -> dict[str, str]:
    """Name of each span below the root, with its parent's name."""
    names = {span.span_id: span.name for span in trace.data.spans}
    return {s.name: names[s.parent_id] for s in trace.data.spans if s.parent_id is not None}


async def test_gathered_coroutines_each_keep_their_place(
    last_trace: Callable[[], Trace],
) -> None:
    """However their steps interleave."""
    order = random.Random(5)

    @tracetape.trace(name="leaf")
    async def leaf(n: int) -> None:
        await asyncio.sleep(order.random() / 100)
        span = tracetape.get_current_active_span()
        assert span is not None
        assert span.inputs == {"n": n}

    async def branch(n: int) -> None:
        with tracetape.start_span(f"branch {n}"):
            await asyncio.gather(*(leaf(n) for _ in range(3)))
            await asyncio.sleep(order.random() / 100)
            with tracetape.start_span(f"last {n}"):
                await asyncio.sleep(0)

    with tracetape.start_span("root") as root:
        await asyncio.gather(*(branch(n) for n in range(100)))
        assert tracetape.get_current_active_span() is root

    trace = last_trace()
    names = {span.span_id: span.name for span in trace.data.spans}
    assert len(trace.data.spans) == 1 + 100 * 5
    for span in trace.data.spans[1:]:
        assert span.parent_id is not None
        parent = names[span.parent_id]
        if span.name == "leaf":
            assert parent == f"branch {span.inputs['n']}"
        elif span.name.startswith("last"):
            assert parent == span.name.replace("last", "branch")
        else:
            assert parent == "root"


async def test_a_span_left_in_another_task_leaves_nothing_behind() -> None:
    """It neither raises there nor leaves a dead span current here."""
    scope = tracetape.start_span("wandering")
    root = tracetape.start_span("root")
    root_span = root.__enter__()
    span = scope.__enter__()

    async def leave() -> None:
        assert tracetape.get_current_active_span() is span
        scope.__exit__(None, None, None)
        assert tracetape.get_current_active_span() is root_span

    await asyncio.create_task(leave())
    assert span.end_time_ns is not None
    assert tracetape.get_current_active_span() is root_span
    with tracetape.start_span("next") as after:
        assert after.parent_id == root_span.span_id
    assert tracetape.get_current_active_span() is root_span
    root.__exit__(None, None, None)
    assert tracetape.get_current_active_span() is None


async def test_a_task_that_outlives_its_parent_span(last_trace: Callable[[], Trace]) -> None:
    """Its later spans join the nearest open span; without one they begin a trace."""
    go = asyncio.Event()

    async def late() -> tuple[str | None, str]:
        await go.wait()
        with tracetape.start_span("late") as span:
            return span.parent_id, span.trace_id

    with tracetape.start_span("root") as root:
        with tracetape.start_span("short"):
            first = asyncio.create_task(late())
        go.set()
        assert await first == (root.span_id, root.trace_id)
        go.clear()
        second = asyncio.create_task(late())
    go.set()
    parent_id, trace_id = await second
    assert parent_id is None
    assert trace_id != root.trace_id


def test_a_span_left_in_another_thread_leaves_nothing_behind() -> None:
    """The same, for threads."""
    scope = tracetape.start_span("wandering")
    span = scope.__enter__()
    errors: list[BaseException] = []

    def leave() -> None:
        try:
            assert tracetape.get_current_active_span() is None
            with tracetape.start_span("own") as own:
                scope.__exit__(None, None, None)
                assert tracetape.get_current_active_span() is own
        except BaseException as error:  # noqa: BLE001 - shown by the other thread
            errors.append(error)

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert errors == []
    assert span.end_time_ns is not None
    assert tracetape.get_current_active_span() is None
    with tracetape.start_span("next") as after:
        assert after.parent_id is None
        assert after.trace_id != span.trace_id
    # Nothing may stay behind in this context, ended or not.
    tracetape.tracing.current.current.set(None)


def test_a_span_ended_in_another_thread_while_it_is_current_here() -> None:
    """Its block goes on below the nearest open span."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("child") as child:
            thread = threading.Thread(target=child.end)
            thread.start()
            thread.join()
            assert tracetape.get_current_active_span() is root
        assert tracetape.get_current_active_span() is root


def test_threads_start_empty() -> None:
    """A new thread has no current span, and what it opens is its own trace."""
    with tracetape.start_span("root") as root:
        with ThreadPoolExecutor(4) as pool:
            spans = list(pool.map(_own_trace, range(8)))
    assert len({trace_id for _, trace_id in spans} | {root.trace_id}) == 9
    assert all(parent is None for parent, _ in spans)


def _own_trace(n: int) -> tuple[str | None, str]:
    assert tracetape.get_current_active_span() is None
    with tracetape.start_span(f"work {n}") as span:
        return span.parent_id, span.trace_id


def test_a_thread_may_be_given_the_context(last_trace: Callable[[], Trace]) -> None:
    """By the means of the standard library."""
    with tracetape.start_span("root"):
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(_child,))
        thread.start()
        thread.join()
        asyncio.run(_to_thread())
    assert parents(last_trace()) == {"child": "root", "asked": "root", "in thread": "asked"}


def _child() -> None:
    with tracetape.start_span("child"):
        pass


async def _to_thread() -> None:
    with tracetape.start_span("asked"):
        await asyncio.to_thread(tracetape.trace(lambda: None, name="in thread"))


def test_one_live_span_used_by_many_threads() -> None:
    """Its setters may be called from anywhere."""
    with tracetape.start_span("shared") as span:
        with ThreadPoolExecutor(8) as pool:
            for n in range(200):
                pool.submit(span.set_attribute, f"k{n}", [n])
    assert {f"k{n}": span.get_attribute(f"k{n}") for n in range(200)} == {
        f"k{n}": [n] for n in range(200)
    }
