"""A trace in the making: what its spans in this process share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from tracetape._forks import look_for_fork
from tracetape._memory import look_for_bound
from tracetape._system import perf_counter_ns, wall_clock_ns
from tracetape.entities.constants import TraceState
from tracetape.privacy.levels import OPEN, Privacy, policy

if TYPE_CHECKING:
    from tracetape.entities.attachment import Attachment
    from tracetape.entities.span_record import SpanRecord
    from tracetape.live.live_span import LiveSpan
    from tracetape.live.running_span import RunningSpan

# Reading both clocks for each trace is dear; a changed wall clock is seen within a second.
_FRESH_NS = 1_000_000_000
_read_at = _fresh_until = 0  # by the clock that spans are measured by
_offset = 0
_ITEM_BYTES = 220  # of a tag without its text
_CROWD = (1 << 13) - 1  # open spans of a trace: at each multiple there may be too many
_new = object.__new__

__all__ = ["LiveTrace", "SpanSink", "TraceDetails", "begin_trace"]


class SpanSink(Protocol):
    """Where ended spans go."""

    @property
    def before(self) -> Callable[[LiveSpan], None] | None:
        """Called with each span that is about to end, while it can still be changed."""

    def ended(self, span: LiveSpan) -> None:
        """Take `span`, which has just ended."""

    def frozen(
        self, span: RunningSpan, attachments: dict[str, Attachment] | None = None
    ) -> SpanRecord:
        """The record of `span` as it would be written now; its media go into `attachments`."""

    def grown(self, span: LiveSpan, size: int) -> None:
        """Take note that an open span holds so many bytes more, or fewer."""

    def may_stay_open(self, span: LiveSpan) -> None:
        """Take note of an open span that the program may leave, as it may a stream."""

    def forget_oldest(self) -> None:
        """Let go of the oldest open spans, if too many are open."""


@dataclass
class TraceDetails:
    """Details of a trace apart from its spans; None and absent mean unknown.

    Attributes:
        tags: changes of its tags; None removes one.
        metadata: changes of its metadata; None removes one.
        client_request_id: the id that the caller's own system has for it.
        request_preview: shown in place of the root's inputs.
        response_preview: shown in place of the root's outputs.
        state: in place of what the root's status says.
        experiment_id: MLflow's experiment, kept as the trace's location.
    """

    tags: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, str | None] = field(default_factory=dict)
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
    """State that the spans of one trace share while it runs in this process.

    Attributes:
        trace_id: the 128-bit id.
        sink: where its ended spans go.
        clock: adding it to the monotonic clock gives ns since the epoch; the same for all its
            spans, so that their durations are monotonic.
        root: the span of this process that has no other span of this process above it, until all
            of them have both ended and been written.
        root_settled: whether the root has both ended and been written.
        below: the other spans of this process that are not both ended and written.
        sums: the recorder's, of "usage" and of "cost".
        details: changes of the trace in addition to its spans.
        dropped: whether it is left out, because too much is held in memory.
        held: ended spans of a trace that is kept only if something in it fails.
        privacy: what was to be hidden when it began.
        shown: whether something of it was written as open.
        secrets: what its calls log in with, which is never to be written.
        sent: the requests of its calls, each with its span, in whose headers and URLs more of that
            is found on the writing thread.
    """

    __slots__ = ("__dict__", "clock", "root", "sink", "trace_id")

    # What most traces never have costs nothing at their beginning.
    root_settled: bool = False
    below: dict[int, LiveSpan] | None = None
    sums: dict[str, Any] | None = None
    details: TraceDetails | None = None
    dropped: bool = False
    held: list[LiveSpan] | None = None
    privacy: Privacy | None = None
    shown: bool = False
    secrets: frozenset[str] | None = None
    sent: deque[tuple[LiveSpan, Any]] | None = None

    trace_id: int
    sink: SpanSink
    clock: int
    root: LiveSpan | None

    def add(self, span: LiveSpan) -> None:
        """Take note of a span below the root that begins."""
        # One step, as several threads may begin the first spans below the root.
        below = self.below or self.__dict__.setdefault("below", {})
        below[span._span_id] = span
        if not len(below) & _CROWD:  # the writing thread, which looks too, may be held up
            self.sink.forget_oldest()

    def settle(self, span: LiveSpan) -> bool:
        """Forget a span that has ended and been written; whether none is left."""
        if span is self.root:
            self.root_settled = True
        elif self.below is not None:
            self.below.pop(span._span_id, None)
        if self.below or not self.root_settled:
            return False
        self.root = None  # it refers to the trace: no cycle is left for the garbage collector
        return True

    def keep_from_records(self, secrets: frozenset[str]) -> None:
        """Never write these values."""
        own = self.secrets
        if own is not secrets:
            self.secrets = secrets if own is None else own | secrets

    def sends(self, span: LiveSpan, request: Any) -> None:
        """Take note of the request of a call: who sends it may yet add what it logs in with."""
        sent = self.sent or self.__dict__.setdefault("sent", deque())
        sent.append((span, request))

    def unsettled(self) -> list[LiveSpan]:
        """The spans that are not both ended and written."""
        below = list(self.below.values()) if self.below else []
        return below if self.root_settled or self.root is None else [self.root, *below]

    def described(self) -> TraceDetails:
        """The details, made at the first word."""
        if self.details is None:
            self.details = TraceDetails()
        return self.details

    def describe(
        self,
        tags: Mapping[str, str | None] | None = None,
        metadata: Mapping[str, str] | None = None,
        **others: Any,
    ) -> None:
        """Say something of it; see `TraceDetails.update`. Its root counts what that holds."""
        if self.dropped:
            return
        details = self.described()
        size = _growth(details.tags, tags) + _growth(details.metadata, metadata)
        details.update(tags, metadata, **others)
        root = self.root
        if root is not None and root._end is None:
            root._grow(size)


def _growth(known: Mapping[str, str | None], new: Mapping[str, str | None] | None) -> int:
    """About how many bytes more `known` will take with `new` in it."""
    size = 0
    for key, text in (new or {}).items():
        size += len(text or "") - len(known.get(key) or "")
        if key not in known:
            size += _ITEM_BYTES + len(key)
    return size


def begin_trace(trace_id: int, sink: SpanSink, now: int, is_part: bool = False) -> LiveTrace:
    """A new trace, whose ended spans go to `sink`.

    Args:
        trace_id: its id.
        sink: the recorder.
        now: by the monotonic clock.
        is_part: whether it began in another process, which has chosen the id.
    """
    global _offset, _read_at, _fresh_until
    if not _read_at <= now < _fresh_until:  # also when a machine's image begins to run again
        _offset = wall_clock_ns() - perf_counter_ns()
        _read_at, _fresh_until = now, now + _FRESH_NS
        look_for_bound()
        if look_for_fork() and not is_part:
            trace_id = Random().getrandbits(128) or 1  # the given one is each sibling's too
    # Without __init__: calling a class that has one takes twice as long.
    trace = _new(LiveTrace)
    trace.trace_id = trace_id
    trace.sink = sink
    trace.clock = _offset
    trace.root = None
    if policy.now is not OPEN:
        trace.privacy = policy.now  # it may be written only when something else holds
    return trace
