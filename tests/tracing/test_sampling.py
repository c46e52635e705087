"""Sampling: the root decides, everything below follows, and failures can be kept."""

# ruff: noqa: PT012 - spans are opened inside `raises`, so that the exception passes them

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape import tracing
from tracetape.entities import NoOpSpan, Trace
from tracetape.exceptions import TracetapeException
from tracetape.tracing.runtime import runtime

RATIO = "TRACETAPE_TRACE_SAMPLING_RATIO"
KEEP = "TRACETAPE_TRACE_SAMPLING_KEEP_ERRORS"
NO_OP = "MLFLOW_NO_OP_SPAN_TRACE_ID"


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> Iterator[None]:
    """What a test configures does not outlive it."""
    with tracetape.configure():
        yield


def is_recorded() -> bool:
    """Whether a trace that begins now is."""
    with tracetape.start_span() as span:
        return not isinstance(span, NoOpSpan)


def stored(query: Callable[..., list[tuple[Any, ...]]]) -> list[str]:
    """Names of all spans that are in the database."""
    assert tracetape.flush(20) == 0
    return [name for (name,) in query("SELECT name FROM spans ORDER BY start_ns")]


@pytest.mark.parametrize(("ratio", "recorded"), [(0, False), (0.0, False), (1, True), (1.0, True)])
def test_all_or_none(ratio: float, recorded: bool) -> None:
    """1 is every trace, 0 is none."""
    tracetape.configure(sampling_ratio=ratio)
    assert [is_recorded() for _ in range(50)] == [recorded] * 50


def test_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """About the share that was asked for."""
    monkeypatch.setattr(random, "random", random.Random(3).random)
    tracetape.configure(sampling_ratio=0.25)
    assert 200 < sum(is_recorded() for _ in range(1000)) < 300


@pytest.mark.parametrize("ratio", [-0.1, 1.1, "much", float("nan"), [1]])
def test_a_ratio_that_is_none(ratio: Any) -> None:
    """Refused where it is said, and nothing changes."""
    with pytest.raises(ValueError, match=r"must be between 0\.0 and 1\.0") as caught:
        tracetape.configure(sampling_ratio=ratio)
    assert isinstance(caught.value, TracetapeException)
    with pytest.raises(ValueError, match="sampling_ratio_override must be between"):
        tracetape.trace(sampling_ratio_override=ratio)
    assert runtime.sampling_ratio == 1.0


@pytest.mark.parametrize(("text", "recorded"), [("0", False), ("0.0", False), ("1", True)])
def test_the_environment(text: str, recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at the start, and again by `reset()`."""
    monkeypatch.setenv(RATIO, text)
    assert is_recorded()
    tracing.reset()
    assert is_recorded() is recorded
    monkeypatch.delenv(RATIO)
    tracing.reset()
    assert is_recorded()


@pytest.mark.parametrize("text", ["", "much", "2", "-1"])
def test_a_ratio_of_the_environment_that_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and everything is recorded."""
    monkeypatch.setenv(RATIO, text)
    tracing.reset()
    (record,) = caplog.records
    assert RATIO in record.getMessage()
    assert is_recorded()


def test_a_program_that_is_told_by_its_environment(run_python: Callable[..., Any]) -> None:
    """Without a word in the program."""
    program = "import tracetape\nwith tracetape.start_span() as span: print(span.trace_id)"
    assert run_python(program, **{RATIO: "0"}).stdout.strip() == NO_OP
    assert run_python(program, **{RATIO: "1"}).stdout.startswith("tr-")


def test_children_follow_a_dropped_root() -> None:
    """Nothing below it is recorded, however it is made."""
    seen: list[Any] = []

    @tracetape.trace(sampling_ratio_override=1.0)
    def function() -> None:
        seen.append(tracetape.get_current_active_span())

    with tracetape.configure(sampling_ratio=0), tracetape.start_span() as root:
        tracetape.configure(sampling_ratio=1)
        with tracetape.start_span() as child:
            function()
        with tracetape.context(tags={"a": "1"}), tracetape.start_span() as inner:
            pass
        below = tracetape.start_span_no_context("below", parent_span=child)
        assert tracetape.get_current_active_span() is None
        assert tracetape.get_active_trace_id() is None
    assert {type(span) for span in (root, child, inner, below)} == {NoOpSpan}
    assert seen == [None]
    assert tracetape.get_last_active_trace_id() is None
    assert is_recorded()


def test_a_dropped_root_that_fails() -> None:
    """The exception passes, and the next trace is a trace again."""
    error = ValueError("inside")
    with pytest.raises(ValueError) as caught:
        with tracetape.configure(sampling_ratio=0), tracetape.start_span():
            raise error
    assert caught.value is error
    assert is_recorded()


@tracetape.trace(sampling_ratio_override=0.0)
def never() -> list[Any]:
    """A root that is never recorded."""
    with tracetape.start_span() as span:
        return [span]


@tracetape.trace(sampling_ratio_override=0.0)
def never_generated() -> Iterator[Any]:
    """The same, item by item."""
    for _ in range(2):
        with tracetape.start_span() as span:
            yield span


@tracetape.trace(sampling_ratio_override=0.0)
async def never_awaited() -> list[Any]:
    """The same, awaited, with a task of its own."""

    async def task() -> Any:
        with tracetape.start_span() as span:
            await asyncio.sleep(0)
            return span

    return [await asyncio.create_task(task()), await task()]


@tracetape.trace(sampling_ratio_override=0.0)
async def never_generated_async() -> AsyncIterator[Any]:
    """The same, item by item, asynchronously."""
    for _ in range(2):
        await asyncio.sleep(0)
        with tracetape.start_span() as span:
            yield span


async def _collect() -> list[Any]:
    return [span async for span in never_generated_async()]


KINDS: dict[str, Callable[[], Any]] = {
    "function": never,
    "generator": lambda: list(never_generated()),
    "coroutine": lambda: asyncio.run(never_awaited()),
    "async generator": lambda: asyncio.run(_collect()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_override_wins_at_the_root(kind: str) -> None:
    """A function that is never sampled, with everything that it calls."""
    spans = KINDS[kind]()
    assert {type(span) for span in spans} == {NoOpSpan}
    assert tracetape.get_last_active_trace_id() is None
    assert is_recorded()


@pytest.mark.parametrize("kind", KINDS)
def test_an_override_is_not_asked_below_a_recorded_root(kind: str) -> None:
    """Children follow the root, not their own ratio."""
    with tracetape.start_span() as root:
        assert {span.trace_id for span in KINDS[kind]()} == {root.trace_id}


def test_an_override_of_one_wins_over_a_ratio_of_zero(last_trace: Callable[[], Trace]) -> None:
    """The whole trace is recorded."""

    @tracetape.trace(sampling_ratio_override=1)
    def always() -> None:
        with tracetape.start_span("child"):
            pass

    tracetape.configure(sampling_ratio=0)
    always()
    assert [span.name for span in last_trace().data.spans] == ["always", "child"]


def test_between_the_items_of_a_dropped_generator() -> None:
    """The consumer's spans are its own."""
    for _ in never_generated():
        assert is_recorded()
    with tracetape.start_span("consumer") as consumer:
        pass
    assert consumer.trace_id.startswith("tr-")


def test_a_trace_of_another_process_is_recorded_as_its_root_decided() -> None:
    """The caller has sampled already."""
    header = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    with tracetape.configure(sampling_ratio=0):
        with tracing.set_tracing_context_from_http_request_headers(header):
            assert is_recorded()
        assert not is_recorded()


def test_failing_traces_can_be_kept(query: Callable[..., Any]) -> None:
    """Exactly those in which anything failed, and these whole."""
    tracetape.configure(sampling_ratio=0, keep_errors=True)
    for n in range(6):
        with tracetape.start_span(f"root {n}"):
            with tracetape.start_span(f"fine {n}"):
                pass
            try:
                with tracetape.start_span(f"child {n}"):
                    if n % 3 == 0:
                        raise ValueError(n)
            except ValueError:
                pass
    assert stored(query) == [f"{name} {n}" for n in (0, 3) for name in ("root", "fine", "child")]


def test_a_failing_root_is_kept(last_trace: Callable[[], Trace]) -> None:
    """With its exception, as if it had been sampled."""
    tracetape.configure(sampling_ratio=0, keep_errors=True)
    with pytest.raises(ValueError), tracetape.start_span("root"):
        tracetape.update_current_trace(tags={"a": "1"})
        with tracetape.start_span("child"):
            raise ValueError("bad")
    trace = last_trace()
    assert [span.status.status_code for span in trace.data.spans] == ["ERROR", "ERROR"]
    assert (trace.info.state, trace.info.tags["a"]) == ("ERROR", "1")


def test_a_trace_that_may_be_dropped_looks_like_any_other() -> None:
    """Its spans are real ones, since nobody knows yet; afterwards it is gone."""
    tracetape.configure(sampling_ratio=0, keep_errors=True)
    with tracetape.start_span() as root, tracetape.start_span() as child:
        assert tracetape.get_current_active_span() is child
        assert child.trace_id == root.trace_id
    assert tracetape.flush(20) == 0
    assert tracetape.get_trace(root.trace_id, silent=True) is None


def test_what_ends_after_a_dropped_root_is_dropped_too(query: Callable[..., Any]) -> None:
    """Whatever becomes of it."""
    tracetape.configure(sampling_ratio=0, keep_errors=True)
    with tracetape.start_span("root") as root:
        late = tracetape.start_span_no_context("late", parent_span=root)
    late.record_exception(ValueError("too late"))
    late.end()
    tracetape.configure(sampling_ratio=1)
    with tracetape.start_span("next"):
        pass
    assert stored(query) == ["next"]


def test_what_ends_after_a_kept_root_is_kept_too(query: Callable[..., Any]) -> None:
    """A trace that failed is whole."""
    tracetape.configure(sampling_ratio=0, keep_errors=True)
    with tracetape.start_span("root") as root:
        late = tracetape.start_span_no_context("late", parent_span=root)
        root.record_exception("failed")
    late.end()
    assert stored(query) == ["root", "late"]


def test_keeping_errors_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, query: Callable[..., Any], store_path: Any
) -> None:
    """Read by `reset()`, as the ratio is."""
    monkeypatch.setenv(RATIO, "0")
    monkeypatch.setenv(KEEP, "true")
    monkeypatch.setenv("TRACETAPE_STORE", f"sqlite:///{store_path}")
    tracing.reset()
    with tracetape.start_span("fine"):
        pass
    with tracetape.start_span("failed") as span:
        span.set_status("ERROR")
    assert stored(query) == ["failed"]


def test_the_span_that_is_not_recorded() -> None:
    """It takes everything and tells nothing, without a warning."""
    with tracetape.context(enabled=False), tracetape.start_span("name", "TOOL", {"a": 1}) as span:
        assert isinstance(span, NoOpSpan)
        span.set_inputs({"a": 1})
        span.set_outputs(2)
        span.set_attribute("a", 1)
        span.set_attributes({"b": 2})
        span.set_status("ERROR")
        span.set_span_type("AGENT")
        span.add_event(tracetape.entities.SpanEvent("event"))
        span.record_exception(ValueError())
        span.end(outputs=3)
    assert span.trace_id == tracetape.entities.NoOpSpan().trace_id == NO_OP
    assert (span.span_id, span.parent_id, span.name) == (None, None, None)
    assert (span.start_time_ns, span.end_time_ns) == (None, None)
    assert (span.inputs, span.outputs, span.attributes, span.events) == (None, None, {}, [])
    assert span.get_attribute("a") is None
    assert span.to_dict() == {}
    assert span.to_immutable_span() is span
