"""The words of the field: span types, status codes, trace states."""

from __future__ import annotations

from enum import Enum
from typing import Any

from tracetape.exceptions import InvalidValueError
from tracetape.formats.names import CODE_PREFIX

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

    def to_otel_proto_status_code_name(self) -> str:
        """Its name in OpenTelemetry's protobuf, such as ``STATUS_CODE_OK``."""
        return CODE_PREFIX + self.value

    @staticmethod
    def from_otel_proto_status_code_name(status_code_name: str) -> SpanStatusCode:
        """The code that has this name in OpenTelemetry's protobuf.

        Raises:
            InvalidValueError: none has.
        """
        names = {code.to_otel_proto_status_code_name(): code for code in SpanStatusCode}
        try:
            return names[status_code_name]
        except (KeyError, TypeError):
            raise InvalidValueError(
                f"Invalid status code name: {status_code_name}. "
                f"Valid values are: {', '.join(names)}"
            ) from None


class TraceState(str, Enum):
    """State of a trace; ``TraceState.OK == "OK"``."""

    STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"

    def __str__(self) -> str:
        return self.value

    def to_proto(self) -> int:
        """Its number in MLflow's protobuf."""
        return list(TraceState).index(self)

    @classmethod
    def from_proto(cls, proto: int) -> TraceState:
        """The state with this number.

        Raises:
            IndexError: there is none.
        """
        return list(cls)[proto]

    @staticmethod
    def from_otel_status(otel_status: Any) -> TraceState:
        """The state of a trace whose root has this OpenTelemetry status."""
        code = otel_status.status_code.name
        return TraceState.STATE_UNSPECIFIED if code == "UNSET" else TraceState(code)
