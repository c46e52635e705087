"""How a span begins: below an open one, as the root of a trace, below a parent elsewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tracetape.entities import Link, LiveSpan, SpanLogLevel
from tracetape.entities.live_trace import LiveTrace
from tracetape.entities.names import SOURCE_RUN
from tracetape.tracing.current import Current, Place, Remote, current, place
from tracetape.tracing.runtime import runtime

__all__ = ["Extras", "begin_at", "begin_span"]


@dataclass(frozen=True)
class Extras:
    """What is rarely said of a span at its beginning."""

    log_level: SpanLogLevel | int | str | None = None
    links: Sequence[Link] = ()
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
            span.set_log_level(self.log_level)
        if self.description is not None:
            span.set_description(self.description)
        for link in self.links:
            span.add_link(link)
        if self.experiment_id is not None or self.run_id is not None:
            metadata = {} if self.run_id is None else {SOURCE_RUN: self.run_id}
            span._trace.described().update(None, metadata, experiment_id=self.experiment_id)


def begin_span(name: str, span_type: str, extras: Extras | None = None) -> LiveSpan | None:
    """A new span where the context stands, not made current; None if it is not recorded."""
    previous = current.get()
    if runtime.otel is None:
        if previous.__class__ is LiveSpan and previous._end is None:
            span_id = runtime.random_bits(64) or 1
            trace, parent_id = previous._trace, previous._span_id
            return LiveSpan(trace, span_id, parent_id, previous, name, span_type)
        if previous is None:
            if extras is not None or runtime.sampling_ratio < 1.0:
                return _begin_trace(None, name, span_type, None, extras)
            bits, recorder = runtime.random_bits, runtime.recorder
            trace = LiveTrace(bits(128) or 1, recorder)
            span = LiveSpan(trace, bits(64) or 1, None, None, name, span_type)
            recorder.began(trace)
            return span
    otel = None if runtime.otel is None else runtime.otel.parent()
    return begin_at(place(), name, span_type, previous, extras, otel)


def begin_at(
    where: Place,
    name: str,
    span_type: str,
    previous: Current,
    extras: Extras | None = None,
    otel: Remote | None = None,
) -> LiveSpan | None:
    """A new span at a place; None if it is not recorded.

    Args:
        where: its parent and its trace.
        name: the span's name.
        span_type: the span's type.
        previous: what becomes current again when the span is left.
        extras: its `sampling_ratio` is for a trace that begins here.
        otel: OpenTelemetry's active span.
    """
    if not where.recorded:
        return None
    parent = where.parent
    if parent is None:
        where.remote = where.remote or otel
        return _begin_trace(where, name, span_type, previous, extras)
    parent_id = parent._span_id
    if otel is not None and otel.trace_id == parent._trace_id:
        parent_id = otel.span_id  # a span of OpenTelemetry's own, inside of ours
    span_id = runtime.random_bits(64) or 1
    return LiveSpan(parent._trace, span_id, parent_id, previous, name, span_type)


def _begin_trace(
    where: Place | None,
    name: str,
    span_type: str,
    previous: Current,
    extras: Extras | None,
) -> LiveSpan | None:
    bits = runtime.random_bits
    remote = None if where is None else where.remote
    trace_id = bits(128) or 1 if remote is None else remote.trace_id
    trace = LiveTrace(trace_id, runtime.recorder)
    ratio = None if extras is None else extras.sampling_ratio
    if ratio is None:
        ratio = runtime.sampling_ratio
    if ratio < 1.0 and remote is None and random.random() >= ratio:
        if not runtime.keep_errors:
            return None
        trace.held = []
    parent_id = None if remote is None else remote.span_id
    span = LiveSpan(trace, bits(64) or 1, parent_id, previous, name, span_type)
    if where is not None and (where.tags or where.metadata):
        trace.described().update(where.tags, where.metadata)
    runtime.recorder.began(trace)
    return span
