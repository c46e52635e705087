"""Sums of tokens, of traces however long."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tracetape.live.summary import token_sum
from tracetape.recorder.sums import Entry, Sum


@st.composite
def traces(draw: st.DrawFn) -> list[list[Entry]]:
    """Spans with tokens, children before their parents, in batches; some batches come twice."""
    parents = [draw(st.integers(-1, n - 1)) for n in range(draw(st.integers(1, 12)))]

    def above(span: int) -> tuple[int, ...]:
        parent = parents[span]
        return () if parent < 0 else (parent, *above(parent))

    entries: list[Entry] = [
        (span, above(span), {"input_tokens": draw(st.integers(0, 9))})
        for span in reversed(range(len(parents)))
        if draw(st.booleans())
    ]
    cuts = sorted(draw(st.lists(st.integers(0, len(entries)), max_size=4)))
    edges = [0, *cuts, len(entries)]
    return [entries[a:b] for a, b in pairwise(edges) if b > a]


@given(traces(), st.data())
def test_what_changes_adds_up_to_the_sum(batches: list[list[Entry]], data: st.DataObject) -> None:
    """Of the spans that no other counts already; a batch that failed changes nothing."""
    one, total = Sum(), {"input_tokens": 0.0}
    for batch in batches:
        if data.draw(st.booleans()):
            one.add(batch)
        change = one.add(batch)
        for span_id, _, _ in batch:
            one.commit(span_id)
        total["input_tokens"] += change.get("input_tokens", 0)
    everything = [(span, list(ids), dict(own)) for batch in batches for span, ids, own in batch]
    assert total["input_tokens"] == token_sum(everything).get("input_tokens", 0)


def test_a_trace_that_never_ends_takes_little() -> None:
    """Nothing is kept of a span that can have no other below it, but its id for a while."""
    one = Sum()
    for number in range(50_000):
        assert one.add([(number, (-1,), {"input_tokens": 1})]) == {"input_tokens": 1}
        one.commit(number)
    assert len(one._own) == 10_000
    assert one._below == {-1: {"input_tokens": 50_000}}
