"""Our own faults: a log line and a counter, never another result or exception for the user."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import diagnostics
from tracetape.entities import SpanEvent
from tracetape.live import live_span, live_trace
from tracetape.recorder import Recorder, writing
from tracetape.tracing import decorator
from tracetape.tracing.runtime import runtime

RESULT = {"answer": object()}


class OurFaultError(Exception):
    """What the broken part raises."""


def broken(*args: Any, **kwargs: Any) -> Any:
    """Stands in for a part of ours."""
    raise OurFaultError("broken")


class UserError(Exception):
    """What the user's program raises."""


def program(error: BaseException | None) -> Any:
    """Every kind of span, with everything set."""

    @tracetape.trace(attributes={"a": [1]})
    def step(x: Any, *rest: Any) -> Any:
        active = tracetape.get_current_active_span()
        assert active is None or active.set_inputs([x]) is None
        if error is not None:
            raise error
        return x

    with tracetape.start_span("root", attributes={"n": 1}) as span:
        span.set_inputs({"q": [1]})
        span.set_attribute("k", [1])
        span.set_attributes({"l": [1], "mlflow.unheard.of": [1], "mlflow.llm.model": "m"})
        span.add_event(SpanEvent("e", attributes={"x": [1]}))
        span.record_exception(ValueError("handled"))
        span.set_status("OK")
        with tracetape.start_span("child", attributes={"deep": [1]}) as child:
            child.set_span_type("TOOL")
            child.end(outputs=[1], attributes={"a": [1]}, status="ERROR")
        result = step(RESULT, 1, 2)
        span.set_outputs(result)
    return result


def break_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "random_bits", broken)


def break_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_span, "encode", broken)
    monkeypatch.setattr(decorator, "encode", broken)


def break_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "began", broken)


def break_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recorder, "ended", broken)


def break_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(runtime.recorder.store), "write", broken)


def break_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "make_batch", broken)


def break_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_span.SpanEvent, "from_exception", broken)


def break_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_trace, "_fresh_until", 0)
    monkeypatch.setattr(live_trace, "wall_clock_ns", broken)


SEAMS = {
    name.removeprefix("break_"): function
    for name, function in list(globals().items())
    if name.startswith("break_")
}
seams = pytest.mark.parametrize("seam", SEAMS.values(), ids=SEAMS)


@seams
@pytest.mark.parametrize("error", [None, UserError("mine"), KeyboardInterrupt("mine")], ids=repr)
def test_no_fault_of_ours_reaches_the_program(
    seam: Callable[[pytest.MonkeyPatch], None],
    error: BaseException | None,
    lenient: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same result, or the same exception; the fault is logged once per place and counted."""
    caplog.set_level(logging.DEBUG, logger="tracetape")  # which has the tracebacks
    seam(monkeypatch)
    for _ in range(2):
        if error is None:
            assert program(None) is RESULT
        else:
            with pytest.raises(type(error)) as caught:
                program(error)
            assert caught.value is error
            assert error.__cause__ is None
            assert not isinstance(error.__context__, OurFaultError)
    runtime.recorder.close()  # the worker has said what it has to say
    assert tracetape.get_current_active_span() is None
    faults = diagnostics.faults()
    assert faults
    assert tracetape.stats()["faults"] == faults
    logged = [r for r in caplog.records if "internal error while" in r.getMessage()]
    assert len(logged) == len(faults)
    assert all(record.levelname == "WARNING" and record.exc_info for record in logged)
    monkeypatch.undo()


@seams
def test_afterwards_everything_works_again(
    seam: Callable[[pytest.MonkeyPatch], None], lenient: None, query: Callable[..., Any]
) -> None:
    """A passing fault leaves nothing broken behind."""
    with pytest.MonkeyPatch.context() as patch:
        seam(patch)
        program(None)
        tracetape.flush(20)
    with tracetape.start_span("healthy"):
        pass
    assert tracetape.flush(20) == 0
    assert query("SELECT count(*) FROM traces WHERE name = 'healthy' AND state = 'OK'") == [(1,)]


async def test_no_fault_of_ours_reaches_a_coroutine(
    lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor async functions."""
    break_encode(monkeypatch)

    @tracetape.trace
    async def step(x: Any) -> Any:
        return x

    assert await step(RESULT) is RESULT
    assert diagnostics.faults()


def test_spans_that_could_not_be_written_are_counted(
    lenient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not lost in silence."""
    break_write(monkeypatch)
    for _ in range(3):
        with tracetape.start_span():
            pass
    assert tracetape.flush(20) == 0
    stats = tracetape.stats()
    assert (stats["recorded"], stats["written"], stats["lost"]) == (3, 0, 3)


def test_a_span_that_cannot_be_read_takes_no_other_trace_along(
    lenient: None, query: Callable[..., Any]
) -> None:
    """Its own trace is counted as lost; of the others of its batch nothing is."""

    class Unreadable:
        def read(self, span: Any, fields: dict[str, Any]) -> dict[str, Any]:
            raise OurFaultError("broken")

    for name in ("before", "broken", "after"):
        with tracetape.start_span(name) as span:
            span.set_outputs("x")
            if name == "broken":
                span.set_unread(Unreadable())  # type: ignore[attr-defined]
    assert tracetape.flush(20) == 0
    stats = tracetape.stats()
    assert (stats["recorded"], stats["written"], stats["lost"]) == (3, 2, 1)
    assert query("SELECT name FROM traces ORDER BY name") == [("after",), ("before",)]
    assert diagnostics.faults()


def test_in_our_suite_a_fault_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that none hides."""
    break_ids(monkeypatch)
    with pytest.raises(OurFaultError):
        with tracetape.start_span():
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_in_our_suite_a_fault_in_the_worker_is_raised_and_hangs_nothing(
    monkeypatch: pytest.MonkeyPatch, query: Callable[..., Any]
) -> None:
    """It shows as a thread's unhandled exception; the next span starts a new worker."""
    with pytest.MonkeyPatch.context() as patch:
        break_batch(patch)
        with tracetape.start_span("lost"):
            pass
        assert tracetape.flush(20) == 0
    with tracetape.start_span("healthy"):
        pass
    assert tracetape.flush(20) == 0
    assert query("SELECT name FROM spans") == [("healthy",)]


def test_warn_once_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """By key, not by text."""
    for number in range(3):
        diagnostics.warn_once("key", "number %d", number)
    diagnostics.warn_once("other", "number %d", 3)
    assert [record.getMessage() for record in caplog.records] == [
        "tracetape: number 0",
        "tracetape: number 3",
    ]
