"""The one mapping between our neutral field names and the names of MLflow's wire format."""

from __future__ import annotations

__all__ = [
    "CODE_PREFIX",
    "COST",
    "EXPERIMENT_NAME",
    "FIELD_OF_NAME",
    "FOREIGN_TRACE_ID",
    "INTERMEDIATE_OUTPUTS",
    "LINKS",
    "LOG_LEVEL",
    "MODEL_ID",
    "NAME_OF_FIELD",
    "ROOT_INPUTS",
    "ROOT_OUTPUTS",
    "SCHEMA_VERSION",
    "SESSION",
    "SOURCE_RUN",
    "SPAN_INPUTS",
    "SPAN_OUTPUTS",
    "SPAN_TYPE",
    "TOKEN_USAGE",
    "TRACE_ID",
    "TRACE_NAME",
    "TRACKING_URI",
    "USER",
]

TRACE_ID = "mlflow.traceRequestId"
SPAN_INPUTS = "mlflow.spanInputs"
SPAN_OUTPUTS = "mlflow.spanOutputs"
SPAN_TYPE = "mlflow.spanType"
INTERMEDIATE_OUTPUTS = "mlflow.trace.intermediate_outputs"
# Tags and metadata of traces.
TRACE_NAME = "mlflow.traceName"
SCHEMA_VERSION = "mlflow.trace_schema.version"
ROOT_INPUTS = "mlflow.traceInputs"
ROOT_OUTPUTS = "mlflow.traceOutputs"
TOKEN_USAGE = "mlflow.trace.tokenUsage"  # noqa: S105 - tokens of language, not of access
COST = "mlflow.trace.cost"
SESSION = "mlflow.trace.session"
USER = "mlflow.trace.user"
SOURCE_RUN = "mlflow.sourceRun"
MODEL_ID = "mlflow.modelId"
EXPERIMENT_NAME = "tracetape.experiment"
TRACKING_URI = "tracetape.tracking_uri"

LOG_LEVEL = "log_level"

# Stored in one column with the fields: a span's links, and what `TRACE_ID` shows for a trace that
# was not made here (see `Span.trace_id`).
LINKS = "links"
FOREIGN_TRACE_ID = "foreign_trace_id"

# Fields that MLflow has no name for have tracetape's prefix.
NAME_OF_FIELD = {
    "function_name": "mlflow.spanFunctionName",
    "description": "mlflow.spanDescription",
    LOG_LEVEL: "mlflow.spanLogLevel",
    "tools": "mlflow.chat.tools",
    "usage": "mlflow.chat.tokenUsage",
    "model": "mlflow.llm.model",
    "provider": "mlflow.llm.provider",
    "cost": "mlflow.llm.cost",
    "message_format": "mlflow.message.format",
    "experiment_id": "mlflow.experimentId",
    "capture": "tracetape.capture",
    "request_model": "tracetape.llm.request_model",
    "provider_usage": "tracetape.llm.provider_usage",
    "finish_reasons": "tracetape.llm.finish_reasons",
    "response_id": "tracetape.llm.response_id",
    "request_id": "tracetape.llm.request_id",
    "base_url": "tracetape.llm.base_url",
    "path": "tracetape.llm.path",
    "retries": "tracetape.llm.retries",
    "error_code": "tracetape.llm.error_code",
    "endpoint": "tracetape.llm.endpoint",
    "streamed": "tracetape.llm.streamed",
    "stream_end": "tracetape.llm.stream_end",
    "chunk_count": "tracetape.llm.chunk_count",
    "time_to_first_token_ns": "tracetape.llm.time_to_first_token_ns",
}
# Of the status codes' names in OpenTelemetry's protobuf, and in MLflow's trace JSON.
CODE_PREFIX = "STATUS_CODE_"
FIELD_OF_NAME = {name: field for field, name in NAME_OF_FIELD.items()}
