"""The protocol of stores, so that another kind of store is one more file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tracetape.entities import Trace, TraceInfo, TraceState
from tracetape.entities.attachment import Attachment
from tracetape.entities.span_record import SpanRecord
from tracetape.live.live_trace import TraceDetails
from tracetape.store.query import Condition, TraceQuery

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment

__all__ = ["COST_KINDS", "MAX_TIME", "SPAN_BYTES", "TOKEN_KINDS", "Store", "TraceUpdate"]

MAX_TIME = (1 << 63) - 1  # later than any span
TOKEN_KINDS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
)
COST_KINDS = ("input_cost", "output_cost", "total_cost")  # US dollars
SPAN_BYTES = 500  # of a span without its values, about


@dataclass
class TraceUpdate:
    """News of one trace from one process since its last update; numbers are differences.

    Attributes:
        trace_id: the 128-bit id.
        start_ns: earliest start among the spans of this update, ns since the epoch.
        name, end_ns, request_preview, response_preview: of the root; None while unknown.
        state: IN_PROGRESS until the root has ended.
        span_count, error_count: ended spans, and those with status ERROR, in this update.
        sums: by `TOKEN_KINDS` and `COST_KINDS`, what to add to the trace's.
        details: changes of the trace in addition to its spans.
        attachments: media of the spans, by id.
        is_part: the root is in another process, which knows the trace's name, state and end.
    """

    trace_id: int
    start_ns: int
    spans: list[SpanRecord]
    state: TraceState = TraceState.IN_PROGRESS
    name: str | None = None
    end_ns: int | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    span_count: int = 0
    error_count: int = 0
    sums: dict[str, float] | None = None
    details: TraceDetails | None = None
    attachments: dict[str, Attachment] = field(default_factory=dict)
    is_part: bool = False

    @classmethod
    def of_details(cls, trace_id: int, details: TraceDetails) -> TraceUpdate:
        """A change of a trace that is in the store, without spans."""
        return cls(trace_id, MAX_TIME, [], details=details, is_part=True)


class Store(Protocol):
    """Where traces are kept. Methods may be called from any thread."""

    @property
    def url(self) -> str:
        """Where it is, as `tracetape.configure(store=…)` takes it."""

    def write(self, updates: Sequence[TraceUpdate]) -> None:
        """Keep all of `updates`, or none; a span that is there already is brought up to date.

        Raises:
            StoreError: it could not be done now; the same call may succeed later.
        """

    def assess(
        self, trace_id: int, changed: Sequence[Assessment], removed: Sequence[str] = ()
    ) -> None:
        """Add assessments to a trace, or change those whose ids are known; remove others by id.

        A trace that is not there yet is begun.

        Raises:
            StoreError: it could not be done now.
        """

    def get_trace(self, trace_id: int) -> Trace | None:
        """The trace with this 128-bit id."""

    def get_attachment(self, attachment_id: str) -> Attachment | None:
        """The attachment with this id."""

    def list_traces(self, limit: int | None = None) -> list[TraceInfo]:
        """The newest `limit` traces (None: all), running ones too, newest first."""

    def search(self, query: TraceQuery, *, include_spans: bool = True) -> list[Trace]:
        """The traces that `query` asks for, in its order."""

    def sessions(self, condition: Condition, limit: int) -> list[str]:
        """Ids of at most `limit` sessions, that of the newest trace that is meant first."""

    def resolve(self, prefix: str) -> list[int]:
        """Ids of at most ten traces whose hexadecimal id begins with `prefix`."""

    def delete(self, trace_ids: Sequence[int]) -> int:
        """Remove the traces with these 128-bit ids, with all that only they use; how many.

        Raises:
            StoreError: it could not be done now.
        """

    def maintain(self, seconds: float = 0.02) -> bool:
        """Do work that can wait, for about so long; whether there is more of it.

        The recorder calls it when it has nothing to write. All else is right without it.
        """

    def close(self) -> None:
        """Let go of files; the next call opens them again."""
