"""Traces and what belongs to them as MLflow's protobuf messages, and back."""

from __future__ import annotations

from typing import Any

from tracetape.capture import decode, encode
from tracetape.entities.assessment import Assessment
from tracetape.entities.assessment_source import (
    SOURCE_NUMBERS,
    AssessmentError,
    AssessmentSource,
)
from tracetape.entities.assessment_value import (
    ExpectationValue,
    FeedbackValue,
    IssueReferenceValue,
)
from tracetape.entities.constants import TraceState
from tracetape.entities.otel import package_module
from tracetape.entities.proto_location import (
    UC_PREFIX,
    location_from_proto,
    location_of_id,
    location_to_proto,
    uc_place,
)
from tracetape.entities.proto_messages import message_class
from tracetape.entities.timestamps import rfc3339
from tracetape.entities.trace_info import TraceInfo, location_of

__all__ = [
    "assessment_from_proto",
    "assessment_to_proto",
    "error_from_proto",
    "error_to_proto",
    "expectation_from_proto",
    "expectation_to_proto",
    "feedback_from_proto",
    "feedback_to_proto",
    "info_from_proto",
    "info_to_proto",
    "issue_to_proto",
    "source_from_proto",
    "source_to_proto",
]

# MLflow cuts off what is longer.
_KEY = _METADATA = 250
_TAG = 4096
_STACK = 10_000
_STACK_CUT = "[Stack trace is truncated]\n...\n"


def info_to_proto(info: TraceInfo) -> Any:
    """A ``TraceInfoV3``; of a trace in Unity Catalog, Databricks' own ``TraceInfo``."""
    place = uc_place(info.trace_location)
    proto = message_class("TraceInfoV3" if place is None else "UcTraceInfo")()
    proto.trace_id = info.trace_id if place is None else info.trace_id.rsplit("/", 1)[-1]
    for field in ("client_request_id", "request_preview", "response_preview"):
        if (text := getattr(info, field)) is not None:
            setattr(proto, field, text)
    proto.trace_location.CopyFrom(location_to_proto(info.trace_location))
    proto.request_time.FromMilliseconds(info.request_time)
    if info.execution_duration is not None:
        proto.execution_duration.FromMilliseconds(info.execution_duration)
        proto.execution_duration.SetInParent()  # also one of 0
    proto.state = TraceState(info.state).to_proto()
    for key, value in info.trace_metadata.items():
        proto.trace_metadata[key[:_KEY]] = str(value)[:_METADATA]
    for key, value in info.tags.items():
        proto.tags[key[:_KEY]] = str(value)[:_TAG]
    proto.assessments.extend(
        assessment_to_proto(one, in_catalog=place is not None) for one in info.assessments
    )
    return proto


def info_from_proto(proto: Any) -> TraceInfo:
    """The info of a ``TraceInfoV3``, of Databricks' ``TraceInfo``, or of MLflow 2's."""
    if "request_id" in proto.DESCRIPTOR.fields_by_name:
        return TraceInfo(
            proto.request_id,
            location_of(proto.experiment_id),
            proto.timestamp_ms,
            TraceState.from_proto(proto.status),
            execution_duration=_given(proto, "execution_time_ms"),
            trace_metadata={one.key: one.value for one in proto.request_metadata},
            tags={one.key: one.value for one in proto.tags},
        )
    location = location_from_proto(proto.trace_location)
    place = uc_place(location)
    has_duration = proto.HasField("execution_duration")
    return TraceInfo(
        proto.trace_id if place is None else f"{UC_PREFIX}{place}/{proto.trace_id}",
        location,
        proto.request_time.ToMilliseconds(),
        TraceState.from_proto(proto.state),
        request_preview=_given(proto, "request_preview"),
        response_preview=_given(proto, "response_preview"),
        client_request_id=_given(proto, "client_request_id"),
        execution_duration=proto.execution_duration.ToMilliseconds() if has_duration else None,
        trace_metadata=dict(proto.trace_metadata),
        tags=dict(proto.tags),
        assessments=[Assessment.from_proto(one) for one in proto.assessments],
    )


def assessment_to_proto(assessment: Assessment, in_catalog: bool = False) -> Any:
    """An ``Assessment``; `in_catalog`, that of Databricks' own file."""
    proto = message_class("UcAssessment" if in_catalog else "Assessment")()
    proto.assessment_name = assessment.name
    proto.trace_id = assessment.trace_id or ""
    if in_catalog and (location := location_of_id(proto.trace_id)) is not None:
        proto.trace_location.CopyFrom(location_to_proto(location))
        proto.trace_id = proto.trace_id.rsplit("/", 1)[-1]
    proto.source.CopyFrom(source_to_proto(assessment.source))
    proto.create_time.FromMilliseconds(assessment.create_time_ms or 0)
    proto.last_update_time.FromMilliseconds(assessment.last_update_time_ms or 0)
    for field in ("span_id", "rationale", "assessment_id", "valid"):
        if (value := getattr(assessment, field)) is not None:
            setattr(proto, field, value)
    if assessment.overrides:
        proto.overrides = assessment.overrides
    if assessment.feedback is not None:
        error = assessment.error or assessment.feedback.error
        said = FeedbackValue(assessment.feedback.value, error)
        proto.feedback.CopyFrom(feedback_to_proto(said))
    elif assessment.expectation is not None:
        proto.expectation.CopyFrom(expectation_to_proto(assessment.expectation))
    elif assessment.issue is not None and not in_catalog:  # there is no field for it there
        proto.issue.CopyFrom(issue_to_proto(assessment.issue))
    for key, value in (assessment.metadata or {}).items():
        proto.metadata[key] = str(value)
    return proto


def assessment_from_proto(proto: Any) -> dict[str, Any]:
    """The dictionary of an assessment, as `Assessment.from_dictionary` takes it."""
    trace_id = proto.trace_id
    if "trace_location" in proto.DESCRIPTOR.fields_by_name:
        place = uc_place(location_from_proto(proto.trace_location))
        trace_id = trace_id if place is None else f"{UC_PREFIX}{place}/{trace_id}"
    kind = proto.WhichOneof("value")
    said: dict[str, Any] = {}
    if kind == "feedback":
        said = feedback_from_proto(proto.feedback).to_dictionary()
    elif kind == "expectation":
        said = {"value": expectation_from_proto(proto.expectation).value}
    elif kind == "issue":
        said = {"issue_name": proto.issue.issue_name}
    return {
        "assessment_id": proto.assessment_id,
        "assessment_name": proto.assessment_name,
        "trace_id": trace_id,
        "span_id": proto.span_id or None,
        "source": source_from_proto(proto.source).to_dictionary(),
        "create_time": rfc3339(proto.create_time.ToMilliseconds()),
        "last_update_time": rfc3339(proto.last_update_time.ToMilliseconds()),
        "rationale": proto.rationale or None,
        "metadata": dict(proto.metadata) or None,
        "overrides": proto.overrides or None,
        # Of the other kinds MLflow does not read it.
        **({"valid": proto.valid} if kind == "feedback" else {}),
        **({} if kind is None else {kind: said}),
    }


def source_to_proto(source: AssessmentSource) -> Any:
    """An ``AssessmentSource``."""
    proto = message_class("AssessmentSource")()
    proto.source_type = SOURCE_NUMBERS.index(source.source_type)
    if source.source_id is not None:
        proto.source_id = source.source_id
    return proto


def source_from_proto(proto: Any) -> AssessmentSource:
    """The source of an ``AssessmentSource``."""
    return AssessmentSource(SOURCE_NUMBERS[proto.source_type], proto.source_id or None)


def error_to_proto(error: AssessmentError) -> Any:
    """An ``AssessmentError``; of a long stack trace its end, as MLflow keeps it."""
    proto = message_class("AssessmentError")()
    proto.error_code = error.error_code
    if error.error_message:
        proto.error_message = error.error_message
    if stack := error.stack_trace:
        long = len(stack) > _STACK
        proto.stack_trace = _STACK_CUT + stack[len(_STACK_CUT) - _STACK :] if long else stack
    return proto


def error_from_proto(proto: Any) -> AssessmentError:
    """The error of an ``AssessmentError``."""
    return AssessmentError(proto.error_code, proto.error_message or None, proto.stack_trace or None)


def feedback_to_proto(feedback: FeedbackValue) -> Any:
    """A ``Feedback``."""
    proto = message_class("Feedback")()
    _set_value(proto.value, feedback.value)
    if feedback.error is not None:
        proto.error.CopyFrom(error_to_proto(feedback.error))
    return proto


def feedback_from_proto(proto: Any) -> FeedbackValue:
    """The value of a ``Feedback``."""
    error = error_from_proto(proto.error) if proto.HasField("error") else None
    return FeedbackValue(_value_of(proto.value), error)


def expectation_to_proto(expectation: ExpectationValue) -> Any:
    """An ``Expectation``; what is no scalar stands in it as JSON text."""
    proto = message_class("Expectation")()
    if expectation.is_plain:
        _set_value(proto.value, expectation.value)
    else:
        for field, text in expectation.serialized().items():
            setattr(proto.serialized_value, field, text)
    return proto


def expectation_from_proto(proto: Any) -> ExpectationValue:
    """The value of an ``Expectation``."""
    if proto.HasField("serialized_value"):
        given = proto.serialized_value
        return ExpectationValue.of_serialized(given.serialization_format, given.value)
    return ExpectationValue(_value_of(proto.value))


def issue_to_proto(issue: IssueReferenceValue) -> Any:
    """An ``IssueReference``."""
    return message_class("IssueReference")(issue_name=issue.issue_name)


def _given(proto: Any, field: str) -> Any:
    return getattr(proto, field) if proto.HasField(field) else None


def _set_value(proto: Any, value: Any) -> None:
    _json_format().ParseDict(decode(encode(value)), proto)


def _value_of(proto: Any) -> Any:
    return _json_format().MessageToDict(proto)


def _json_format() -> Any:
    return package_module("google.protobuf.json_format", "protobuf")
