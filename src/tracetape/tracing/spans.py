"""`start_span`: the hot path of everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tracetape._system import perf_counter_ns
from tracetape.diagnostics import internal_error, logger
from tracetape.entities.constants import SpanType
from tracetape.live.live_span import LiveSpan, NoOpSpan
from tracetape.live.live_trace import begin_trace
from tracetape.live.running_span import NOT_BEGUN
from tracetape.tracing.current import Scope, current, current_span, settings
from tracetape.tracing.runtime import runtime
from tracetape.tracing.start import (
    Extras,
    begin,
    begin_at,
    begin_below,
    experiment_of,
)

if TYPE_CHECKING:
    from tracetape.entities.link import Link
    from tracetape.entities.log_level import SpanLogLevel

__all__ = [
    "SpanScope",
    "get_active_trace_id",
    "get_current_active_span",
    "span_scope",
    "start_span",
    "start_span_no_context",
]

_new = object.__new__


def start_span(
    name: str = "span",
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
    trace_destination: Any = None,
    log_level: SpanLogLevel | str | None = None,
    run_id: str | None = None,
    links: list[Link] | None = None,
    description: str | None = None,
) -> AbstractContextManager[LiveSpan]:
    """A span around a block of code; the current one inside it.

    A span without an open span above it begins a new trace. When the block ends the span does,
    with status OK unless it is ERROR; an exception is recorded as an event ``exception``, makes
    the span ERROR, and goes on unchanged. A failure of tracing gives a `NoOpSpan` and never
    raises, as does a trace that is not recorded (`context(enabled=False)`, `disable()`, not
    sampled). After ``mlflow.start_span``.

    Args:
        name: what the step is called.
        span_type: one of `SpanType`, or any other string.
        attributes: attributes to begin with.
        trace_destination: an `MlflowExperimentLocation`, kept as the location of a trace that
            begins here; others have no meaning (`configure(store=…)` says where traces go).
        log_level: how important the span is.
        run_id: kept as metadata ``mlflow.sourceRun`` of the trace.
        links: spans of other traces that this one is related to.
        description: what the span is about, for readers.

    Returns:
        A context manager that gives the `LiveSpan`.
    """
    if (
        log_level is None
        and run_id is None
        and links is None
        and description is None
        and trace_destination is None
    ):
        return span_scope(name, span_type, attributes)
    extras = Extras(
        log_level,
        links or (),
        description,
        experiment_id=experiment_of(trace_destination),
        run_id=run_id,
    )
    return span_scope(name, span_type, attributes, extras)


def span_scope(
    name: str,
    span_type: str,
    attributes: dict[str, Any] | None = None,
    extras: Extras | None = None,
) -> SpanScope:
    """A scope of a span that nothing has begun of yet."""
    # Without __init__: calling a class that has one takes twice as long.
    scope = _new(SpanScope)
    scope._name = name
    scope._type = span_type
    scope._end = NOT_BEGUN
    scope._given = attributes
    scope._extras = extras
    scope._leave = None
    return scope


def start_span_no_context(
    name: str,
    span_type: str = SpanType.UNKNOWN,
    parent_span: LiveSpan | None = None,
    inputs: Any | None = None,
    attributes: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    experiment_id: str | None = None,
    start_time_ns: int | None = None,
    log_level: SpanLogLevel | str | None = None,
    links: list[Link] | None = None,
    description: str | None = None,
) -> LiveSpan:
    """A span that is not made current; the caller must `end` it.

    Without a parent it begins a new trace, even inside an active span. After
    ``mlflow.start_span_no_context``.

    Args:
        name: what the step is called.
        span_type: one of `SpanType`, or any other string.
        parent_span: the span above it; a `NoOpSpan` gives a `NoOpSpan`.
        inputs: what goes in.
        attributes: attributes to begin with.
        tags: tags of the trace.
        metadata: metadata of the trace.
        experiment_id: kept as the trace's location.
        start_time_ns: when it began, ns since the epoch; now, if not given.
        log_level: how important the span is.
        links: spans of other traces that this one is related to.
        description: what the span is about, for readers.

    Returns:
        The open span; a `NoOpSpan` if tracing is off, the trace not sampled, or something failed.
    """
    if not runtime.enabled or isinstance(parent_span, NoOpSpan):
        return NoOpSpan()
    try:
        where = settings()
        where.parent = parent_span
        span = LiveSpan(name, span_type)
        if not begin_at(span, where, parent_span):
            return NoOpSpan()
        if tags or metadata:
            span._trace.describe(tags, metadata)
        Extras(log_level, links or (), description, start_time_ns, experiment_id).apply(span)
        if inputs is not None:
            span.set_inputs(inputs)
        if attributes is not None:
            span.set_attributes(attributes)
    except Exception:  # noqa: BLE001 - the guard
        internal_error("starting a span")
        return NoOpSpan()
    return span


def get_current_active_span() -> LiveSpan | None:
    """The innermost open span of this thread or task, or None."""
    return current_span()


def get_active_trace_id() -> str | None:
    """Id of the trace of the innermost open span, or None."""
    span = current_span()
    return None if span is None else span.trace_id


class SpanScope(LiveSpan):
    """A span that begins on entering a `with` block, is current inside it, and ends on leaving.

    The span and its scope are one object: a second one would cost a tenth of the whole.
    """

    __slots__ = ("_extras", "_given", "_leave")

    _given: dict[str, Any] | None
    _extras: Extras | None
    _leave: Callable[[], None] | None  # OpenTelemetry's context

    def __enter__(self) -> LiveSpan:
        if not runtime.enabled:
            return NoOpSpan()
        try:
            previous = current.get()
            if self._end is not NOT_BEGUN:
                logger.warning("The span %r was entered before: it is not recorded.", self._name)
                return NoOpSpan()
            # The two common cases, without a detour: a new trace, and a span below an open one.
            plain = self._extras is None and runtime.otel is None
            usual = runtime.sampling_ratio >= 1.0 and runtime.destination is None
            if previous is None and plain and usual:
                bits, recorder, now = runtime.random_bits, runtime.recorder, perf_counter_ns()
                trace = begin_trace(bits(128) or 1, recorder, now)
                trace.root = self
                self._begin(trace, bits(64) or 1, None, None, now)
                recorder.began(trace)
            elif plain and isinstance(previous, LiveSpan) and previous._end is None:
                begin_below(self, previous, previous._span_id, previous)
            elif not begin(self, self._extras):
                return self._drop()
            current.set(self)
            if self._given is not None:
                self.set_attributes(self._given)
            if not plain:
                self._add_extras()
        except Exception:  # noqa: BLE001 - the guard
            internal_error("starting a span")
            return NoOpSpan()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._end is NOT_BEGUN:
            self._undrop()
            return
        # In another task or thread something else may be current: it stays so.
        if current.get() is self:
            current.set(self._previous)
        if self._leave is not None:
            try:
                self._leave()
            except Exception:  # noqa: BLE001 - the guard
                internal_error("leaving OpenTelemetry's context")
        if self._end is not None:
            return
        if exc is not None:
            try:
                # A generator that is closed has not failed.
                if not isinstance(exc, GeneratorExit):
                    self._failed(exc)
            except Exception:  # noqa: BLE001 - the guard
                internal_error("ending a span")
        self._finish()

    def _add_extras(self) -> None:
        if self._extras is not None:
            self._extras.apply(self)
        if runtime.otel is not None:
            self._leave = runtime.otel.enter(self)

    def __repr__(self) -> str:
        if self._end is NOT_BEGUN:
            return f"<start_span({self._name!r}), not entered>"
        return super().__repr__().replace(type(self).__name__, "LiveSpan", 1)

    def _drop(self) -> LiveSpan:
        """Leave spans inside unrecorded too: children follow the root."""
        scope = self._previous = Scope(current.get(), dropped=True)
        current.set(scope)
        return NoOpSpan()

    def _undrop(self) -> None:
        scope = getattr(self, "_previous", None)  # not if recording was off
        if isinstance(scope, Scope) and current.get() is scope:
            current.set(scope._previous)
