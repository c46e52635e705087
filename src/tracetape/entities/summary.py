"""What the spans of a trace say of it as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracetape.entities.constants import SpanStatusCode, TraceState
from tracetape.entities.span import Span, trace_id_text
from tracetape.entities.trace import TraceInfo

__all__ = ["preview", "state_of", "summarise", "token_sum"]

_PREVIEW = 1000  # characters, as in MLflow


def preview(data: bytes | None) -> str | None:
    """The beginning of JSON text."""
    # A character has at most four bytes; cutting first keeps a long prompt cheap.
    return None if data is None else data[: 4 * _PREVIEW].decode(errors="ignore")[:_PREVIEW]


def state_of(root: Span) -> TraceState:
    """The state of a trace with this root."""
    if root._end is None:
        return TraceState.IN_PROGRESS
    failed = root._status.status_code is SpanStatusCode.ERROR
    return TraceState.ERROR if failed else TraceState.OK


def token_sum(usages: Iterable[tuple[int, Sequence[int], dict[str, int]]]) -> dict[str, int]:
    """Tokens of a trace from (span id, ids of the spans above it, the span's tokens).

    The spans below one that has its own are left out: it counts them already.
    """
    entries = list(usages)
    own = {span_id for span_id, _, _ in entries}
    total: dict[str, int] = {}
    for _, above, usage in entries:
        if own.isdisjoint(above):
            for kind, n in usage.items():
                total[kind] = total.get(kind, 0) + n
    return total


def summarise(trace_id: int, spans: Sequence[Span]) -> TraceInfo:
    """What `spans` say of their trace."""
    parents = {span._span_id: span._parent_id for span in spans}
    root = next((span for span in spans if span._parent_id is None), None)
    start = min((span._start for span in spans), default=0)
    end = None if root is None else root._end
    tokens = token_sum(
        (span._span_id, _above(span._span_id, parents), span._fields["usage"])
        for span in spans
        if span._fields and span._fields.get("usage")
    )
    return TraceInfo(
        trace_id=trace_id_text(trace_id),
        request_time=start // 1_000_000,
        state=TraceState.IN_PROGRESS if root is None else state_of(root),
        name=None if root is None else root._name,
        execution_duration=None if end is None else (end - start) // 1_000_000,
        duration_ns=None if end is None else end - start,
        request_preview=None if root is None else preview(root._inputs),
        response_preview=None if root is None else preview(root._outputs),
        token_usage=tokens or None,
        span_count=len(spans),
        error_count=sum(span._status.status_code is SpanStatusCode.ERROR for span in spans),
    )


def _above(span_id: int, parents: dict[int, int | None]) -> list[int]:
    above: list[int] = []
    parent = parents.get(span_id)
    while parent is not None and parent not in above:
        above.append(parent)
        parent = parents.get(parent)
    return above
