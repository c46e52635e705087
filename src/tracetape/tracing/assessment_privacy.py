"""Redaction of assessments: the user's rules, and credentials."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

from tracetape.capture import decode, encode
from tracetape.capture.conversion import text_of
from tracetape.entities import Assessment
from tracetape.entities.assessment_source import AssessmentError
from tracetape.privacy.levels import protected_value
from tracetape.privacy.names import MARK
from tracetape.privacy.texts import clean_said

__all__ = ["protected_assessment"]


def protected_assessment(assessment: Assessment) -> Assessment:
    """A copy of it; rules know its parts as ``feedback.value``, ``feedback.rationale`` and so on.

    Each part is looked at on its own: whatever a rule makes of it, the assessment stays one.
    """
    kept = partial(protected_value, of=assessment.trace_id or "")
    new = copy(assessment)
    new.name = _text(kept(new.name, "feedback", "name"))
    if new.rationale is not None:
        new.rationale = _text(kept(new.rationale, "feedback", "rationale"))
    if new.metadata:
        new.metadata = {
            key: _text(kept(text, "feedback", "metadata", key))
            for key, text in new.metadata.items()
        }
    if new.source.source_id is not None:
        said = _text(kept(new.source.source_id, "feedback", "source", "source_id"))
        new.source = replace(new.source, source_id=said)
    if new.feedback is not None:
        value, error = new.feedback.value, new.error or new.feedback.error
        new.error = None if error is None else _error(error, kept)
        new.feedback = replace(new.feedback, value=_value(value, kept), error=new.error)
    if new.expectation is not None:
        new.expectation = replace(new.expectation, value=_value(new.expectation.value, kept))
    if new.issue is not None:
        name = _text(kept(new.issue.issue_name, "feedback", "issue", "issue_name"))
        new.issue = replace(new.issue, issue_name=name)
    return new


def _value(value: Any, kept: Any) -> Any:
    before = decode(encode(value))
    after = kept(before, "feedback", "value")
    return value if after == before else after


def _error(error: AssessmentError, kept: Any) -> AssessmentError:
    """Its texts are those of an exception."""
    texts = {
        name: _text(kept(clean_said(text, MARK), "feedback", "error", name))
        for name, text in error.to_dictionary().items()
    }
    return AssessmentError(**texts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else text_of(value)
