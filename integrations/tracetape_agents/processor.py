"""Spans of the Agents SDK as spans of ours.

The SDK says when each begins and ends, in the context in which it does its work: what is called in
between, such as a model by the OpenAI SDK, nests by itself. Shapes: ``agents.tracing.span_data``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tracetape.diagnostics import internal_error
from tracetape.entities import LiveSpan, SpanStatus, SpanStatusCode, SpanType
from tracetape.tracing import start_span, update_current_trace

__all__ = ["on_span_end", "on_span_start", "on_trace_end", "on_trace_start"]

# Calls of models are traced where they are made; turns and tasks only group what is beneath.
_LEFT_OUT = frozenset({"generation", "response", "turn", "task"})
_TYPES = {
    "agent": SpanType.AGENT,
    "function": SpanType.TOOL,
    "guardrail": SpanType.GUARDRAIL,
    "handoff": SpanType.CHAIN,
    "mcp_tools": SpanType.TOOL,
    "speech": SpanType.LLM,
    "transcription": SpanType.LLM,
}


class _Open(NamedTuple):
    scope: AbstractContextManager[LiveSpan]
    span: LiveSpan


_open: dict[str, _Open] = {}


def _guarded(take: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(take)
    def guarded(one: Any) -> None:
        try:
            take(one)
        except Exception:  # noqa: BLE001 - the guard
            internal_error(f"tracing the Agents SDK ({take.__name__})")

    return guarded


@_guarded
def on_trace_start(trace: Any) -> None:
    """A workflow begins; what has the same group id is one session."""
    _begin(trace.trace_id, str(trace.name), SpanType.WORKFLOW)
    said = trace.export() or {}
    metadata = {str(k): str(v) for k, v in (said.get("metadata") or {}).items()}
    if said.get("group_id") or metadata:
        update_current_trace(session_id=said.get("group_id"), metadata=metadata)


@_guarded
def on_trace_end(trace: Any) -> None:
    """A workflow is over."""
    _end(trace.trace_id)


@_guarded
def on_span_start(span: Any) -> None:
    """A step begins."""
    kind = span.span_data.type
    if kind in _LEFT_OUT:
        return
    data = span.span_data
    name = getattr(data, "name", None) or kind
    if kind == "handoff":
        name = f"handoff from {data.from_agent}"
    _begin(span.span_id, str(name), _TYPES.get(kind, SpanType.UNKNOWN))


@_guarded
def on_span_end(span: Any) -> None:
    """A step is over: only now its content is known."""
    opened = _open.get(span.span_id)
    if opened is None:
        return
    data = span.span_data
    said = {k: v for k, v in (data.export() or {}).items() if k not in ("type", "name")}
    inputs, outputs = said.pop("input", None), said.pop("output", None)
    if data.type == "handoff":
        outputs = said.pop("to_agent", None)
    elif data.type in ("custom", "mcp_tools"):
        outputs = said.pop("data", None) or said.pop("result", None)
    if inputs is not None:
        opened.span.set_inputs(inputs)
    if outputs is not None:
        opened.span.set_outputs(outputs)
    opened.span.set_attributes({key: value for key, value in said.items() if value is not None})
    if span.error:
        message = str(span.error.get("message") or "the step failed")
        opened.span.set_status(SpanStatus(SpanStatusCode.ERROR, message))
        if span.error.get("data"):
            opened.span.set_attribute("error.data", span.error["data"])
    _end(span.span_id)


def _begin(number: str, name: str, kind: str) -> None:
    scope = start_span(name, kind)
    _open[number] = _Open(scope, scope.__enter__())


def _end(number: str) -> None:
    opened = _open.pop(number, None)
    if opened is not None:
        opened.scope.__exit__(None, None, None)
