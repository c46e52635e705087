"""MLflow's names for attributes, tags and metadata, for programs that spell them so.

After ``mlflow.tracing.constant``, as far as there is something of the name here.
"""

from __future__ import annotations

from tracetape.formats import names

__all__ = ["CostKey", "SpanAttributeKey", "TokenUsageKey", "TraceMetadataKey", "TraceTagKey"]


class SpanAttributeKey:
    """Reserved attributes of a span."""

    REQUEST_ID = names.TRACE_ID
    INPUTS = names.SPAN_INPUTS
    OUTPUTS = names.SPAN_OUTPUTS
    SPAN_TYPE = names.SPAN_TYPE
    LOG_LEVEL = names.NAME_OF_FIELD["log_level"]
    FUNCTION_NAME = names.NAME_OF_FIELD["function_name"]
    DESCRIPTION = names.NAME_OF_FIELD["description"]
    CHAT_TOOLS = names.NAME_OF_FIELD["tools"]
    CHAT_USAGE = names.NAME_OF_FIELD["usage"]
    LLM_COST = names.NAME_OF_FIELD["cost"]
    MODEL = names.NAME_OF_FIELD["model"]
    MODEL_PROVIDER = names.NAME_OF_FIELD["provider"]
    MESSAGE_FORMAT = names.NAME_OF_FIELD["message_format"]
    EXPERIMENT_ID = names.NAME_OF_FIELD["experiment_id"]
    INTERMEDIATE_OUTPUTS = names.INTERMEDIATE_OUTPUTS


class TraceMetadataKey:
    """Metadata of a trace."""

    INPUTS = names.ROOT_INPUTS
    OUTPUTS = names.ROOT_OUTPUTS
    SOURCE_RUN = names.SOURCE_RUN
    MODEL_ID = names.MODEL_ID
    TOKEN_USAGE = names.TOKEN_USAGE
    COST = names.COST
    TRACE_USER = names.USER
    TRACE_SESSION = names.SESSION


class TraceTagKey:
    """Tags of a trace."""

    TRACE_NAME = names.TRACE_NAME


class TokenUsageKey:
    """Counts in the token usage of a span or a trace."""

    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOTAL_TOKENS = "total_tokens"
    CACHE_READ_INPUT_TOKENS = "cache_read_input_tokens"
    CACHE_CREATION_INPUT_TOKENS = "cache_creation_input_tokens"


class CostKey:
    """Parts of the cost of a span or a trace."""

    INPUT_COST = "input_cost"
    OUTPUT_COST = "output_cost"
    TOTAL_COST = "total_cost"
