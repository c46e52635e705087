"""The one mapping between our neutral field names and the names of MLflow's wire format."""

from __future__ import annotations

__all__ = ["FIELD_OF_NAME", "NAME_OF_FIELD", "SPAN_INPUTS", "SPAN_OUTPUTS", "SPAN_TYPE", "TRACE_ID"]

TRACE_ID = "mlflow.traceRequestId"
SPAN_INPUTS = "mlflow.spanInputs"
SPAN_OUTPUTS = "mlflow.spanOutputs"
SPAN_TYPE = "mlflow.spanType"

# What MLflow has no name for stands under a prefix of ours.
NAME_OF_FIELD = {
    "function_name": "mlflow.spanFunctionName",
    "tools": "mlflow.chat.tools",
    "usage": "mlflow.chat.tokenUsage",
    "model": "mlflow.llm.model",
    "provider": "mlflow.llm.provider",
    "cost": "mlflow.llm.cost",
    "message_format": "mlflow.message.format",
    "request_model": "tracetape.llm.request_model",
    "provider_usage": "tracetape.llm.provider_usage",
    "finish_reasons": "tracetape.llm.finish_reasons",
    "response_id": "tracetape.llm.response_id",
    "request_id": "tracetape.llm.request_id",
    "base_url": "tracetape.llm.base_url",
    "endpoint": "tracetape.llm.endpoint",
    "streamed": "tracetape.llm.streamed",
    "stream_end": "tracetape.llm.stream_end",
    "chunk_count": "tracetape.llm.chunk_count",
    "time_to_first_token_ns": "tracetape.llm.time_to_first_token_ns",
}
FIELD_OF_NAME = {name: field for field, name in NAME_OF_FIELD.items()}
