"""Judgements on traces: kept, found, changed, overridden, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    ExpectationValue,
    Feedback,
    FeedbackValue,
    IssueReference,
    IssueReferenceValue,
    Trace,
)
from tracetape.exceptions import InvalidTypeError, InvalidValueError

UNKNOWN = "tr-" + "0" * 32


@pytest.fixture
def trace_id() -> str:
    """A finished trace."""
    with tracetape.start_span("answer") as span:
        pass
    return span.trace_id


def read(trace_id: str) -> Trace:
    """The trace as it is now."""
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace


def found(filter_string: str) -> int:
    """How many traces a filter finds."""
    return len(tracetape.search_traces(filter_string=filter_string, return_type="list", flush=True))


def test_feedback_is_kept_with_its_trace(trace_id: str) -> None:
    """All that was said of it, whether the trace is in memory or in the store."""
    human = AssessmentSource("HUMAN", "ann")
    given = tracetape.log_feedback(
        trace_id=trace_id,
        name="quality",
        value={"clarity": 0.5, "words": ["a"]},
        source=human,
        rationale="well",
        metadata={"k": "v"},
        span_id="0" * 16,
    )
    assert isinstance(given, Feedback)
    assert given.assessment_id
    assert given.trace_id == trace_id
    for _ in range(2):
        assert read(trace_id).search_assessments() == [given]
        assert tracetape.get_assessment(trace_id, given.assessment_id) == given
        tracetape.flush()
    (searched,) = tracetape.search_traces(return_type="list")
    assert searched.info.assessments == [given]


def test_expectations_and_issues(trace_id: str) -> None:
    """In the order of their making, told apart by their kind."""
    made = [
        tracetape.log_expectation(trace_id=trace_id, name="expected", value={"a": [1, None]}),
        tracetape.log_issue(trace_id=trace_id, issue_id="i-1", rationale="slow"),
        tracetape.log_feedback(trace_id=trace_id, value=True),
    ]
    assert read(trace_id).info.assessments == made
    assert [type(one) for one in made] == [Expectation, IssueReference, Feedback]
    assert read(trace_id).search_assessments(type="expectation") == made[:1]
    assert read(trace_id).search_assessments("feedback") == made[2:]


def test_why_there_is_no_value(trace_id: str) -> None:
    """An exception, an error, or words."""
    for error in (ValueError("bad"), AssessmentError("CODE", "bad"), "bad"):
        given = tracetape.log_feedback(trace_id=trace_id, error=error)
        kept = tracetape.get_assessment(trace_id, given.assessment_id or "")
        assert kept == given
        assert isinstance(kept, Feedback)
        assert kept.error_message == "bad"


def test_a_running_trace_can_be_judged(query: Callable[..., list[tuple[Any, ...]]]) -> None:
    """It is stored with it, and changes nothing of its own time, name and state."""
    with tracetape.start_span("running") as span:
        given = tracetape.log_feedback(trace_id=span.trace_id, value=1)
        assert read(span.trace_id).info.assessments == [given]
        with tracetape.start_span("inner"):
            pass
    assert tracetape.flush() == 0
    trace = read(span.trace_id)
    assert trace.info.assessments == [given]
    assert (trace.info.name, trace.info.state, trace.info.span_count) == ("running", "OK", 2)
    assert query("SELECT start_ns, count(*) FROM traces") == [(span.start_time_ns, 1)]


def test_overriding(trace_id: str) -> None:
    """The new one stands in the place of the old one, until it is removed."""
    old = tracetape.log_feedback(trace_id=trace_id, name="right", value=False, span_id="1" * 16)
    assert old.assessment_id is not None
    new = tracetape.override_feedback(
        trace_id=trace_id, assessment_id=old.assessment_id, value=True, rationale="checked"
    )
    assert (new.name, new.span_id, new.overrides) == ("right", "1" * 16, old.assessment_id)
    assert read(trace_id).search_assessments() == [new]
    assert len(read(trace_id).search_assessments(all=True)) == 2
    assert found("feedback.right = 'false'") == 0
    assert new.assessment_id is not None
    tracetape.delete_assessment(trace_id, new.assessment_id)
    assert read(trace_id).search_assessments() == [old]
    assert found("feedback.right = 'false'") == 1


def test_updating(trace_id: str) -> None:
    """What is not said stays; metadata are merged; the time of the change is kept."""
    old = tracetape.log_feedback(
        trace_id=trace_id, name="n", value=1, rationale="r", metadata={"a": "1"}
    )
    assert old.assessment_id is not None
    new = tracetape.update_assessment(
        trace_id, old.assessment_id, Feedback("n", 2, metadata={"b": "2"})
    )
    assert read(trace_id).info.assessments == [new]
    assert isinstance(new, Feedback)
    assert (new.value, new.rationale, new.metadata) == (2, "r", {"a": "1", "b": "2"})
    assert new.create_time_ms == old.create_time_ms
    with pytest.raises(InvalidTypeError, match="Cannot update expectation value on a Feedback"):
        tracetape.update_assessment(trace_id, old.assessment_id, Expectation("n", 2))


def test_an_object_of_the_user_is_left_alone(trace_id: str) -> None:
    """What is logged is a copy."""
    mine = Feedback("n", 1)
    given = tracetape.log_assessment(trace_id, mine)
    mine.value = 2
    assert isinstance(given, Feedback)
    assert given.value == 1
    assert mine.assessment_id is None
    assert given.assessment_id is not None


@pytest.mark.parametrize(
    ("filter_string", "count"),
    [
        ("feedback.score = 4", 1),
        ("feedback.score >= 4.5", 0),
        ("feedback.score > 3 AND feedback.label = 'good'", 1),
        ("feedback.score = '4'", 1),
        ("feedback.label > 1", 0),
        ("feedback.label LIKE 'go%'", 1),
        ("feedback.label ILIKE 'GO%'", 1),
        ("feedback.label RLIKE '^g.*d$'", 1),
        ("feedback.label != 'bad'", 1),
        ("feedback.none != 'bad'", 0),
        ("feedback.none IS NULL", 1),
        ("feedback.label IS NOT NULL", 1),
        ("expectation.label IS NULL", 1),
        ("expectation.answer = 'Paris'", 1),
        ("feedback.yes = 'true'", 1),
        ("issue.id = 'i-1'", 1),
        ("issue.id = 'i-2'", 0),
    ],
)
def test_traces_are_found_by_their_judgements(
    trace_id: str, filter_string: str, count: int
) -> None:
    """By kind, name and value."""
    for name, value in (("score", 4), ("label", "good"), ("yes", True)):
        tracetape.log_feedback(trace_id=trace_id, name=name, value=value)
    tracetape.log_expectation(trace_id=trace_id, name="answer", value="Paris")
    tracetape.log_issue(trace_id=trace_id, issue_id="i-1")
    assert found(filter_string) == count


def test_feedback_without_a_value(trace_id: str) -> None:
    """It may be the rationale that counts."""
    given = tracetape.log_feedback(trace_id=trace_id, rationale="Who knows?")
    assert read(trace_id).info.assessments == [given]


@pytest.mark.parametrize("given", [Feedback("n", 1), Expectation("n", 1), IssueReference("i", "n")])
def test_a_trace_that_is_not_recorded(given: Assessment) -> None:
    """Its judgements are given back, are stored nowhere and harm nothing."""
    with tracetape.context(enabled=False), tracetape.start_span() as span:
        logged = tracetape.log_assessment(span.trace_id, given)
    assert type(logged) is type(given)
    assert (logged.trace_id, logged.assessment_id) == (span.trace_id, None)
    assert tracetape.log_assessment(None, given).assessment_id is None  # type: ignore[arg-type]


def test_what_is_said_of_mlflows_values(trace_id: str) -> None:
    """`feedback`, `expectation` and `issue` hold it, as in MLflow; the others are None."""
    feedback = tracetape.log_feedback(trace_id=trace_id, value=1.0)
    expectation = tracetape.log_expectation(trace_id=trace_id, name="e", value=["a"])
    issue = tracetape.log_issue(trace_id=trace_id, issue_id="i", issue_name="n")
    for logged, kept in zip(
        (feedback, expectation, issue), read(trace_id).info.assessments, strict=True
    ):
        for one in (logged, kept):
            values = (one.feedback, one.expectation, one.issue)
            assert sum(value is not None for value in values) == 1
    assert feedback.feedback == FeedbackValue(1.0)
    assert expectation.expectation == ExpectationValue(["a"])
    assert issue.issue == IssueReferenceValue("n")


def test_a_bare_assessment(trace_id: str) -> None:
    """It is kept as an object of its kind."""
    bare = Assessment("n", AssessmentSource("HUMAN"), feedback=FeedbackValue(2))
    given = tracetape.log_assessment(trace_id, bare)
    assert isinstance(given, Feedback)
    assert read(trace_id).info.assessments == [given]


def test_mistakes(trace_id: str) -> None:
    """They are errors that say what is wrong, and store nothing."""
    with pytest.raises(InvalidValueError, match="`value` field must be specified"):
        tracetape.log_expectation(trace_id=trace_id, name="n", value=None)
    for unknown in (UNKNOWN, "nonsense"):
        with pytest.raises(
            tracetape.TracetapeException, match=f"Trace with ID '{unknown}' not found"
        ):
            tracetape.log_feedback(trace_id=unknown, value=1)
    with pytest.raises(InvalidTypeError, match="got dict"):
        tracetape.log_assessment(trace_id, {"value": 1})  # type: ignore[arg-type]
    for call in (tracetape.get_assessment, tracetape.delete_assessment):
        with pytest.raises(tracetape.TracetapeException, match="'a-1' not found for trace"):
            call(trace_id, "a-1")
    expectation = tracetape.log_expectation(trace_id=trace_id, name="n", value=1)
    with pytest.raises(InvalidTypeError, match="is not a feedback"):
        tracetape.override_feedback(
            trace_id=trace_id, assessment_id=expectation.assessment_id or "", value=2
        )
    assert read(trace_id).info.assessments == [expectation]
