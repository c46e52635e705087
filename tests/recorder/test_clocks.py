"""Programs whose tests stop the clock, or travel in time."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import freezegun
import pytest
import time_machine

import tracetape
from tracetape.entities import Span, Trace
from tracetape.live.live_span import LiveSpan
from tracetape.store.retention import parse_retention

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]
Clock = Callable[[], AbstractContextManager[Any]]

CLOCKS: dict[str, Clock] = {
    "frozen": lambda: freezegun.freeze_time("2001-02-03"),
    "frozen in the future": lambda: freezegun.freeze_time("2061-02-03"),
    "frozen, ticking": lambda: freezegun.freeze_time("2001-02-03", tick=True),
    "frozen, step by step": lambda: freezegun.freeze_time("2001-02-03", auto_tick_seconds=15),
    "travelling": lambda: time_machine.travel("2001-02-03"),
    "travelling to the future": lambda: time_machine.travel("2061-02-03", tick=False),
}
clocks = pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS)


@pytest.fixture
def moment() -> Callable[[Span], None]:
    """Check that a span lies between the test's beginning and now, and ends after it begins."""
    began = time.time_ns()

    def check(span: Span) -> None:
        assert span.end_time_ns is not None
        assert began - 10**9 <= span.start_time_ns <= span.end_time_ns
        assert span.end_time_ns <= time.time_ns() + 10**9

    return check


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next trace reads the wall clock again, as one does that begins a second later."""
    monkeypatch.setattr("tracetape.live.live_trace._fresh_until", 0)


@clocks
def test_spans_have_the_true_time(
    clock: Clock,
    moment: Callable[[Span], None],
    unread: None,
    last_trace: Callable[[], Trace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before, inside, across and after."""
    with tracetape.start_span("before"):
        pass
    moment(last_trace().data.spans[0])
    monkeypatch.setattr("tracetape.live.live_trace._fresh_until", 0)
    with tracetape.start_span("around"):
        with clock():
            with tracetape.start_span("below") as below:
                below.add_event(tracetape.entities.SpanEvent("now"))
    for span in last_trace().data.spans:
        moment(span)
        for event in span.events:
            assert span.start_time_ns - 10**9 <= event.timestamp <= span.start_time_ns + 20 * 10**9
    monkeypatch.setattr("tracetape.live.live_trace._fresh_until", 0)
    with clock():
        with tracetape.start_span("inside"):
            pass
        begun = tracetape.start_span_no_context("begun inside")
    begun.end()
    for one in (tracetape.get_trace(begun.trace_id), last_trace()):
        assert one is not None
        moment(one.data.spans[0])
        assert 0 <= (one.info.execution_duration or 0) < 20_000
    with tracetape.start_span("after"):
        pass
    moment(last_trace().data.spans[0])


@clocks
async def test_decorated_functions_and_tasks(
    clock: Clock,
    moment: Callable[[Span], None],
    unread: None,
    last_trace: Callable[[], Trace],
) -> None:
    """A frozen clock around a coroutine, as a decorator."""

    @clock()  # type: ignore[operator]
    async def step() -> int:
        with tracetape.start_span("step"):
            return 1

    assert await step() == 1
    moment(last_trace().data.spans[0])


@clocks
def test_flush_ends_in_time(clock: Clock, store_path: Path, query: Query) -> None:
    """With a store that is locked, and a clock that stands still."""
    with tracetape.start_span("first"):
        pass
    assert tracetape.flush(20) == 0
    with closing(sqlite3.connect(store_path, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        began = time.perf_counter()
        with clock():
            with tracetape.start_span("second"):
                pass
            assert tracetape.flush(0.2) == 1
        assert time.perf_counter() - began < 15
    assert tracetape.flush(20) == 0
    assert query("SELECT name FROM spans ORDER BY start_ns") == [("first",), ("second",)]


@clocks
def test_a_full_queue_holds_nobody_up(clock: Clock, troubled: Any) -> None:
    """A clock that stands still does not make the caller wait for ever."""
    from tracetape.recorder import Recorder
    from tracetape.tracing.runtime import runtime

    small = Recorder(lambda: troubled, max_bytes=10_000)
    before = runtime.use_recorder(small)
    try:
        troubled.open.clear()
        with clock():
            for _ in range(30):
                with tracetape.start_span("step"):
                    pass
        assert small.as_dict()["dropped_spans"] > 0
        troubled.open.set()
        assert small.flush(20) == 0
    finally:
        troubled.open.set()
        runtime.use_recorder(before).close()


@clocks
def test_nothing_is_pruned_by_another_clock(clock: Clock, query: Query) -> None:
    """What is old is told by the true time: in 2061 all traces would be."""
    from tracetape.tracing.runtime import runtime

    with tracetape.start_span("kept"):
        pass
    assert tracetape.flush(20) == 0
    retention = parse_retention("1h")
    with clock():
        assert sum(runtime.recorder.store.prune(retention)) == 0  # type: ignore[attr-defined]
    assert query("SELECT name FROM traces") == [("kept",)]


@pytest.mark.parametrize(
    ("start", "end"),
    [(2 * 10**18, None), (None, 10**18)],
    ids=["begins by another clock", "ends by another clock"],
)
def test_no_duration_is_negative(
    start: int | None, end: int | None, last_trace: Callable[[], Trace], query: Query
) -> None:
    """The other time may be one that the program took from a clock that is put forward."""
    span = tracetape.start_span_no_context("step", start_time_ns=start)
    assert isinstance(span, LiveSpan)
    span.end(end_time_ns=end)
    (found,) = last_trace().data.spans
    assert found.end_time_ns == found.start_time_ns
    assert tracetape.flush(20) == 0
    assert query("SELECT end_ns - start_ns FROM traces") == [(0,)]
    assert query("SELECT end_ns - start_ns FROM spans") == [(0,)]


@pytest.mark.parametrize(
    "clock",
    ["freezegun.freeze_time('2001-02-03')", "time_machine.travel('2001-02-03', tick=False)"],
    ids=["frozen", "travelling"],
)
def test_imported_while_the_clock_stands(clock: str, run_python: Run, store_path: Path) -> None:
    """The clock that we find is not the one that we keep."""
    done = run_python(
        f"""
        import freezegun, time, time_machine

        began = time.time_ns()
        with {clock}:
            import tracetape
            with tracetape.start_span("inside") as inside:
                pass
            tracetape.flush(10)
        with tracetape.start_span("after") as after:
            time.sleep(0.01)
        for span in (inside, after):
            assert began <= span.start_time_ns <= span.end_time_ns <= time.time_ns(), span
        assert after.end_time_ns - after.start_time_ns >= 10_000_000
        print(tracetape.flush(10))
        """,
        TRACETAPE_STORE=f"sqlite:///{store_path}",
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
