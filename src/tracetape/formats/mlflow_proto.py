"""MLflow's trace JSON as its protobuf messages, and back.

Each function takes or gives the dictionary that ``to_dict`` of the entity gives.
"""

from __future__ import annotations

from typing import Any

from tracetape.capture import decode, encode
from tracetape.exceptions import InvalidValueError
from tracetape.formats.otel import package_module
from tracetape.formats.proto_messages import message_class
from tracetape.formats.timestamps import milliseconds_of, rfc3339

__all__ = [
    "SOURCE_TYPES",
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
    "location_from_proto",
    "location_to_proto",
    "source_from_proto",
    "source_to_proto",
    "uc_place",
]

Fields = dict[str, Any]

# MLflow cuts off what is longer.
_KEY = _METADATA = 250
_TAG = 4096
_STACK = 10_000
_STACK_CUT = "[Stack trace is truncated]\n...\n"
SOURCE_TYPES = ("SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE")
_STATES = ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS")
_LOCATIONS = (
    "TRACE_LOCATION_TYPE_UNSPECIFIED",
    "MLFLOW_EXPERIMENT",
    "INFERENCE_TABLE",
    "UC_SCHEMA",
    "UC_TABLE_PREFIX",
)
_UC_PREFIX = "trace:/"  # of the ids of traces in Unity Catalog
# Fields of a place's message, and their names in JSON where these differ.
_PLACES: dict[str, tuple[str, ...]] = {
    "mlflow_experiment": ("experiment_id",),
    "inference_table": ("full_table_name",),
    "uc_schema": (
        "catalog_name",
        "schema_name",
        "otel_spans_table_name",
        "otel_logs_table_name",
    ),
    "uc_table_prefix": (
        "catalog_name",
        "schema_name",
        "table_prefix",
        "spans_table_name",
        "logs_table_name",
        "annotations_table_name",
    ),
}
_JSON_NAMES = {
    "spans_table_name": "otel_spans_table_name",
    "logs_table_name": "otel_logs_table_name",
}


def uc_place(location: Fields) -> str | None:
    """The place in Unity Catalog as the ids of its traces name it; None: it is elsewhere.

    Raises:
        InvalidValueError: tables are named by a prefix, and there is none.
    """
    if schema := location.get("uc_schema"):
        return f"{schema['catalog_name']}.{schema['schema_name']}"
    if catalog := location.get("uc_table_prefix"):
        if catalog.get("table_prefix") is None:
            raise InvalidValueError("table_prefix is required but was not set.")
        return f"{catalog['catalog_name']}.{catalog['schema_name']}.{catalog['table_prefix']}"
    return None


def location_to_proto(location: Fields) -> Any:
    """A ``TraceLocation``; in Unity Catalog, that of Databricks' own file."""
    in_catalog = uc_place(location) is not None
    proto = message_class("UcTraceLocation" if in_catalog else "TraceLocation")()
    proto.type = _LOCATIONS.index(location["type"])
    for name, fields in _PLACES.items():
        if name not in location:
            continue
        place = getattr(proto, name)
        place.SetInParent()
        for field in fields:
            if (value := location[name].get(_JSON_NAMES.get(field, field))) is not None:
                setattr(place, field, value)
    return proto


def location_from_proto(proto: Any) -> Fields:
    """The dictionary of either file's ``TraceLocation``."""
    name = proto.WhichOneof("identifier")
    if name not in _PLACES:
        return {"type": _LOCATIONS[0]}
    message = getattr(proto, name)
    place = {
        _JSON_NAMES.get(field, field): getattr(message, field)
        for field in _PLACES[name]
        if message.HasField(field)
    }
    # The names of the catalog and its like are texts in every location, also empty ones.
    for field in _PLACES[name][: 1 if len(_PLACES[name]) == 1 else 2]:
        place.setdefault(field, "")
    return {"type": _LOCATIONS[proto.type], name: place}


def info_to_proto(info: Fields) -> Any:
    """A ``TraceInfoV3``; of a trace in Unity Catalog, Databricks' own ``TraceInfo``."""
    place = uc_place(info["trace_location"])
    proto = message_class("TraceInfoV3" if place is None else "UcTraceInfo")()
    proto.trace_id = _short_id(info["trace_id"], place)
    for field in ("client_request_id", "request_preview", "response_preview"):
        if (text := info.get(field)) is not None:
            setattr(proto, field, text)
    proto.trace_location.CopyFrom(location_to_proto(info["trace_location"]))
    proto.request_time.FromMilliseconds(milliseconds_of(info["request_time"]))
    if (duration := info.get("execution_duration_ms")) is not None:
        proto.execution_duration.FromMilliseconds(duration)
        proto.execution_duration.SetInParent()  # also one of 0
    proto.state = _STATES.index(info["state"])
    for key, value in info.get("trace_metadata", {}).items():
        proto.trace_metadata[key[:_KEY]] = value[:_METADATA]
    for key, value in info.get("tags", {}).items():
        proto.tags[key[:_KEY]] = value[:_TAG]
    proto.assessments.extend(
        assessment_to_proto(one, in_catalog=place is not None)
        for one in info.get("assessments", ())
    )
    return proto


def info_from_proto(proto: Any) -> Fields:
    """The dictionary of a ``TraceInfoV3``, of Databricks' ``TraceInfo``, or of MLflow 2's."""
    if "request_id" in proto.DESCRIPTOR.fields_by_name:
        return {
            "request_id": proto.request_id,
            "experiment_id": proto.experiment_id,
            "timestamp_ms": proto.timestamp_ms,
            "status": _STATES[proto.status],
            "execution_time_ms": _given(proto, "execution_time_ms"),
            "request_metadata": {one.key: one.value for one in proto.request_metadata},
            "tags": {one.key: one.value for one in proto.tags},
        }
    location = location_from_proto(proto.trace_location)
    has_duration = proto.HasField("execution_duration")
    return {
        "trace_id": _long_id(proto.trace_id, uc_place(location)),
        "trace_location": location,
        "request_time": rfc3339(proto.request_time.ToMilliseconds()),
        "state": _STATES[proto.state],
        "request_preview": _given(proto, "request_preview"),
        "response_preview": _given(proto, "response_preview"),
        "client_request_id": _given(proto, "client_request_id"),
        "execution_duration_ms": (
            proto.execution_duration.ToMilliseconds() if has_duration else None
        ),
        "trace_metadata": dict(proto.trace_metadata),
        "tags": dict(proto.tags),
        "assessments": [assessment_from_proto(one) for one in proto.assessments],
    }


def assessment_to_proto(assessment: Fields, in_catalog: bool = False) -> Any:
    """An ``Assessment``; `in_catalog`, that of Databricks' own file."""
    proto = message_class("UcAssessment" if in_catalog else "Assessment")()
    proto.assessment_name = assessment["assessment_name"]
    proto.trace_id = assessment.get("trace_id") or ""
    if in_catalog and (location := _location_of_id(proto.trace_id)) is not None:
        proto.trace_location.CopyFrom(location_to_proto(location))
        proto.trace_id = _short_id(proto.trace_id, uc_place(location))
    proto.source.CopyFrom(source_to_proto(assessment["source"]))
    for field in ("create_time", "last_update_time"):
        getattr(proto, field).FromMilliseconds(milliseconds_of(assessment[field]))
    for field in ("span_id", "rationale", "assessment_id", "valid"):
        if (value := assessment.get(field)) is not None:
            setattr(proto, field, value)
    if assessment.get("overrides"):
        proto.overrides = assessment["overrides"]
    if "feedback" in assessment:
        proto.feedback.CopyFrom(feedback_to_proto(assessment["feedback"]))
    elif "expectation" in assessment:
        proto.expectation.CopyFrom(expectation_to_proto(assessment["expectation"]))
    elif "issue" in assessment and not in_catalog:  # there is no field for it there
        proto.issue.CopyFrom(issue_to_proto(assessment["issue"]))
    for key, value in assessment.get("metadata", {}).items():
        proto.metadata[key] = value
    return proto


def assessment_from_proto(proto: Any) -> Fields:
    """The dictionary of an ``Assessment`` of either file."""
    trace_id = proto.trace_id
    if "trace_location" in proto.DESCRIPTOR.fields_by_name:
        trace_id = _long_id(trace_id, uc_place(location_from_proto(proto.trace_location)))
    kind = proto.WhichOneof("value")
    said: Fields = {}
    if kind == "feedback":
        said = feedback_from_proto(proto.feedback)
    elif kind == "expectation":
        said = expectation_from_proto(proto.expectation)
    elif kind == "issue":
        said = {"issue_name": proto.issue.issue_name}
    return {
        "assessment_id": proto.assessment_id,
        "assessment_name": proto.assessment_name,
        "trace_id": trace_id,
        "span_id": proto.span_id or None,
        "source": source_from_proto(proto.source),
        "create_time": rfc3339(proto.create_time.ToMilliseconds()),
        "last_update_time": rfc3339(proto.last_update_time.ToMilliseconds()),
        "rationale": proto.rationale or None,
        "metadata": dict(proto.metadata) or None,
        "overrides": proto.overrides or None,
        # Of the other kinds MLflow does not read it.
        **({"valid": proto.valid} if kind == "feedback" else {}),
        **({} if kind is None else {kind: said}),
    }


def source_to_proto(source: Fields) -> Any:
    """An ``AssessmentSource``."""
    proto = message_class("AssessmentSource")()
    proto.source_type = SOURCE_TYPES.index(source["source_type"])
    if (source_id := source.get("source_id")) is not None:
        proto.source_id = source_id
    return proto


def source_from_proto(proto: Any) -> Fields:
    """The dictionary of an ``AssessmentSource``."""
    return {"source_type": SOURCE_TYPES[proto.source_type], "source_id": proto.source_id or None}


def error_to_proto(error: Fields) -> Any:
    """An ``AssessmentError``; of a long stack trace its end, as MLflow keeps it."""
    proto = message_class("AssessmentError")()
    proto.error_code = error["error_code"]
    if message := error.get("error_message"):
        proto.error_message = message
    if stack := error.get("stack_trace"):
        long = len(stack) > _STACK
        proto.stack_trace = _STACK_CUT + stack[len(_STACK_CUT) - _STACK :] if long else stack
    return proto


def error_from_proto(proto: Any) -> Fields:
    """The dictionary of an ``AssessmentError``."""
    return {
        "error_code": proto.error_code,
        "error_message": proto.error_message or None,
        "stack_trace": proto.stack_trace or None,
    }


def feedback_to_proto(feedback: Fields) -> Any:
    """A ``Feedback``."""
    proto = message_class("Feedback")()
    _set_value(proto.value, feedback["value"])
    if (error := feedback.get("error")) is not None:
        proto.error.CopyFrom(error_to_proto(error))
    return proto


def feedback_from_proto(proto: Any) -> Fields:
    """The dictionary of a ``Feedback``."""
    error = error_from_proto(proto.error) if proto.HasField("error") else None
    return {"value": _value_of(proto.value), "error": error}


def expectation_to_proto(expectation: Fields) -> Any:
    """An ``Expectation``."""
    proto = message_class("Expectation")()
    if "value" in expectation:
        _set_value(proto.value, expectation["value"])
    else:
        for field, text in expectation["serialized_value"].items():
            setattr(proto.serialized_value, field, text)
    return proto


def expectation_from_proto(proto: Any) -> Fields:
    """The dictionary of an ``Expectation``."""
    if not proto.HasField("serialized_value"):
        return {"value": _value_of(proto.value)}
    given = proto.serialized_value
    text = {"serialization_format": given.serialization_format, "value": given.value}
    return {"serialized_value": text}


def issue_to_proto(issue: Fields) -> Any:
    """An ``IssueReference``."""
    return message_class("IssueReference")(issue_name=issue["issue_name"])


def _location_of_id(trace_id: str) -> Fields | None:
    """The place in Unity Catalog that a trace's id names; None if it names none."""
    place, _, number = trace_id.removeprefix(_UC_PREFIX).rpartition("/")
    parts = place.split(".")
    if not trace_id.startswith(_UC_PREFIX) or not number or len(parts) not in (2, 3):
        return None
    names = dict(zip(("catalog_name", "schema_name", "table_prefix"), parts, strict=False))
    kind = "uc_schema" if len(parts) == 2 else "uc_table_prefix"
    return {"type": kind.upper(), kind: names}  # an id names no tables


def _short_id(trace_id: str, place: str | None) -> str:
    return trace_id if place is None else trace_id.rsplit("/", 1)[-1]


def _long_id(trace_id: str, place: str | None) -> str:
    return trace_id if place is None else f"{_UC_PREFIX}{place}/{trace_id}"


def _given(proto: Any, field: str) -> Any:
    return getattr(proto, field) if proto.HasField(field) else None


def _set_value(proto: Any, value: Any) -> None:
    _json_format().ParseDict(decode(encode(value)), proto)


def _value_of(proto: Any) -> Any:
    return _json_format().MessageToDict(proto)


def _json_format() -> Any:
    return package_module("google.protobuf.json_format", "protobuf")
