"""Judgements on traces: `log_feedback`, `log_expectation`, and what becomes of them later."""

from __future__ import annotations

import uuid
from copy import copy
from typing import Any

from tracetape._system import wall_clock_ns
from tracetape.entities import Trace
from tracetape.entities.assessment import Assessment, Expectation, Feedback, IssueReference
from tracetape.entities.assessment_source import AssessmentError, AssessmentSource
from tracetape.exceptions import InvalidTypeError, TracetapeException
from tracetape.live.live_span import NO_OP_TRACE_ID
from tracetape.tracing.assessment_privacy import protected_assessment
from tracetape.tracing.reading import number_of
from tracetape.tracing.runtime import runtime

__all__ = [
    "delete_assessment",
    "get_assessment",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "log_issue",
    "override_feedback",
    "update_assessment",
]


def log_assessment(trace_id: str, assessment: Assessment) -> Assessment:
    """Keep a judgement with a trace, finished or running.

    It is stored at once, and given back with its id. On a trace that is not recorded nothing
    happens, and it is given back without one. After ``mlflow.log_assessment``.

    Args:
        trace_id: the trace.
        assessment: a `Feedback`, `Expectation` or `IssueReference`. If it overrides another one,
            that is no longer valid.

    Raises:
        InvalidTypeError: it is not an assessment.
        TracetapeException: there is no such trace, or none that it could override.
        StoreError: it could not be written.
    """
    if not isinstance(assessment, Assessment):
        raise InvalidTypeError(
            f"assessment must be a Feedback or an Expectation, got {type(assessment).__name__}."
        )
    new = _copied(assessment)
    if trace_id is None or trace_id == NO_OP_TRACE_ID:
        new.trace_id = trace_id
        return new
    trace = _trace(trace_id)
    new.trace_id = trace.info.trace_id
    new.assessment_id = f"a-{uuid.uuid4().hex}"
    if new.valid is None:
        new.valid = True
    changed = [new]
    if new.overrides is not None:
        overridden = _copied(_find(trace, new.overrides))
        overridden.valid = False
        changed.insert(0, overridden)
    _store(trace, *changed)
    return new


def log_feedback(
    *,
    trace_id: str,
    name: str = "feedback",
    value: Any = None,
    source: AssessmentSource | None = None,
    error: Exception | AssessmentError | str | None = None,
    rationale: str | None = None,
    metadata: dict[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Say how good a trace's answer was, or a step towards it. After ``mlflow.log_feedback``.

    Args:
        trace_id: the trace.
        name: what is judged, such as ``faithfulness``.
        value: a number, a text, a truth value, or a list or dictionary of these; or None.
        source: who or what judged; CODE if it is not given.
        error: why there is no value.
        rationale: why it is so.
        metadata: whatever else is known of it.
        span_id: the span that it is about; None: the whole trace.

    Raises:
        TracetapeException: there is no such trace.
        StoreError: it could not be written.
    """
    feedback = Feedback(
        name, value, error, source, metadata=metadata, span_id=span_id, rationale=rationale
    )
    return log_assessment(trace_id, feedback)


def log_expectation(
    *,
    trace_id: str,
    name: str,
    value: Any,
    source: AssessmentSource | None = None,
    metadata: dict[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Say what a trace's right answer is. After ``mlflow.log_expectation``.

    Args:
        trace_id: the trace.
        name: what is expected, such as ``expected_answer``.
        value: any JSON value.
        source: who or what says so; HUMAN if it is not given.
        metadata: whatever else is known of it.
        span_id: the span that it is about; None: the whole trace.

    Raises:
        InvalidValueError: `value` is None.
        TracetapeException: there is no such trace.
        StoreError: it could not be written.
    """
    expectation = Expectation(name, value, source, metadata=metadata, span_id=span_id)
    return log_assessment(trace_id, expectation)


def log_issue(
    *,
    trace_id: str,
    issue_id: str,
    issue_name: str | None = None,
    source: AssessmentSource | None = None,
    run_id: str | None = None,
    rationale: str | None = None,
    metadata: dict[str, str] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Say that a trace shows a known issue. After ``mlflow.log_issue``.

    Args:
        trace_id: the trace.
        issue_id: id of the issue.
        issue_name: what it is called; its id, if it is not given.
        source: how it was found; LLM_JUDGE if it is not given.
        run_id: the MLflow run that found it.
        rationale: why it is this issue.
        metadata: whatever else is known of it.
        span_id: the span that it is about; None: the whole trace.

    Raises:
        TracetapeException: there is no such trace.
        StoreError: it could not be written.
    """
    issue = IssueReference(
        issue_id,
        issue_id if issue_name is None else issue_name,
        source,
        run_id=run_id,
        rationale=rationale,
        metadata=metadata,
        span_id=span_id,
    )
    return log_assessment(trace_id, issue)


def get_assessment(trace_id: str, assessment_id: str) -> Assessment:
    """One assessment of a trace, also one that is no longer valid.

    Raises:
        TracetapeException: there is no such trace, or it has no such assessment.
    """
    return _find(_trace(trace_id), assessment_id)


def update_assessment(trace_id: str, assessment_id: str, assessment: Assessment) -> Assessment:
    """Change what an assessment says: its name, value, rationale and metadata.

    What `assessment` leaves open stays as it was; metadata are merged.

    Args:
        trace_id: the trace.
        assessment_id: of the assessment to change.
        assessment: what it says now, an object of the same kind.

    Raises:
        InvalidTypeError: it is of another kind.
        TracetapeException: there is no such trace, or it has no such assessment.
        StoreError: it could not be written.
    """
    trace = _trace(trace_id)
    changed = _copied(_find(trace, assessment_id))
    if type(assessment) is not type(changed):
        raise InvalidTypeError(
            f"Cannot update {type(assessment).__name__.lower()} value on a "
            f"{type(changed).__name__} assessment."
        )
    changed.name = assessment.name
    changed.rationale = (
        assessment.rationale if assessment.rationale is not None else changed.rationale
    )
    if assessment.metadata:
        changed.metadata = {**(changed.metadata or {}), **assessment.metadata}
    said = _copied(assessment)
    changed.feedback, changed.expectation, changed.issue = (
        said.feedback,
        said.expectation,
        said.issue,
    )
    changed.error = said.error
    changed.last_update_time_ms = wall_clock_ns() // 1_000_000
    _store(trace, changed)
    return changed


def delete_assessment(trace_id: str, assessment_id: str) -> None:
    """Remove an assessment; one that it had overridden is valid again.

    Raises:
        TracetapeException: there is no such trace, or it has no such assessment.
        StoreError: it could not be written.
    """
    trace = _trace(trace_id)
    found = _find(trace, assessment_id)
    restored = [
        _copied(one) for one in trace.info.assessments if one.assessment_id == found.overrides
    ]
    for one in restored:
        one.valid = True
    _store(trace, *restored, remove=assessment_id)


def override_feedback(
    *,
    trace_id: str,
    assessment_id: str,
    value: Any,
    rationale: str | None = None,
    source: AssessmentSource | None = None,
    metadata: dict[str, Any] | None = None,
) -> Assessment:
    """Put another feedback in the place of one, which is kept but no longer valid.

    Args:
        trace_id: the trace.
        assessment_id: of the feedback to override.
        value: what it should have been.
        rationale: why.
        source: who says so; CODE if it is not given.
        metadata: whatever else is known of it.

    Raises:
        InvalidTypeError: the assessment is not a feedback.
        TracetapeException: there is no such trace, or it has no such assessment.
        StoreError: it could not be written.
    """
    old = _find(_trace(trace_id), assessment_id)
    if not isinstance(old, Feedback):
        raise InvalidTypeError(
            f"The assessment with ID {assessment_id} is not a feedback assessment."
        )
    new = Feedback(
        old.name,
        value,
        source=source,
        metadata=metadata,
        span_id=old.span_id,
        rationale=rationale,
        overrides=assessment_id,
    )
    return log_assessment(trace_id, new)


# What is the user's in an assessment's JSON, and what it is called by those who write rules.


def _trace(trace_id: str) -> Trace:
    number = number_of(trace_id)
    trace = None if number is None else runtime.recorder.read(number)
    if trace is None:
        raise TracetapeException(f"Trace with ID {trace_id!r} not found.")
    return trace


def _copied(assessment: Assessment) -> Assessment:
    """One of its own, as an object of its kind."""
    if type(assessment) is Assessment:
        return Assessment.from_dictionary(assessment.to_dictionary())
    new = copy(assessment)
    new.feedback, new.expectation = copy(new.feedback), copy(new.expectation)
    new.issue = copy(new.issue)
    return new


def _find(trace: Trace, assessment_id: str) -> Assessment:
    for one in trace.info.assessments:
        if one.assessment_id == assessment_id:
            return one
    raise TracetapeException(
        f"Assessment with ID '{assessment_id}' not found for trace '{trace.info.trace_id}'"
    )


def _store(trace: Trace, *changed: Assessment, remove: str | None = None) -> None:
    number = number_of(trace.info.trace_id)
    assert number is not None
    changed = tuple(protected_assessment(one) for one in changed)
    runtime.recorder.store.assess(number, changed, () if remove is None else (remove,))
