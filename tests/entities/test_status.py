"""Statuses: as in OpenTelemetry OK is final; a finished span is OK unless it is ERROR."""

# ruff: noqa: PT012 - spans are opened inside `raises`, so that the exception passes them

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import Span, SpanStatus, SpanStatusCode, TraceState

ERROR = SpanStatus(SpanStatusCode.ERROR, "too slow")


@pytest.mark.parametrize("code", ["UNSET", "OK", "ERROR"])
def test_codes_are_strings(code: str) -> None:
    """A status code compares equal to its name, as programs written for MLflow expect."""
    assert SpanStatusCode(code) == code
    assert SpanStatus(code) == SpanStatus(SpanStatusCode(code), "")
    assert isinstance(SpanStatus(code).status_code, SpanStatusCode)


def test_trace_states_are_strings() -> None:
    """So does a trace's state."""
    assert TraceState.IN_PROGRESS == "IN_PROGRESS"
    assert {state.value for state in TraceState} == {
        "STATE_UNSPECIFIED",
        "OK",
        "ERROR",
        "IN_PROGRESS",
    }


def test_statuses_are_equal_by_value() -> None:
    """Two statuses are equal if code and description are."""
    assert SpanStatus("ERROR", "no") == SpanStatus(SpanStatusCode.ERROR, "no")
    assert SpanStatus("ERROR", "no") != SpanStatus("ERROR", "yes")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], SpanStatus("OK")),
        (["OK"], SpanStatus("OK")),
        (["UNSET"], SpanStatus("OK")),
        (["ERROR"], SpanStatus("ERROR")),
        (["OK", "ERROR"], SpanStatus("OK")),
        (["OK", "UNSET"], SpanStatus("OK")),
        (["ERROR", "OK"], SpanStatus("OK")),
        (["ERROR", "UNSET"], SpanStatus("ERROR")),
        (["ERROR", ERROR], ERROR),
        ([ERROR], ERROR),
        ([SpanStatusCode.ERROR], SpanStatus("ERROR")),
        ([SpanStatusCode.OK, SpanStatusCode.ERROR], SpanStatus("OK")),
        ([SpanStatus(SpanStatusCode.OK, "fine"), ERROR], SpanStatus("OK", "fine")),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else None,
)
def test_the_last_word_on_a_status(
    steps: list[Any], expected: SpanStatus, last_span: Callable[[], Span]
) -> None:
    """OK is final, ERROR alone stays, a status never set becomes OK."""
    with tracetape.start_span("step") as span:
        for status in steps:
            span.set_status(status)
    assert span.status == expected
    assert last_span().status == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], SpanStatus("ERROR", "ValueError: no")),
        (["UNSET"], SpanStatus("ERROR", "ValueError: no")),
        ([ERROR], SpanStatus("ERROR", "ValueError: no")),
        (["OK"], SpanStatus("OK")),
    ],
)
def test_an_exception_is_an_error_unless_ok_was_said(
    steps: list[Any], expected: SpanStatus, last_span: Callable[[], Span]
) -> None:
    """OK set explicitly outlasts even an exception, which is still recorded."""
    with pytest.raises(ValueError, match="no"):
        with tracetape.start_span("step") as span:
            for status in steps:
                span.set_status(status)
            raise ValueError("no")
    assert last_span().status == expected
    assert [event.name for event in last_span().events] == ["exception"]


@pytest.mark.parametrize("bad", ["ok", "", "FAILED", 7, None, [], object()])
def test_a_bad_status_is_a_clear_error(bad: Any) -> None:
    """It is a TracetapeException and a ValueError, and names the three codes."""
    with tracetape.start_span("step") as span:
        with pytest.raises(TracetapeException, match="is not a valid SpanStatusCode") as caught:
            span.set_status(bad)
        assert isinstance(caught.value, ValueError)
        assert "'UNSET', 'OK', 'ERROR'" in str(caught.value)
        with pytest.raises(TracetapeException):
            SpanStatus(bad)
        assert span.status == SpanStatus("UNSET")


def test_a_bad_status_at_the_end_is_a_warning(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """`end` never raises."""
    with tracetape.start_span("step") as span:
        span.end(status="FAILED", outputs=1)
    assert "not a valid SpanStatusCode" in caplog.text
    assert (last_span().status, last_span().outputs) == (SpanStatus("OK"), 1)


def test_a_status_is_taken_as_it_is_at_the_call() -> None:
    """Changing the object that was set, or the one that was read, changes nothing."""
    status = SpanStatus("ERROR", "first")
    with tracetape.start_span("step") as span:
        span.set_status(status)
        status.description = "second"
        span.status.description = "third"
        assert span.status == SpanStatus("ERROR", "first")
    with tracetape.start_span("other") as other:
        other.status.description = "spoilt"
    with tracetape.start_span("next") as after:
        pass
    assert after.status == SpanStatus("OK", "")


@pytest.mark.parametrize(("status", "state"), [("OK", TraceState.OK), ("ERROR", TraceState.ERROR)])
def test_the_root_decides_the_state_of_the_trace(
    status: str, state: TraceState, last_trace: Callable[[], Any]
) -> None:
    """An error below the root is counted, and does not make the trace an error."""
    with tracetape.start_span("root") as root:
        with pytest.raises(KeyError):
            with tracetape.start_span("child"):
                raise KeyError("x")
        root.set_status(status)
    info = last_trace().info
    assert info.state == state
    assert info.error_count == 1 + (status == "ERROR")
