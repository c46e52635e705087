"""Spans of the Agents SDK as spans of tracetape.

The SDK says when each begins and ends, in the context in which it does its work: what is called in
between, such as a model by the OpenAI SDK, nests. Shapes: ``agents.tracing.span_data``.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tracetape.entities import LiveSpan, SpanStatus, SpanStatusCode, SpanType
from tracetape.instrument import guarded, quietly, start_span, update_current_trace
from tracetape_agents import model_calls
from tracetape_agents.runs import claim_workflow, fail_run

__all__ = ["on_span_end", "on_span_start", "on_trace_end", "on_trace_start"]

# Turns and tasks only group what is beneath.
_LEFT_OUT = frozenset({"turn", "task"})
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
    handled: BaseException | None  # what the user's program was handling when it began


_open: dict[str, _Open] = {}
# Of each step that is open, also of those that are left out: its kind, and the step above it.
_above: dict[str, tuple[str, str | None]] = {}
# Of each workflow that is open: why its last agent failed, if that did.
_failed: dict[str, str | None] = {}


def _guarded(take: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(take)
    def taking(one: Any) -> None:
        with guarded(f"tracing the Agents SDK ({take.__name__})"):
            take(one)

    return taking


@_guarded
def on_trace_start(trace: Any) -> None:
    """A workflow begins; what has the same group id is one session."""
    number, run = _get(trace, "trace_id"), claim_workflow()
    if run is not None and isinstance(number, str):
        _open[number] = _Open(contextlib.nullcontext(run), run, sys.exc_info()[1])
    elif not _begin(number, _get(trace, "name"), SpanType.WORKFLOW):
        return
    said = _exported(trace)
    given = said.get("metadata")
    metadata = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    group = said.get("group_id")
    group = group if isinstance(group, str) else None
    if group or metadata:
        update_current_trace(session_id=group, metadata=metadata)


@_guarded
def on_trace_end(trace: Any) -> None:
    """A workflow is over: it failed if an exception passes it, or if its last agent failed."""
    number = _get(trace, "trace_id")
    opened = _open.get(number) if isinstance(number, str) else None
    if opened is None:
        return
    failure = _failed.pop(number, None)
    exception = _passing(opened)
    if exception is None and failure is not None:
        opened.span.set_status(SpanStatus(SpanStatusCode.ERROR, failure))
    _end(number, exception)


@_guarded
def on_span_start(span: Any) -> None:
    """A step begins."""
    data = _get(span, "span_data")
    kind, number, above = _get(data, "type"), _get(span, "span_id"), _get(span, "parent_id")
    if not isinstance(kind, str):
        return
    if isinstance(number, str):
        _above[number] = kind, above if isinstance(above, str) else None
    if kind in model_calls.KINDS:
        model_calls.begins(number)
    if kind in model_calls.KINDS or kind in _LEFT_OUT:
        return
    name = _get(data, "name") or kind
    if kind == "handoff":
        name = f"handoff from {_get(data, 'from_agent')}"
    _begin(_get(span, "span_id"), name, _TYPES.get(kind, SpanType.UNKNOWN))


@_guarded
def on_span_end(span: Any) -> None:
    """A step is over: only now its content is known."""
    number = _get(span, "span_id")
    if not isinstance(number, str):
        return
    kind = _above.pop(number, ("", None))[0]
    if kind in model_calls.KINDS:
        model_calls.ends(number, span)
    opened = _open.get(number)
    if opened is None:
        return
    with guarded("describing a step of an agent"):
        _describe(opened, span)
        workflow = str(_get(span, "trace_id"))
        if kind == "agent" and not _is_below_agent(span):
            why = _why_failed(span, opened)
            fail_run(opened.span.parent_id, why)
            if workflow in _open:
                _failed[workflow] = why
    _end(number)


def _describe(opened: _Open, span: Any) -> None:
    data = _get(span, "span_data")
    said = {k: v for k, v in _exported(data).items() if k not in ("type", "name")}
    inputs, outputs = said.pop("input", None), said.pop("output", None)
    kind = _get(data, "type")
    if kind == "handoff":
        outputs = said.pop("to_agent", None)
    elif kind in ("custom", "mcp_tools"):
        outputs = said.pop("data", None) or said.pop("result", None)
    if inputs is not None:
        opened.span.set_inputs(inputs)
    if outputs is not None:
        opened.span.set_outputs(outputs)
    opened.span.set_attributes({key: value for key, value in said.items() if value is not None})
    error = _get(span, "error")
    if isinstance(error, dict) and error:
        message = str(error.get("message") or "the step failed")
        opened.span.set_status(SpanStatus(SpanStatusCode.ERROR, message))
        if error.get("data"):
            opened.span.set_attribute("error.data", error["data"])


def _begin(number: Any, name: Any, kind: str) -> bool:
    """Whether a span has begun: what has no id, such as a stand-in, gets none."""
    if not isinstance(number, str):
        return False
    scope = start_span(str(name), kind)
    _open[number] = _Open(scope, scope.__enter__(), sys.exc_info()[1])
    return True


def _get(one: Any, name: str) -> Any:
    return getattr(one, name, None)


def _exported(one: Any) -> dict[str, Any]:
    """Fields that the SDK exports of a trace, or of the data of a span."""
    export = _get(one, "export")
    said = quietly(export) if callable(export) else None
    return said if isinstance(said, dict) else {}


def _end(number: str, exception: BaseException | None = None) -> None:
    opened = _open.pop(number, None)
    if opened is None:
        return
    if exception is None:
        opened.scope.__exit__(None, None, None)
    else:
        opened.scope.__exit__(type(exception), exception, exception.__traceback__)


def _passing(opened: _Open) -> BaseException | None:
    """The exception that leaves a step; the SDK ends it in its ``finally`` or ``__exit__``."""
    exception = sys.exc_info()[1]
    if exception is opened.handled or isinstance(exception, GeneratorExit):
        return None
    return exception


def _why_failed(span: Any, opened: _Open) -> str | None:
    """Why the run of an agent failed; None: it did not, or recovered from its error."""
    error = _get(span, "error")
    if not isinstance(error, dict) or not error:
        return None
    # A run raises what it does not recover from; a streamed one does so later, where its events
    # are read.
    if _passing(opened) is None and not _is_raised_later():
        return None
    return str(error.get("message") or "the agent failed")


def _is_below_agent(span: Any) -> bool:
    """Whether it works for another agent, as a tool of that."""
    above = _get(span, "parent_id")
    while isinstance(above, str):
        kind, above = _above.get(above, ("", None))
        if kind in ("agent", "function"):
            return True
    return False


def _is_raised_later() -> bool:
    """Whether a streamed run ends here with an error that no handler of the user's has taken.

    Nothing public tells; the SDK's loop has it in a variable. Where that is missing, no.
    """
    frame = sys._getframe(1)
    while frame is not None:
        result = frame.f_locals.get("streamed_result")
        if result is not None:
            return not getattr(result, "_max_turns_handled", True)
        frame = frame.f_back  # type: ignore[assignment]
    return False
