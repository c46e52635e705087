"""What users hold: spans, traces, events, statuses, documents, assessments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetape.entities.constants import SpanStatusCode, SpanType, TraceState
from tracetape.entities.document import Document
from tracetape.entities.event import SpanEvent
from tracetape.entities.link import Link
from tracetape.entities.live_span import LiveSpan, NoOpSpan
from tracetape.entities.log_level import SpanLogLevel
from tracetape.entities.span import Span
from tracetape.entities.status import SpanStatus
from tracetape.entities.trace import Trace, TraceData, TraceInfo

if TYPE_CHECKING:
    from tracetape.entities.assessment import (
        Assessment,
        Expectation,
        Feedback,
        IssueReference,
    )
    from tracetape.entities.assessment_source import (
        AssessmentError,
        AssessmentSource,
        AssessmentSourceType,
    )
    from tracetape.entities.session import Session
    from tracetape.entities.trace_location import (
        MlflowExperimentLocation,
        TraceLocation,
        TraceLocationType,
        UCSchemaLocation,
    )

__all__ = [
    "Assessment",
    "AssessmentError",
    "AssessmentSource",
    "AssessmentSourceType",
    "Document",
    "Expectation",
    "Feedback",
    "IssueReference",
    "Link",
    "LiveSpan",
    "MlflowExperimentLocation",
    "NoOpSpan",
    "Session",
    "Span",
    "SpanEvent",
    "SpanLogLevel",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
    "TraceLocation",
    "TraceLocationType",
    "TraceState",
    "UCSchemaLocation",
]

# Loaded on first use: `import tracetape` must cost next to nothing.
_LAZY = {
    "Assessment": "assessment",
    "AssessmentError": "assessment_source",
    "AssessmentSource": "assessment_source",
    "AssessmentSourceType": "assessment_source",
    "Expectation": "assessment",
    "Feedback": "assessment",
    "IssueReference": "assessment",
    "MlflowExperimentLocation": "trace_location",
    "Session": "session",
    "TraceLocation": "trace_location",
    "TraceLocationType": "trace_location",
    "UCSchemaLocation": "trace_location",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module 'tracetape.entities' has no attribute {name!r}")
    value = getattr(import_module(f"tracetape.entities.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
