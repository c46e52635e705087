"""A trace in the making: what its spans in this process share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Protocol

from tracetape.entities.constants import TraceState

if TYPE_CHECKING:
    from tracetape.entities.live_span import LiveSpan

__all__ = ["LiveTrace", "SpanSink", "TraceDetails"]


class SpanSink(Protocol):
    """Where ended spans go.

    Attributes:
        before: called with each span that is about to end, while it can still be changed.
    """

    before: Callable[[LiveSpan], None] | None

    def ended(self, span: LiveSpan) -> None:
        """Take `span`, which has just ended."""


@dataclass
class TraceDetails:
    """What is said of a trace beside its spans; None and absent: nothing was said.

    Attributes:
        tags: changes of its tags; None removes one.
        metadata: additions to its metadata.
        client_request_id: the id that the caller's own system has for it.
        request_preview: shown in place of the root's inputs.
        response_preview: shown in place of the root's outputs.
        state: in place of what the root's status says.
        experiment_id: MLflow's experiment, kept as the trace's location.
    """

    tags: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    state: TraceState | None = None
    experiment_id: str | None = None

    def update(
        self,
        tags: Mapping[str, str | None] | None = None,
        metadata: Mapping[str, str] | None = None,
        **others: Any,
    ) -> None:
        """Merge; the last word wins, None says nothing."""
        self.tags.update(tags or {})
        self.metadata.update(metadata or {})
        for name, value in others.items():
            if value is not None:
                setattr(self, name, value)


class LiveTrace:
    """What the spans of one trace share while it is being made in this process."""

    __slots__ = ("clock", "details", "held", "root", "sink", "spans", "sums", "trace_id")

    def __init__(self, trace_id: int, sink: SpanSink) -> None:
        """Begin trace `trace_id`, whose ended spans go to `sink`."""
        self.trace_id = trace_id
        self.sink = sink
        # Adding it to the monotonic clock gives ns since the epoch; read once a trace, so that
        # durations are monotonic and a changed wall clock touches later traces only.
        self.clock = time_ns() - perf_counter_ns()
        # The span of this process that has no other span of this process above it.
        self.root: LiveSpan | None = None
        # Spans of this process that are not both ended and written.
        self.spans: dict[int, LiveSpan] = {}
        # For the trace's sums of "usage" and "cost", of each span with its own that was written:
        # (its id, ids of the spans above it, its own).
        self.sums: dict[str, list[tuple[int, tuple[int, ...], dict[str, float]]]] | None = None
        self.details: TraceDetails | None = None
        # Ended spans of a trace that is kept only if something in it fails.
        self.held: list[LiveSpan] | None = None

    def described(self) -> TraceDetails:
        """The details, made at the first word."""
        if self.details is None:
            self.details = TraceDetails()
        return self.details
