"""A trace's tokens, or costs, as its spans are written: what changes, without keeping the spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from tracetape.live.running_span import RunningSpan, ids_above

if TYPE_CHECKING:
    from tracetape.entities.span_record import SpanRecord
    from tracetape.live.live_trace import LiveTrace

__all__ = ["Entry", "Sum", "new_sums"]

# A span's id, the ids of the spans above it, and its own tokens.
Entry: TypeAlias = "tuple[int, Sequence[int], Mapping[str, Any]]"

_REMEMBERED = 10_000  # spans with tokens of their own; what ends later below an older one counts


class Sum:
    """Of one trace. A parent that brings tokens of its own counts those of the spans below it.

    What is added counts from `commit` on: a batch that could not be written comes again.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._own: dict[int, None] = {}  # ids of the spans with their own, the oldest first
        self._below: dict[
            int, dict[str, float]
        ] = {}  # what counts below a span that may bring its own
        self._added: list[int] = []  # since the last commit
        self._before: dict[int, dict[str, float] | None] = {}

    def add(self, entries: Sequence[Entry]) -> dict[str, float]:
        """The change that `entries` make in the sum."""
        self._take_back()
        change: dict[str, float] = {}
        for span_id, above, own in entries:
            if span_id not in self._own:
                self._own[span_id] = None
                self._added.append(span_id)
            if any(one in self._own for one in above):
                continue
            # The user may have set anything.
            new = {kind: n for kind, n in own.items() if isinstance(n, (int, float))}
            for kind, n in self._below.get(span_id, {}).items():
                new[kind] = new.get(kind, 0) - n
            _increase(change, new)
            for one in above:
                known = self._below.get(one)
                self._before.setdefault(one, known)
                self._below[one] = _increase(dict(known or {}), new)
        return change

    def commit(self, span_id: int) -> None:
        """Mark the amounts of the span with this id as written."""
        self._added.clear()
        self._before.clear()
        self._below.pop(span_id, None)
        while len(self._own) > _REMEMBERED:
            del self._own[next(iter(self._own))]

    def _take_back(self) -> None:
        for span_id in self._added:
            del self._own[span_id]
        for span_id, known in self._before.items():
            if known is None:
                del self._below[span_id]
            else:
                self._below[span_id] = known
        self._added.clear()
        self._before.clear()


def _increase(sums: dict[str, float], by: Mapping[str, float]) -> dict[str, float]:
    for kind, n in by.items():
        sums[kind] = sums.get(kind, 0) + n
    return sums


def new_sums(
    trace: LiveTrace, spans: Sequence[RunningSpan], records: Sequence[SpanRecord]
) -> dict[str, float]:
    """The changes that ended spans make in the sums of their trace, once they are written.

    Args:
        trace: the trace.
        spans: the ended spans.
        records: theirs, in the same order; others may follow.
    """
    return {
        **_new_sum(trace, spans, records, "usage"),
        **_new_sum(trace, spans, records, "cost"),
    }


def _new_sum(
    trace: LiveTrace, spans: Sequence[RunningSpan], records: Sequence[SpanRecord], kind_of: str
) -> dict[str, float]:
    """The change in the trace's tokens (``usage``) or in its ``cost``.

    A parent ends after its children: when it brings a sum of its own, theirs are taken back.
    """
    new = [
        (record.span_id, ids_above(span), dict(record.fields[kind_of]))
        for span, record in zip(spans, records, strict=False)
        if record.fields and record.fields.get(kind_of)
    ]
    if not new and kind_of not in (trace.sums or ()):
        return {}
    if trace.sums is None:
        trace.sums = {}
    known: Sum = trace.sums.setdefault(kind_of, Sum())
    return known.add(new)
