"""Events: moments within a span."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import tracetape
from tracetape.entities import Span, SpanEvent


def test_an_event_is_now_unless_it_says_when() -> None:
    """The time stamp is in nanoseconds since the epoch."""
    before = time.time_ns()
    event = SpanEvent("cache miss")
    assert before <= event.timestamp <= time.time_ns()
    assert event.attributes == {}
    assert SpanEvent("old", timestamp=1).timestamp == 1


def test_events_are_equal_by_value() -> None:
    """An event is a plain value, and its attributes are its own."""
    assert SpanEvent("a", 1, {"k": [1]}) == SpanEvent(name="a", timestamp=1, attributes={"k": [1]})
    assert SpanEvent("a", 1) != SpanEvent("a", 2)
    assert SpanEvent("a").attributes is not SpanEvent("b").attributes
    told = {"name": "a", "timestamp": 1, "attributes": '{"k": [2, {"x": "é"}]}'}
    assert SpanEvent("a", 1, {"k": [2, {"x": "é"}]}).json() == told
    assert SpanEvent("a", 1).json() == {"name": "a", "timestamp": 1, "attributes": None}


def test_events_are_kept_in_the_order_they_were_added(last_span: Callable[[], Span]) -> None:
    """Name, own time stamp and attributes read back as they were given."""
    events = [
        SpanEvent("retry", timestamp=1_700_000_000_000_000_001, attributes={"attempt": 1}),
        SpanEvent("earlier", timestamp=5, attributes={"why": {"nested": ["ü", None]}}),
        SpanEvent("bare", timestamp=7),
    ]
    with tracetape.start_span("step") as span:
        for event in events:
            span.add_event(event)
        assert span.events == events
    assert last_span().events == events


def test_an_event_is_taken_as_it_is_at_the_call(last_span: Callable[[], Span]) -> None:
    """Attributes changed later do not change history."""
    details = {"seen": [1]}
    with tracetape.start_span("step") as span:
        span.add_event(SpanEvent("look", attributes=details))
        details["seen"].append(2)
        span.events[0].attributes["seen"] = "spoilt"
    assert last_span().events[0].attributes == {"seen": [1]}


@pytest.mark.parametrize(
    "event",
    [
        SpanEvent("huge time", timestamp=2**80),
        SpanEvent("no time", timestamp=object()),  # type: ignore[arg-type]
        SpanEvent("float time", timestamp=1.5),  # type: ignore[arg-type]
        SpanEvent(object(), timestamp=1),  # type: ignore[arg-type]
        SpanEvent("\ud800", timestamp=1, attributes={"\ud800": "\udfff"}),
        SpanEvent("odd attributes", attributes={(1, 2): object()}),  # type: ignore[dict-item]
        SpanEvent("no attributes", attributes=None),  # type: ignore[arg-type]
    ],
    ids=lambda event: ascii(event.name)[:20],
)
def test_an_odd_event_harms_nobody(event: SpanEvent, last_span: Callable[[], Span]) -> None:
    """Whatever it holds, the span is stored with the event."""
    with tracetape.start_span("step") as span:
        span.add_event(event)
    assert len(last_span().events) == 1


class _SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _raise(error: BaseException) -> None:
    raise error


def test_from_exception() -> None:
    """Message, class name, and a stack trace with the causes and the lines that called."""
    try:
        try:
            _raise(KeyError("inner"))
        except KeyError as error:
            raise ValueError("outer") from error  # this line shows
    except ValueError as error:
        event = SpanEvent.from_exception(error)
    assert event.name == "exception"
    assert set(event.attributes) == {
        "exception.message",
        "exception.type",
        "exception.stacktrace",
    }
    assert event.attributes["exception.message"] == "outer"
    assert event.attributes["exception.type"] == "ValueError"
    stack = event.attributes["exception.stacktrace"]
    assert '_raise(KeyError("inner"))' in stack
    assert "raise ValueError(" in stack
    assert "KeyError: 'inner'" in stack
    assert "direct cause" in stack
    assert stack.index("KeyError: 'inner'") < stack.index("ValueError: outer")


def test_from_an_exception_that_was_not_raised() -> None:
    """It needs no traceback."""
    event = SpanEvent.from_exception(LookupError("never raised"))
    assert event.attributes["exception.stacktrace"].strip() == "LookupError: never raised"


def test_from_an_exception_that_has_no_text() -> None:
    """The user's __str__ may fail; we do not."""
    attributes = SpanEvent.from_exception(_SilentError()).attributes
    assert attributes["exception.type"] == "_SilentError"
    assert "_SilentError" in attributes["exception.message"]
    assert "_SilentError" in attributes["exception.stacktrace"]
