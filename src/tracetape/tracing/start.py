"""How a span begins: below an open one, as the root of a trace, below a parent elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tracetape._system import perf_counter_ns
from tracetape.diagnostics import logger
from tracetape.exceptions import TracetapeException
from tracetape.formats.names import SOURCE_RUN
from tracetape.live.live_span import LiveSpan
from tracetape.live.live_trace import begin_trace
from tracetape.tracing.current import EXPERIMENT, Current, Place, Remote, current, place
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.entities.link import Link
    from tracetape.entities.log_level import SpanLogLevel

__all__ = ["Extras", "begin", "begin_at", "begin_below", "begin_span", "experiment_of"]


class Extras(NamedTuple):
    """Options of a new span that are rarely given."""

    log_level: SpanLogLevel | str | None = None
    links: Sequence[Link] | Callable[[], Sequence[Link]] = ()
    description: str | None = None
    start_time_ns: int | None = None
    experiment_id: str | None = None
    run_id: str | None = None
    sampling_ratio: float | None = None

    def apply(self, span: LiveSpan) -> None:
        """Say it of `span`."""
        if self.start_time_ns is not None:
            span._start = int(self.start_time_ns)
        if self.log_level is not None:
            _said(span, span.set_log_level, self.log_level)
        if self.description is not None:
            span.set_description(self.description)
        for link in self._links_of(span):
            _said(span, span.add_link, link)
        if self.experiment_id is not None or self.run_id is not None:
            metadata = {} if self.run_id is None else {SOURCE_RUN: self.run_id}
            experiment_id = self._experiment_of(span)
            span._trace.describe(None, metadata, experiment_id=experiment_id)
            if experiment_id is not None:
                span.set_fields({"experiment_id": experiment_id})

    def _links_of(self, span: LiveSpan) -> Sequence[Link]:
        if not callable(self.links):
            return self.links
        try:
            return tuple(self.links())
        except Exception:  # noqa: BLE001 - it is the user's code
            logger.warning(
                "The span %r begins without links: the function that gives them failed.",
                span.name,
                exc_info=True,
            )
            return ()

    def _experiment_of(self, span: LiveSpan) -> str | None:
        if self.experiment_id is None or span._trace.root is span:
            return self.experiment_id
        logger.warning(
            "The span %r is not the root of its trace: the experiment %r that it names is ignored.",
            span.name,
            self.experiment_id,
        )
        return None


def _said(span: LiveSpan, say: Callable[[Any], None], value: Any) -> None:
    """Say it of a span; what the program says wrongly is left out, and the span goes on."""
    try:
        say(value)
    except TracetapeException as error:
        logger.warning("The span %r begins without %r: %s", span.name, value, error)


def experiment_of(destination: Any) -> str | None:
    """The id of the experiment that a ``trace_destination`` names; None: it names none."""
    number = getattr(destination, "experiment_id", None)
    return None if number is None else str(number)


def begin_span(name: str, span_type: str) -> LiveSpan | None:
    """A new span at the context's place, not made current; None if it is not recorded."""
    span = LiveSpan(name, span_type)
    return span if begin(span) else None


def begin(span: LiveSpan, extras: Extras | None = None) -> bool:
    """Begin a span at the context's place; False if it is not recorded.

    It is not made current.
    """
    otel = None if runtime.otel is None else runtime.otel.parent()
    return begin_at(span, place(), current.get(), extras, otel)


def begin_at(
    span: LiveSpan,
    where: Place,
    previous: Current,
    extras: Extras | None = None,
    otel: Remote | None = None,
) -> bool:
    """Begin a span at a place; False if it is not recorded.

    Args:
        span: the span.
        where: its parent and its trace.
        previous: what becomes current again when the span is left.
        extras: its `sampling_ratio` is for a trace that begins here.
        otel: OpenTelemetry's active span.
    """
    if not where.recorded:
        return False
    parent = where.parent
    if parent is None:
        where.remote = where.remote or otel
        return _begin_trace(span, where, previous, extras)
    parent_id = parent._span_id
    if otel is not None and otel.trace_id == parent._trace_id:
        parent_id = otel.span_id  # a span of OpenTelemetry's own, inside of ours
    begin_below(span, parent, parent_id, previous)
    return True


def begin_below(span: LiveSpan, parent: LiveSpan, parent_id: int, previous: Current) -> None:
    """Begin a span in the trace of an open one."""
    trace = parent._trace
    span._begin(trace, runtime.random_bits(64) or 1, parent_id, previous, perf_counter_ns())
    trace.add(span)


def _begin_trace(span: LiveSpan, where: Place, previous: Current, extras: Extras | None) -> bool:
    bits, now = runtime.random_bits, perf_counter_ns()
    remote = where.remote
    trace_id = bits(128) or 1 if remote is None else remote.trace_id
    trace = begin_trace(trace_id, runtime.recorder, now, is_part=remote is not None)
    ratio = None if extras is None else extras.sampling_ratio
    if ratio is None:
        ratio = runtime.sampling_ratio
    if ratio < 1.0 and remote is None and random.random() >= ratio:
        if not runtime.config.keep_errors:
            return False
        trace.held = []
    trace.root = span
    parent_id = None if remote is None else remote.span_id
    span._begin(trace, bits(64) or 1, parent_id, previous, now)
    destination = runtime.destination
    if destination is not None:
        trace.described().update(
            None, destination.metadata, experiment_id=destination.experiment_id
        )
    if where.tags or where.metadata:
        experiment_id = where.metadata.pop(EXPERIMENT, None)
        trace.describe(where.tags, where.metadata, experiment_id=experiment_id)
    runtime.recorder.began(trace)
    return True
