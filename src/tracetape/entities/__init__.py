"""Values that users hold: spans, traces, events, statuses, documents, assessments."""

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment, Expectation, Feedback, IssueReference
    from tracetape.entities.assessment_source import (
        AssessmentError,
        AssessmentSource,
        AssessmentSourceType,
    )
    from tracetape.entities.assessment_value import (
        ExpectationValue,
        FeedbackValue,
        IssueReferenceValue,
    )
    from tracetape.entities.constants import SpanStatusCode, SpanType, TraceState
    from tracetape.entities.document import Document
    from tracetape.entities.event import SpanEvent
    from tracetape.entities.link import Link
    from tracetape.entities.log_level import SpanLogLevel
    from tracetape.entities.session import Session
    from tracetape.entities.span import Span
    from tracetape.entities.status import SpanStatus
    from tracetape.entities.trace import Trace
    from tracetape.entities.trace_data import TraceData
    from tracetape.entities.trace_info import TraceInfo
    from tracetape.entities.trace_location import (
        InferenceTableLocation,
        MlflowExperimentLocation,
        TraceLocation,
        TraceLocationType,
        UCSchemaLocation,
        UnityCatalog,
    )
    from tracetape.live.live_span import LiveSpan, NoOpSpan

__all__ = [
    "Assessment",
    "AssessmentError",
    "AssessmentSource",
    "AssessmentSourceType",
    "Document",
    "Expectation",
    "ExpectationValue",
    "Feedback",
    "FeedbackValue",
    "InferenceTableLocation",
    "IssueReference",
    "IssueReferenceValue",
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
    "UnityCatalog",
]

_MODULES = {
    "assessment": ("Assessment", "Expectation", "Feedback", "IssueReference"),
    "assessment_source": ("AssessmentError", "AssessmentSource", "AssessmentSourceType"),
    "assessment_value": ("ExpectationValue", "FeedbackValue", "IssueReferenceValue"),
    "constants": ("SpanStatusCode", "SpanType", "TraceState"),
    "document": ("Document",),
    "event": ("SpanEvent",),
    "link": ("Link",),
    "log_level": ("SpanLogLevel",),
    "session": ("Session",),
    "span": ("Span",),
    "status": ("SpanStatus",),
    "trace": ("Trace",),
    "trace_data": ("TraceData",),
    "trace_info": ("TraceInfo",),
    "trace_location": (
        "InferenceTableLocation",
        "MlflowExperimentLocation",
        "TraceLocation",
        "TraceLocationType",
        "UCSchemaLocation",
        "UnityCatalog",
    ),
}

__getattr__ = lazy_names(
    __name__,
    {
        **{name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names},
        # MLflow's names; spans that still run live a floor higher.
        "LiveSpan": "tracetape.live.live_span",
        "NoOpSpan": "tracetape.live.live_span",
    },
)


def __dir__() -> list[str]:
    return __all__
