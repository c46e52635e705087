"""A trace as users hold it: what is known of the whole, and its spans."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tracetape.entities.constants import TraceState
from tracetape.entities.span import Span
from tracetape.exceptions import InvalidTypeError

__all__ = ["Trace", "TraceData", "TraceInfo"]


@dataclass
class TraceInfo:
    """What is known of a trace as a whole.

    Attributes:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        request_time: when it began, in milliseconds since the epoch.
        state: a `TraceState`.
        name: the root span's name.
        execution_duration: how long it took, in milliseconds; None while it runs.
        request_preview: the root's inputs as JSON text, shortened to 1,000 characters.
        response_preview: the root's outputs, likewise.
        token_usage: tokens summed over the spans, the spans below one that has its own left
            out; None if there are none.
        span_count: spans so far.
        error_count: spans with status ERROR.
    """

    trace_id: str
    request_time: int
    state: TraceState
    name: str | None = None
    execution_duration: int | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    token_usage: dict[str, int] | None = None
    span_count: int = 0
    error_count: int = 0
    duration_ns: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    trace_metadata: dict[str, str] = field(default_factory=dict)


class TraceData:
    """The spans of a trace, in the order they began, parents first."""

    def __init__(self, spans: Sequence[Span] | None = None) -> None:
        """Hold `spans`, put in order."""
        self.spans: list[Span] = in_order(spans or ())

    @property
    def request(self) -> str | None:
        """The root span's inputs as JSON text."""
        return self._root_json("_inputs")

    @property
    def response(self) -> str | None:
        """The root span's outputs as JSON text."""
        return self._root_json("_outputs")

    def _root_json(self, slot: str) -> str | None:
        for span in self.spans:
            if span.parent_id is None:
                data: bytes | None = getattr(span, slot)
                return None if data is None else data.decode()
        return None

    def __repr__(self) -> str:
        return f"TraceData(spans={self.spans!r})"


class Trace:
    """A tree of spans under one root."""

    def __init__(self, info: TraceInfo, data: TraceData) -> None:
        """Hold what is known of the trace, and its spans."""
        self.info = info
        self.data = data

    @property
    def duration_ns(self) -> int | None:
        """How long it took, in nanoseconds; None while it runs."""
        return self.info.duration_ns

    def search_spans(
        self,
        span_type: str | None = None,
        name: str | re.Pattern[str] | None = None,
        span_id: str | None = None,
    ) -> list[Span]:
        """The spans that meet all given conditions, in order.

        Args:
            span_type: one of `SpanType`, or any other type's name.
            name: the exact name, or a compiled pattern that is searched in it.
            span_id: 16 hexadecimal digits.

        Raises:
            InvalidTypeError: a condition has a wrong type.
        """
        if span_type is not None and not isinstance(span_type, str):
            raise InvalidTypeError(
                f"Invalid type for 'span_type'. Expected str, got {type(span_type).__name__}."
            )
        if name is not None and not isinstance(name, (str, re.Pattern)):
            raise InvalidTypeError(
                f"Invalid type for 'name'. Expected str or re.Pattern, got {type(name).__name__}."
            )
        return [
            span
            for span in self.data.spans
            if (span_type is None or span.span_type == span_type)
            and (span_id is None or span.span_id == span_id)
            and (name is None or _name_matches(span.name, name))
        ]

    def __repr__(self) -> str:
        return f"Trace(trace_id={self.info.trace_id})"


def _name_matches(name: str, wanted: str | re.Pattern[str]) -> bool:
    return wanted == name if isinstance(wanted, str) else wanted.search(name) is not None


def in_order(spans: Sequence[Span]) -> list[Span]:
    """Spans by start time, a parent always before its children, whatever the clock says."""
    ids = {span._span_id for span in spans}
    children: dict[int | None, list[Span]] = {}
    for span in spans:
        # A parent in another process may not be there (yet); and no span is its own parent.
        inside = span._parent_id in ids and span._parent_id != span._span_id
        children.setdefault(span._parent_id if inside else None, []).append(span)
    turn = itertools.count()  # among equal times, the order in which they came
    ready = [(span._start, next(turn), span) for span in children.pop(None, [])]
    heapq.heapify(ready)
    ordered: list[Span] = []
    while ready:
        span = heapq.heappop(ready)[2]
        ordered.append(span)
        for child in children.pop(span._span_id, ()):
            heapq.heappush(ready, (child._start, next(turn), child))
    for circle in children.values():  # damaged data: parents in a circle; kept, at the end
        ordered.extend(circle)
    return ordered
