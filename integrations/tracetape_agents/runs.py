"""Each run of an agent as one span: what it was asked, and what it answered.

The SDK tells its trace processors neither. A run that no workflow of the user's contains
begins one on its own; that is not a second span, but the run's own.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from tracetape.entities import LiveSpan, SpanStatus, SpanStatusCode, SpanType
from tracetape.instrument import (
    begin_span,
    call_inside,
    call_unrecorded,
    call_watched,
    current_span,
    guarded,
    span_scope,
)

__all__ = ["claim_workflow", "fail_run", "run", "run_streamed"]

_RUN, _STREAMED = "AgentRunner.run", "AgentRunner.run_streamed"  # MLflow's names
_UNNAMED = "Agent workflow"  # the SDK's, where the user gives none
_WITH_CONTENT = "OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA"  # the SDK's
_NO = ("0", "false", "no", "off")

# Runs that are open, by the ids of their spans: why the last agent failed, if it did.
_failures: dict[str, str | None] = {}
# Those of them that may yet begin a workflow.
_without_workflow: set[str] = set()


async def run(
    original: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Await a run inside of a span; its exception is the span's."""
    if _is_disabled(kwargs):
        return await original(*args, **kwargs)
    with span_scope(_name(_RUN, kwargs), SpanType.AGENT) as span, ExitStack() as end:
        end.callback(_forget, span)
        _begun(span, args, kwargs)
        result = await original(*args, **kwargs)
        _keep_answer(span, result, kwargs)
    return result


def run_streamed(
    original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Begin a run that goes on in a task of its own: the span ends when that does."""
    if _is_disabled(kwargs):
        return original(*args, **kwargs)
    span = begin_span(_name(_STREAMED, kwargs), SpanType.AGENT)
    if span is None:  # what is below is not recorded either
        return call_unrecorded(original, *args, **kwargs)
    _begun(span, args, kwargs)
    result = call_watched(
        partial(call_inside, span, original), partial(_over, span, kwargs, None), *args, **kwargs
    )
    task = getattr(result, "run_loop_task", None) or getattr(result, "_run_impl_task", None)
    if task is not None and hasattr(task, "add_done_callback"):
        task.add_done_callback(partial(_task_is_over, span, kwargs, result))
    else:
        _over(span, kwargs, result, None)
    return result


def claim_workflow() -> LiveSpan | None:
    """The run that begins the workflow which begins now; None: the user does."""
    span = current_span()
    if span is None or span.span_id not in _without_workflow:
        return None
    _without_workflow.discard(span.span_id)
    return span


def fail_run(span_id: str | None, why: str | None) -> None:
    """Say whether the last agent of a run failed, and why."""
    if span_id in _failures:
        _failures[span_id] = why


def _begun(span: LiveSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with guarded("beginning the run of an agent"):
        number = span.span_id
        if number is None:
            return  # it is not recorded
        _failures[number] = None
        _without_workflow.add(number)
        if _shows_content(kwargs):
            asked = kwargs.get("input", args[2] if len(args) > 2 else None)
            # A run that goes on has its first question in its state.
            span.set_inputs(getattr(asked, "_original_input", asked))


def _task_is_over(span: LiveSpan, kwargs: dict[str, Any], result: Any, task: Any) -> None:
    # Not `exception()`: asyncio would take it for seen, and no longer tell the user.
    exception = None if task.cancelled() else getattr(task, "_exception", None)
    _over(span, kwargs, result, exception)


def _over(
    span: LiveSpan, kwargs: dict[str, Any], result: Any, exception: BaseException | None
) -> None:
    with guarded("ending the run of an agent"):
        why = _forget(span)
        if exception is not None:
            span.record_exception(exception)
        elif why is not None:
            span.set_status(SpanStatus(SpanStatusCode.ERROR, why))
        elif result is not None:
            _keep_answer(span, result, kwargs)
        span.end()


def _keep_answer(span: LiveSpan, result: Any, kwargs: dict[str, Any]) -> None:
    with guarded("reading the answer of an agent"):
        answer = getattr(result, "final_output", None)
        if answer is not None and _shows_content(kwargs):
            span.set_outputs(answer)


def _forget(span: LiveSpan) -> str | None:
    number = span.span_id
    _without_workflow.discard(number)
    return _failures.pop(number, None)


def _name(usual: str, kwargs: dict[str, Any]) -> str:
    named = getattr(kwargs.get("run_config"), "workflow_name", None)
    return named if isinstance(named, str) and named not in ("", _UNNAMED) else usual


def _is_disabled(kwargs: dict[str, Any]) -> bool:
    return getattr(kwargs.get("run_config"), "tracing_disabled", False) is True


def _shows_content(kwargs: dict[str, Any]) -> bool:
    config = kwargs.get("run_config")
    if config is None:
        return os.environ.get(_WITH_CONTENT, "").strip().lower() not in _NO
    return getattr(config, "trace_include_sensitive_data", True) is not False
