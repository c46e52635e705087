"""MLflow's protobuf messages of traces: the same bytes, without MLflow.

The classes are MLflow's own where the program has imported them, so that its functions take them.
Else they are made from the table below, whose numbers and types are those of MLflow's ``.proto``
files; names of packages are no part of a message's bytes.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any

from tracetape.formats.otel import package_module

__all__ = ["message_class"]

_FILE = "tracetape/mlflow_traces.proto"
_PACKAGE = "tracetape.mlflow"
_PROTOBUF = "opentelemetry-proto"  # brings protobuf, and the message of a span
_TIME, _DURATION, _VALUE = (f".google.protobuf.{n}" for n in ("Timestamp", "Duration", "Value"))
_SPAN = ".opentelemetry.proto.trace.v1.Span"

# Name of a message: its fields, as (number, name, type); a type with * is repeated, "map" is from
# text to text, and the group of which only one can be set follows a slash.
_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "TraceRequestMetadata": ((1, "key", "string"), (2, "value", "string")),
    "TraceTag": ((1, "key", "string"), (2, "value", "string")),
    "TraceInfo": (
        (1, "request_id", "string"),
        (2, "experiment_id", "string"),
        (3, "timestamp_ms", "int64"),
        (4, "execution_time_ms", "int64"),
        (5, "status", "State"),
        (6, "request_metadata", "TraceRequestMetadata*"),
        (7, "tags", "TraceTag*"),
    ),
    "MlflowExperimentLocation": ((1, "experiment_id", "string"),),
    "InferenceTableLocation": ((1, "full_table_name", "string"),),
    "TraceLocation": (
        (1, "type", "TraceLocationType"),
        (2, "mlflow_experiment", "MlflowExperimentLocation/identifier"),
        (3, "inference_table", "InferenceTableLocation/identifier"),
    ),
    "UCSchemaLocation": (
        (1, "catalog_name", "string"),
        (2, "schema_name", "string"),
        (3, "otel_spans_table_name", "string"),
        (4, "otel_logs_table_name", "string"),
    ),
    "UcTablePrefixLocation": (
        (1, "catalog_name", "string"),
        (2, "schema_name", "string"),
        (3, "table_prefix", "string"),
        (4, "spans_table_name", "string"),
        (5, "logs_table_name", "string"),
        (6, "metrics_table_name", "string"),
        (7, "location_id", "string"),
        (8, "annotations_table_name", "string"),
    ),
    "UcTraceLocation": (
        (1, "type", "TraceLocationType"),
        (2, "mlflow_experiment", "MlflowExperimentLocation/identifier"),
        (3, "inference_table", "InferenceTableLocation/identifier"),
        (4, "uc_schema", "UCSchemaLocation/identifier"),
        (5, "uc_table_prefix", "UcTablePrefixLocation/identifier"),
    ),
    "AssessmentSource": ((1, "source_type", "SourceType"), (2, "source_id", "string")),
    "AssessmentError": (
        (1, "error_code", "string"),
        (2, "error_message", "string"),
        (3, "stack_trace", "string"),
    ),
    "SerializedValue": ((1, "serialization_format", "string"), (2, "value", "string")),
    "Expectation": ((2, "value", _VALUE), (3, "serialized_value", "SerializedValue")),
    "Feedback": ((2, "value", _VALUE), (3, "error", "AssessmentError")),
    "IssueReference": ((1, "issue_name", "string"),),
    "Assessment": (
        (1, "assessment_id", "string"),
        (2, "assessment_name", "string"),
        (3, "trace_id", "string"),
        (4, "span_id", "string"),
        (5, "source", "AssessmentSource"),
        (6, "create_time", _TIME),
        (7, "last_update_time", _TIME),
        (9, "feedback", "Feedback/value"),
        (10, "expectation", "Expectation/value"),
        (16, "issue", "IssueReference/value"),
        (11, "rationale", "string"),
        (12, "error", "AssessmentError"),
        (13, "metadata", "map"),
        (14, "overrides", "string"),
        (15, "valid", "true"),
    ),
    "UcAssessment": (
        (1, "assessment_id", "string"),
        (2, "assessment_name", "string"),
        (3, "trace_id", "string"),
        (4, "trace_location", "UcTraceLocation"),
        (5, "span_id", "string"),
        (6, "source", "AssessmentSource"),
        (7, "create_time", _TIME),
        (8, "last_update_time", _TIME),
        (9, "feedback", "Feedback/value"),
        (10, "expectation", "Expectation/value"),
        (11, "rationale", "string"),
        (12, "metadata", "map"),
        (13, "overrides", "string"),
        (14, "valid", "true"),
    ),
    "TraceInfoV3": (
        (1, "trace_id", "string"),
        (2, "client_request_id", "string"),
        (3, "trace_location", "TraceLocation"),
        (4, "request", "string"),
        (5, "response", "string"),
        (12, "request_preview", "string"),
        (13, "response_preview", "string"),
        (6, "request_time", _TIME),
        (7, "execution_duration", _DURATION),
        (8, "state", "State"),
        (9, "trace_metadata", "map"),
        (10, "assessments", "Assessment*"),
        (11, "tags", "map"),
    ),
    "UcTraceInfo": (
        (1, "trace_id", "string"),
        (2, "client_request_id", "string"),
        (3, "trace_location", "UcTraceLocation"),
        (4, "request_preview", "string"),
        (5, "response_preview", "string"),
        (6, "request_time", _TIME),
        (7, "execution_duration", _DURATION),
        (8, "state", "State"),
        (9, "trace_metadata", "map"),
        (10, "assessments", "UcAssessment*"),
        (11, "tags", "map"),
    ),
    "Trace": ((1, "trace_info", "TraceInfoV3"), (2, "spans", f"{_SPAN}*")),
    "UcTrace": ((1, "trace_info", "UcTraceInfo"), (2, "spans", f"{_SPAN}*")),
}
_ENUMS = {
    "State": ("STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"),
    "TraceLocationType": (
        "TRACE_LOCATION_TYPE_UNSPECIFIED",
        "MLFLOW_EXPERIMENT",
        "INFERENCE_TABLE",
        "UC_SCHEMA",
        "UC_TABLE_PREFIX",
    ),
    "SourceType": ("SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"),
}
# Where MLflow has them; messages of its Databricks file begin with "Uc" here.
_ASSESSMENTS = {"Assessment", "AssessmentSource", "AssessmentError", "Expectation", "Feedback"}
_NESTED = {"MlflowExperimentLocation", "InferenceTableLocation"}  # in MLflow's TraceLocation
_SCALARS = {"string": 9, "int64": 3, "true": 8}
_ENUM, _MESSAGE, _OPTIONAL, _REPEATED = 14, 11, 1, 3  # numbers of descriptor.proto
_registering = threading.Lock()


def message_class(name: str) -> Any:
    """The class of a message of the table.

    Raises:
        IntegrationMissingError: the package opentelemetry-proto is absent.
    """
    if name.startswith("Uc"):
        module, attribute = "databricks_tracing_pb2", name[2:]
    elif name in _NESTED:
        module, attribute = "service_pb2", f"TraceLocation.{name}"
    elif name in _ASSESSMENTS or name == "IssueReference":
        module, attribute = "assessments_pb2", name
    else:
        module, attribute = "service_pb2", name
    theirs = sys.modules.get(f"mlflow.protos.{module}")
    for part in attribute.split("."):
        theirs = getattr(theirs, part, None)
    return _own_classes()[name] if theirs is None else theirs


@functools.lru_cache(maxsize=1)
def _own_classes() -> dict[str, Any]:
    package_module("opentelemetry.proto.trace.v1.trace_pb2", _PROTOBUF)  # its pool has spans now
    for known in ("timestamp", "duration", "struct"):
        package_module(f"google.protobuf.{known}_pb2", "protobuf")
    pool = package_module("google.protobuf.descriptor_pool", "protobuf").Default()
    factory = package_module("google.protobuf.message_factory", "protobuf")
    with _registering:  # the pool takes a file once
        try:
            pool.FindFileByName(_FILE)
        except KeyError:
            pool.AddSerializedFile(_file().SerializeToString())
    return {
        name: factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _file() -> Any:
    file = package_module("google.protobuf.descriptor_pb2", "protobuf").FileDescriptorProto(
        name=_FILE,
        package=_PACKAGE,
        syntax="proto2",
        dependency=[
            "google/protobuf/timestamp.proto",
            "google/protobuf/duration.proto",
            "google/protobuf/struct.proto",
            "opentelemetry/proto/trace/v1/trace.proto",
        ],
    )
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            # Values of enums share the package's names.
            enum.value.add(name=f"{name}_{value}", number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        groups: list[str] = []
        for number, field_name, kind in fields:
            _add_field(message, number, field_name, kind, groups)
        for group in groups:
            message.oneof_decl.add(name=group)
    return file


def _add_field(message: Any, number: int, name: str, kind: str, groups: list[str]) -> None:
    kind, _, group = kind.partition("/")
    field = message.field.add(number=number, name=name, label=_OPTIONAL)
    if kind.endswith("*") or kind == "map":
        field.label = _REPEATED
    kind = kind.rstrip("*")
    if kind == "map":
        entry = message.nested_type.add(name="".join(map(str.title, name.split("_"))) + "Entry")
        entry.options.map_entry = True
        for place, part in enumerate(("key", "value"), 1):
            entry.field.add(number=place, name=part, label=_OPTIONAL, type=_SCALARS["string"])
        kind = f"{message.name}.{entry.name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        if kind == "true":
            field.default_value = "true"
        return
    field.type = _ENUM if kind in _ENUMS else _MESSAGE
    field.type_name = kind if kind.startswith(".") else f".{_PACKAGE}.{kind}"
    if group:
        if group not in groups:
            groups.append(group)
        field.oneof_index = groups.index(group)
