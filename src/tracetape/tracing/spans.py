"""`start_span`: the hot path of everything."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from tracetape.diagnostics import internal_error
from tracetape.entities import LiveSpan, NoOpSpan, SpanType
from tracetape.entities.live_trace import LiveTrace
from tracetape.tracing.context import current, current_span
from tracetape.tracing.runtime import runtime

__all__ = ["SpanScope", "begin_span", "get_current_active_span", "start_span"]


def start_span(
    name: str = "span",
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
) -> AbstractContextManager[LiveSpan]:
    """A span around a block of code; the current one inside it.

    A span without an open span above it begins a new trace. When the block ends the span does,
    with status OK unless it is ERROR; an exception is recorded as an event ``exception``, makes
    the span ERROR, and goes on unchanged. A failure of tracing gives a `NoOpSpan` and never
    raises. After ``mlflow.start_span``.

    Args:
        name: what the step is called.
        span_type: one of `SpanType`, or any other string.
        attributes: attributes to begin with.

    Returns:
        A context manager that gives the `LiveSpan`.
    """
    return SpanScope(name, span_type, attributes)


def get_current_active_span() -> LiveSpan | None:
    """The innermost open span of this thread or task, or None."""
    return current_span()


def begin_span(name: str, span_type: str, previous: LiveSpan | None) -> LiveSpan:
    """A new span below `previous`, or of a new trace; not made current."""
    bits = runtime.random_bits
    if previous is not None:
        return LiveSpan(
            previous._trace, bits(64) or 1, previous._span_id, previous, name, span_type
        )
    recorder = runtime.recorder
    trace = LiveTrace(bits(128) or 1, recorder)
    span = trace.root = LiveSpan(trace, bits(64) or 1, None, None, name, span_type)
    recorder.began(trace)
    return span


class SpanScope(AbstractContextManager[LiveSpan]):
    """Begins a span on entering, ends it on leaving."""

    __slots__ = ("_attributes", "_name", "_span", "_type")

    def __init__(self, name: str, span_type: str, attributes: dict[str, Any] | None) -> None:
        """Nothing begins yet."""
        self._name = name
        self._type = span_type
        self._attributes = attributes
        self._span: LiveSpan | None = None

    def __enter__(self) -> LiveSpan:
        if not runtime.enabled:
            return NoOpSpan()
        try:
            previous = current.get()
            if previous is not None and previous._end is not None:
                previous = current_span()
            span = self._span = begin_span(self._name, self._type, previous)
            if self._attributes is not None:
                span.set_attributes(self._attributes)
            current.set(span)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("starting a span")
            return NoOpSpan()
        return span

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        span = self._span
        if span is None:
            return
        try:
            if exc is not None and span._end is None:
                span._failed(exc)
            # In another task or thread something else may be current: it stays so.
            if current.get() is span:
                current.set(span._previous)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("ending a span")
        if span._end is None:
            span._finish()
