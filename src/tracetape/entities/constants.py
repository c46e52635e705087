"""The words of the field: span types, status codes, trace states."""

from __future__ import annotations

from enum import Enum

__all__ = ["SpanStatusCode", "SpanType", "TraceState"]


class SpanType:
    """Names of common span types; any other string is allowed as a type."""

    LLM = "LLM"
    CHAIN = "CHAIN"
    AGENT = "AGENT"
    TOOL = "TOOL"
    CHAT_MODEL = "CHAT_MODEL"
    RETRIEVER = "RETRIEVER"
    PARSER = "PARSER"
    EMBEDDING = "EMBEDDING"
    RERANKER = "RERANKER"
    MEMORY = "MEMORY"
    UNKNOWN = "UNKNOWN"
    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    GUARDRAIL = "GUARDRAIL"
    EVALUATOR = "EVALUATOR"


class SpanStatusCode(str, Enum):
    """Outcome of a span, after OpenTelemetry's StatusCode; ``SpanStatusCode.OK == "OK"``."""

    UNSET = "UNSET"
    OK = "OK"
    ERROR = "ERROR"


class TraceState(str, Enum):
    """State of a trace; ``TraceState.OK == "OK"``."""

    STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"
