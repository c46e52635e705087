"""start_span: nesting, what is current, and exceptions that go on unchanged."""

# ruff: noqa: PT012 - spans are opened inside `raises`, so that the exception passes them

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape.entities import (
    Link,
    LiveSpan,
    NoOpSpan,
    Span,
    SpanLogLevel,
    SpanStatus,
    Trace,
)
from tracetape.tracing.runtime import runtime


def tree(trace: Trace) -> dict[str, str | None]:
    """Each span's name, with its parent's."""
    names = {span.span_id: span.name for span in trace.data.spans}
    return {
        span.name: None if span.parent_id is None else names[span.parent_id]
        for span in trace.data.spans
    }


def test_spans_nest_as_their_blocks_do(last_trace: Callable[[], Trace]) -> None:
    """A span belongs to the trace of the one around it; after it, its parent is current again."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("a") as a:
            with tracetape.start_span("b") as b:
                assert b.parent_id == a.span_id
            assert tracetape.get_current_active_span() is a
        with tracetape.start_span("c") as c:
            assert c.parent_id == root.span_id
    assert tracetape.get_current_active_span() is None
    assert {span.trace_id for span in (a, b, c)} == {root.trace_id}
    assert tree(last_trace()) == {"root": None, "a": "root", "b": "a", "c": "root"}


def test_each_root_begins_a_trace() -> None:
    """Spans one after the other are traces of their own."""
    with tracetape.start_span() as first:
        pass
    with tracetape.start_span() as second:
        pass
    assert first.trace_id != second.trace_id
    assert second.parent_id is None


def test_the_current_span_is_the_very_object() -> None:
    """Code further down can add to it."""
    assert tracetape.get_current_active_span() is None
    with tracetape.start_span() as span:
        active = tracetape.get_current_active_span()
        assert active is span
        active.set_attribute("from", "below")
    assert span.get_attribute("from") == "below"


class OddError(Exception):
    """An exception with a state of its own."""

    def __init__(self) -> None:
        super().__init__("odd one")
        self.state = [1]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad"),
        OddError(),
        KeyboardInterrupt("stop"),
        SystemExit(3),
        asyncio.CancelledError("enough"),
        StopIteration(7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_goes_on_unchanged(
    error: BaseException, last_trace: Callable[[], Trace]
) -> None:
    """The same object, and each span that it passed has one event and status ERROR."""
    arguments = error.args
    with pytest.raises(type(error)) as caught:
        with tracetape.start_span("outer"):
            with tracetape.start_span("before"):
                pass
            with tracetape.start_span("inner"):
                raise error  # the line that raised
    assert caught.value is error
    assert (error.args, error.__cause__, error.__context__) == (arguments, None, None)
    assert tracetape.get_current_active_span() is None
    trace = last_trace()
    outer, before, inner = trace.data.spans
    assert (before.status, before.events) == (SpanStatus("OK"), [])
    for span in (outer, inner):
        text = f"{type(error).__name__}: {error}"
        assert span.status == SpanStatus("ERROR", text)
        (event,) = span.events
        assert event.name == "exception"
        assert event.attributes["exception.type"] == type(error).__name__
        assert event.attributes["exception.message"] == str(error)
        assert "raise error  # the line that raised" in event.attributes["exception.stacktrace"]
    assert trace.info.state == "ERROR"
    assert trace.info.error_count == 2


def test_an_exception_that_is_caught_marks_only_the_spans_it_passed(
    last_trace: Callable[[], Trace],
) -> None:
    """The span in which it was handled is fine."""
    with tracetape.start_span("root"):
        try:
            with tracetape.start_span("child"):
                raise KeyError("gone")
        except KeyError:
            pass
    root, child = last_trace().data.spans
    assert (root.status, root.events) == (SpanStatus("OK"), [])
    assert child.status == SpanStatus("ERROR", "KeyError: 'gone'")


def test_the_cause_of_an_exception_is_recorded(last_span: Callable[[], Span]) -> None:
    """The stack trace shows both, with the lines that called."""

    def fail() -> None:
        raise KeyError("inner")

    with pytest.raises(ValueError, match="outer"):
        with tracetape.start_span():
            try:
                fail()
            except KeyError as error:
                raise ValueError("outer") from error
    stack = last_span().events[0].attributes["exception.stacktrace"]
    assert "fail()" in stack
    assert "KeyError: 'inner'" in stack
    assert "ValueError: outer" in stack


def test_a_span_in_a_generator_is_its_own_affair() -> None:
    """A generator that is left half-way, and finished later elsewhere, breaks nothing."""

    def numbers() -> Iterator[int]:
        with tracetape.start_span("numbers"):
            yield 1
            yield 2

    stream = numbers()
    with tracetape.start_span("first"):
        assert next(stream) == 1
    with tracetape.start_span("second") as second:
        assert list(stream) == [2]
        assert tracetape.get_current_active_span() is second
    assert tracetape.get_current_active_span() is None


def test_spans_left_out_of_order() -> None:
    """Leaving an outer span first leaves no dead one current."""
    outer, inner = tracetape.start_span("outer"), tracetape.start_span("inner")
    first = outer.__enter__()
    second = inner.__enter__()
    outer.__exit__(None, None, None)
    assert tracetape.get_current_active_span() is second
    with tracetape.start_span("third") as third:
        assert third.parent_id == second.span_id
    inner.__exit__(None, None, None)
    assert first.end_time_ns is not None
    assert tracetape.get_current_active_span() is None
    with tracetape.start_span("fresh") as fresh:
        assert fresh.parent_id is None


def test_below_a_span_ended_by_hand_the_nearest_open_one_is_the_parent() -> None:
    """An ended span has no more children."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("gone") as gone:
            gone.end()
            with tracetape.start_span("child") as child:
                assert child.parent_id == root.span_id
            assert tracetape.get_current_active_span() is root


def test_a_disabled_tracer_gives_spans_that_record_nothing(
    monkeypatch: pytest.MonkeyPatch, store_path: Any
) -> None:
    """The program runs as it would without us."""
    monkeypatch.setattr(runtime, "enabled", False)
    with pytest.raises(ValueError, match="mine"):
        with tracetape.start_span("root") as span:
            assert isinstance(span, NoOpSpan)
            span.set_inputs(1)
            assert tracetape.get_current_active_span() is None
            assert tracetape.trace(lambda x: x + 1)(2) == 3
            raise ValueError("mine")
    assert tracetape.flush() == 0
    assert tracetape.get_last_active_trace_id() is None
    assert not store_path.exists()


@pytest.mark.parametrize("how", ["block", "decorator", "no context"])
def test_what_is_said_wrongly_at_the_beginning_is_left_out(
    how: str, last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning each; the span is recorded with all the rest, though `set_log_level` raises."""
    good = Link("tr-" + "1" * 32, "2" * 16)
    said: Any = {
        "log_level": "LOUD",
        "links": [Link("tr-odd", "also odd"), 5, good],
        "description": "kept",
    }
    if how == "block":
        with tracetape.start_span("work", **said) as span:
            span.set_outputs("done")
    elif how == "decorator":
        assert tracetape.trace(lambda: "done", name="work", **said)() == "done"
    else:
        tracetape.start_span_no_context("work", **said).end(outputs="done")
    span = last_span()
    assert (span.name, span.outputs, span.description) == ("work", "done", "kept")
    assert span.links == [good]
    assert span.log_level is SpanLogLevel.DEBUG
    assert len(caplog.messages) == 3
    assert "The span 'work' begins without 'LOUD': Invalid SpanLogLevel name" in caplog.text
    assert tracetape.stats()["faults"] == {}


def test_ten_thousand_levels_of_spans() -> None:
    """Deep nesting runs out of nothing."""
    scopes = [tracetape.start_span(str(level)) for level in range(10_000)]
    spans: list[LiveSpan] = [scope.__enter__() for scope in scopes]
    for scope in reversed(scopes):
        scope.__exit__(None, None, None)
    assert spans[-1].parent_id == spans[-2].span_id
    assert tracetape.get_current_active_span() is None
