"""Calls of models that nothing else records.

What goes through the SDK of OpenAI or Anthropic is a span of that call. Of the rest, such as
LiteLLM's models and the user's own, only the Agents SDK knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tracetape.entities import LiveSpan, SpanStatus, SpanStatusCode, SpanType
from tracetape.instrument import (
    Notice,
    current_span,
    guarded,
    start_span_no_context,
    wall_clock_ns,
)

__all__ = ["KINDS", "begins", "ends"]

# The SDK's kinds of a step, and MLflow's names of its span.
KINDS = {"generation": "Generation", "response": "Response"}
_COUNTS = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS = (
    ("cache_read_input_tokens", "input_tokens_details", "cached_tokens"),
    ("cache_creation_input_tokens", "input_tokens_details", "cache_write_tokens"),
    ("reasoning_tokens", "output_tokens_details", "reasoning_tokens"),
)


class _Asked(NamedTuple):
    began: int
    notice: Notice


_asked: dict[str, _Asked] = {}


def begins(number: Any) -> None:
    """A model is asked: from now on see whether that is recorded as a call."""
    if isinstance(number, str):
        _asked[number] = _Asked(wall_clock_ns(), Notice())


def ends(number: str, step: Any) -> None:
    """It has answered: unless a call was recorded, say what the SDK says."""
    asked = _asked.pop(number, None)
    if asked is None:
        return
    asked.notice.over()
    above = current_span()
    if asked.notice.spans or above is None:
        return
    data = step.span_data
    span = start_span_no_context(
        KINDS[data.type], SpanType.CHAT_MODEL, above, start_time_ns=asked.began
    )
    with guarded("describing the call of a model"):
        _describe(span, data, step.error)
    span.end()


def _describe(span: LiveSpan, data: Any, error: Any) -> None:
    response = getattr(data, "response", None)
    answer = getattr(data, "output", None) if response is None else response
    model = getattr(data, "model", None) or getattr(response, "model", None)
    fields: dict[str, Any] = {"message_format": "openai-agent"}
    if model:
        fields["model"] = str(model)
    usage = _usage(getattr(data, "usage", None)) or _usage(getattr(response, "usage", None))
    if usage:
        fields["usage"] = usage
    span.set_fields(fields)
    asked = getattr(data, "input", None)
    if asked is not None:
        span.set_inputs(asked)
    if answer is not None:
        span.set_outputs(answer)
    if getattr(data, "model_config", None):
        span.set_attribute("model_config", dict(data.model_config))
    if isinstance(error, Mapping):
        message = str(error.get("message") or "the model failed")
        span.set_status(SpanStatus(SpanStatusCode.ERROR, message))


def _usage(said: Any) -> dict[str, int]:
    """MLflow's counts, and reasoning if there was some; the SDK says 0 of what it does not know."""
    said = said.model_dump() if hasattr(said, "model_dump") else said
    if not isinstance(said, Mapping):
        return {}
    counts = {name: said.get(name) for name in _COUNTS}
    for name, place, key in _DETAILS:
        details = said.get(place)
        counts[name] = details.get(key) if isinstance(details, Mapping) else None
    if not counts["reasoning_tokens"]:
        del counts["reasoning_tokens"]
    said_counts = {name: count for name, count in counts.items() if isinstance(count, int)}
    return said_counts if any(said_counts.values()) else {}
