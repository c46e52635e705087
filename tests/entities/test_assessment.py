"""Assessments: feedback, expectations, issues, and their JSON."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tracetape import TracetapeException
from tracetape.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    AssessmentSourceType,
    Expectation,
    Feedback,
    FeedbackValue,
    IssueReference,
)

HUMAN = AssessmentSource("human", "bob")
ALL = [
    Feedback(),
    Feedback("good", True, source=HUMAN, rationale="It is.", trace_id="tr-1", span_id="1" * 16),
    Feedback("score", {"a": [1, 0.5]}, metadata={"mlflow.assessment.sourceRunId": "r"}),
    Feedback("none", error=ValueError("no judge"), overrides="a-1", valid=False),
    Feedback("none", error="out of order"),
    Expectation("facts", ["Paris", {"n": 1}]),
    Expectation("answer", "fromage", create_time_ms=1_700_000_000_123),
    IssueReference("i-1", "too slow", rationale="It took a minute.", run_id="r"),
]


ERROR = AssessmentError("E001", "An error occurred.")


@pytest.mark.parametrize("assessment", ALL, ids=lambda each: f"{type(each).__name__} {each.name}")
def test_json_reads_back(assessment: Assessment) -> None:
    """As an object of its kind; also the id that a store gave it."""
    assessment.assessment_id = "a-7"
    data = assessment.to_dictionary()
    again = Assessment.from_dictionary(data)
    if isinstance(assessment, IssueReference):
        again.run_id = assessment.run_id  # MLflow's JSON has no place for it
    assert type(again) is type(assessment)
    assert again == assessment
    assert type(assessment).from_dictionary(data).name == assessment.name
    assert assessment.to_dict() == data


def test_the_json_is_mlflows() -> None:
    """Scalars as they are, other expectations as text, times as RFC 3339."""
    times = {"create_time_ms": 1000, "last_update_time_ms": 1001}
    common = {
        "create_time": "1970-01-01T00:00:01Z",
        "last_update_time": "1970-01-01T00:00:01.001Z",
    }
    assert Feedback("good", 0.5, source=HUMAN, **times).to_dictionary() == {
        "assessment_name": "good",
        "source": {"source_type": "HUMAN", "source_id": "bob"},
        "feedback": {"value": 0.5},
        "valid": True,
        **common,
    }
    assert Expectation("facts", [1], **times).to_dictionary() == {
        "assessment_name": "facts",
        "source": {"source_type": "HUMAN", "source_id": "default"},
        "expectation": {
            "serialized_value": {"serialization_format": "JSON_FORMAT", "value": "[1]"}
        },
        **common,
    }


def test_values_can_be_changed() -> None:
    """Under the short name and under MLflow's they are the same."""
    feedback, expectation = Feedback("f", 1.0), Expectation("e", 1)
    feedback.value, expectation.value = 0.5, [2]
    assert feedback.feedback is not None
    assert expectation.expectation is not None
    assert (feedback.feedback.value, expectation.expectation.value) == (0.5, [2])
    expectation.expectation.value = 3
    assert expectation.value == 3
    issue = IssueReference("i", "n")
    issue.issue_id, issue.issue_name = "j", "m"
    assert (issue.name, issue.issue_name) == ("j", "m")


def test_a_bare_assessment() -> None:
    """Its JSON is that of its kind; an error belongs to the feedback."""
    bare = Assessment("n", HUMAN, feedback=FeedbackValue(None), error=ERROR)
    assert bare.feedback == FeedbackValue(None, ERROR)
    read = Assessment.from_dictionary(bare.to_dictionary())
    assert isinstance(read, Feedback)
    assert (read.value, read.error) == (None, ERROR)


def test_text_in_an_expectation_is_spelled_as_mlflow_spells_it() -> None:
    """With escapes, so that the bytes of its message are the same, too."""
    data = Expectation("facts", {"a": ["ü", 1.5]}).to_dictionary()
    assert data["expectation"]["serialized_value"]["value"] == json.dumps({"a": ["ü", 1.5]})


def test_defaults() -> None:
    """Who judges, and when."""
    before = int(time.time() * 1000)
    feedback = Feedback()
    assert (feedback.name, feedback.value, feedback.valid) == ("feedback", None, True)
    assert feedback.source == AssessmentSource("CODE", "default")
    assert feedback.create_time_ms is not None
    assert before <= feedback.create_time_ms <= int(time.time() * 1000)
    assert Expectation("e", 1).source.source_type == AssessmentSourceType.HUMAN
    assert IssueReference("i", "n").source.source_type == AssessmentSourceType.LLM_JUDGE
    assert IssueReference("i", "n").issue_id == "i"
    run = Feedback(metadata={"mlflow.assessment.sourceRunId": "r"})
    assert run.run_id == "r"


def test_errors_of_judges() -> None:
    """An exception, a text, or an error of one's own."""
    error = Feedback(error=ValueError("no")).error
    assert error is not None
    assert (error.error_code, error.error_message) == ("ValueError", "no")
    assert "ValueError: no" in (error.stack_trace or "")
    told = Feedback(error="no")
    assert (told.error_code, told.error_message) == ("ASSESSMENT_ERROR", "no")
    own = AssessmentError("LIMIT")
    assert Feedback(error=own).error is own
    assert AssessmentError.from_dict(own.to_dict()) == own
    assert (Feedback().error_code, Feedback().error_message) == (None, None)


def test_the_old_name_of_llm_judge_is_deprecated() -> None:
    """It becomes the new one, with a FutureWarning."""
    with pytest.warns(FutureWarning, match="Use LLM_JUDGE"):
        source = AssessmentSource("AI_JUDGE")
    assert source.source_type == "LLM_JUDGE"
    assert AssessmentSource.from_dict(source.to_dict()) == source


def test_a_type_of_sources_is_checked_by_calling_it() -> None:
    """In either case, as in MLflow."""
    assert str(AssessmentSourceType("human")) == AssessmentSourceType.HUMAN
    with pytest.raises(TracetapeException, match="Invalid assessment source type: ROBOT"):
        AssessmentSourceType("robot")


def test_a_type_of_sources_by_its_number_in_mlflows_protobuf() -> None:
    """Each has one; there are four."""
    names = ["SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"]
    assert [AssessmentSourceType.from_proto(number) for number in range(4)] == names
    with pytest.raises(IndexError):
        AssessmentSourceType.from_proto(4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AssessmentSource("ROBOT"), "Invalid assessment source type: ROBOT"),
        (lambda: Feedback(source="HUMAN"), "must be an instance of `AssessmentSource`"),
        (lambda: Feedback(error=7), "'error' must be an Exception"),
        (lambda: Expectation("e", None), "The `value` field must be specified"),
        (lambda: IssueReference("i", None), "The `issue_name` field must be specified"),
        (lambda: Assessment.from_dictionary({"assessment_name": "x"}), "Unknown assessment type"),
        (lambda: Assessment("n", HUMAN), "Exactly one of `expectation`, `feedback`, or `issue`"),
        (
            lambda: Assessment("n", HUMAN, feedback=FeedbackValue(1), issue=ALL[7].issue),
            "Exactly one of `expectation`, `feedback`, or `issue`",
        ),
        (
            lambda: Assessment("n", HUMAN, expectation=ALL[5].expectation, error=ERROR),
            "Cannot set `error` when `expectation`",
        ),
        (lambda: Expectation("n", {1, 2}).to_dictionary(), "must be JSON-serializable"),
        (
            lambda: Expectation.from_dictionary({"assessment_name": "n", "expectation": {"a": 1}}),
            "Either 'value' or 'serialized_value' must be present",
        ),
        (lambda: Feedback.from_dictionary(ALL[5].to_dictionary()), "`feedback` must exist"),
        (lambda: Feedback.from_dictionary({"feedback": {"value": 1}}), "without 'assessment_name'"),
    ],
)
def test_bad_assessments_are_clear_errors(make: Any, message: str) -> None:
    """Each says what is wrong."""
    with pytest.raises(TracetapeException, match=message):
        make()
