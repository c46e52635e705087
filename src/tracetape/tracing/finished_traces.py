"""Traces that were made elsewhere, or at once: `add_trace` and `log_trace`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracetape.diagnostics import warn_once
from tracetape.entities import LiveSpan, NoOpSpan, Trace, TraceState
from tracetape.entities.span import record_of
from tracetape.exceptions import InvalidValueError, TracetapeException
from tracetape.formats.names import TRACE_NAME
from tracetape.live.live_span import ended_copy
from tracetape.live.running_span import trace_of
from tracetape.tracing.current import current_span, place, settings
from tracetape.tracing.runtime import runtime
from tracetape.tracing.spans import start_span_no_context

__all__ = ["add_trace", "log_trace"]


def add_trace(trace: Trace | dict[str, Any], target: LiveSpan | None = None) -> None:
    """Put a finished trace of another process below a span of this one.

    Its spans get this trace's id and keep their own; of tags and metadata, ours win. Without a
    target and an active span, a root span ``Remote Trace <name>`` is made around it. While
    tracing is off nothing happens. After ``mlflow.add_trace``.

    Args:
        trace: a trace, or what `Trace.to_dict` gave.
        target: the span to put it below; the active one, if not given.

    Raises:
        InvalidValueError: it is not a trace, or still running.
        TracetapeException: a span's parent comes after it or is missing.
    """
    if not runtime.enabled:
        return
    where = place() if target is None else settings()
    if not where.recorded or isinstance(target, NoOpSpan):
        return
    found = _checked(trace)
    parent = target or current_span()
    _check_order(found, parent)
    own_root = None
    if parent is None:
        root = found.data.spans[0]
        own_root = parent = start_span_no_context(
            f"Remote Trace <{root.name}>",
            inputs=root.inputs,
            start_time_ns=root.start_time_ns - 1,
        )
        if isinstance(parent, NoOpSpan):
            return
        parent.set_outputs(root.outputs)
    _merge(found, parent)
    if own_root is not None:
        own_root.end(end_time_ns=max(span.end_time_ns or 0 for span in found.data.spans))


def _checked(trace: Trace | dict[str, Any]) -> Trace:
    if isinstance(trace, dict):
        try:
            trace = Trace.from_dict(trace)
        except Exception as error:
            raise InvalidValueError(
                "Failed to load a trace object from the given dictionary. Give what "
                f"Trace.to_dict() makes: {error}"
            ) from error
    if not isinstance(trace, Trace):
        raise InvalidValueError(
            f"Invalid trace object: {type(trace).__name__}. Give a Trace or its dictionary."
        )
    if trace.info.state == TraceState.IN_PROGRESS:
        raise InvalidValueError("The trace must be ended before adding it to another trace.")
    if not trace.data.spans:
        raise InvalidValueError("Invalid trace object: it has no spans.")
    return trace


def _check_order(trace: Trace, target: LiveSpan | None) -> None:
    known = {None, None if target is None else target.span_id}
    for span in trace.data.spans:
        if span.parent_id not in known:
            raise TracetapeException(
                f"Span with ID {span.parent_id} not found. Spans must come after their parents."
            )
        known.add(span.span_id)


def _merge(trace: Trace, target: LiveSpan) -> None:
    copies = {None: target, record_of(target).span_id: target}
    for record in map(record_of, trace.data.spans):
        copies[record.span_id] = ended_copy(record, copies[record.parent_id])
    tags = {key: value for key, value in trace.info.tags.items() if key != TRACE_NAME}
    details = trace_of(target).described()
    details.tags = {**tags, **details.tags}
    # What MLflow derives from the trace itself must not overwrite what is true of the new trace.
    details.metadata = {
        **{k: v for k, v in trace.info.trace_metadata.items() if not k.startswith("mlflow.trace")},
        **details.metadata,
    }


def log_trace(
    name: str = "Task",
    request: Any | None = None,
    response: Any | None = None,
    intermediate_outputs: Mapping[str, Any] | None = None,
    attributes: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    start_time_ms: int | None = None,
    execution_time_ms: int | None = None,
) -> str:
    """Record a trace of one span at once.

    Deprecated in MLflow since 3.6, and kept for programs that use it: `start_span` says more.

    Args:
        name: the span's name.
        request: its inputs.
        response: its outputs.
        intermediate_outputs: kept as the attribute ``mlflow.trace.intermediate_outputs``.
        attributes: attributes of the span.
        tags: tags of the trace.
        start_time_ms: when it began, in milliseconds since the epoch; now, if not given.
        execution_time_ms: how long it took, in milliseconds.

    Returns:
        The trace's id.
    """
    warn_once("log_trace", "log_trace() is deprecated: use start_span() or @trace.")
    start = None if start_time_ms is None else int(start_time_ms) * 1_000_000
    span = start_span_no_context(
        name, inputs=request, attributes=attributes, tags=tags, start_time_ns=start
    )
    if intermediate_outputs is not None:
        span.set_attribute("mlflow.trace.intermediate_outputs", dict(intermediate_outputs))
    took = None if execution_time_ms is None else int(execution_time_ms) * 1_000_000
    end = None if took is None or span.start_time_ns is None else span.start_time_ns + took
    span.end(outputs=response, end_time_ns=end)
    return span.trace_id
