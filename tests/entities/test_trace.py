"""Traces: order, search, request and response, and what is known of the whole."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import Span, SpanStatus, SpanType, Trace, TraceData, TraceState
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.live.summary import summarise


def make_span(span_id: int, parent_id: int | None = None, start: int = 0, **other: Any) -> Span:
    """A finished span from its ids and its start."""
    values: dict[str, Any] = {
        "trace_id": 1,
        "name": f"s{span_id}",
        "span_type": "UNKNOWN",
        "end_time_ns": start + 10,
        "inputs": None,
        "outputs": None,
        "attributes": None,
        "fields": None,
        "events": None,
        "status": SpanStatus("OK"),
    }
    values = {**values, **other}
    return Span(SpanRecord(span_id=span_id, parent_id=parent_id, start_time_ns=start, **values))


def names(spans: list[Span]) -> list[str]:
    """Names of spans, in order."""
    return [span.name for span in spans]


@pytest.fixture
def trace(last_trace: Callable[[], Trace]) -> Trace:
    """A chain with a retriever and two model calls of the same name."""
    with tracetape.start_span("answer", SpanType.CHAIN) as root:
        root.set_inputs({"question": "Käse?"})
        with tracetape.start_span("search", SpanType.RETRIEVER):
            pass
        for index in range(2):
            with tracetape.start_span("Completions", SpanType.CHAT_MODEL) as span:
                span.set_inputs(index)
                with tracetape.start_span("parse answer", SpanType.PARSER):
                    pass
        root.set_outputs("fromage")
    return last_trace()


def test_spans_come_in_start_order_parents_first(trace: Trace) -> None:
    """However they ended; equal names stay equal."""
    assert names(trace.data.spans) == [
        "answer",
        "search",
        "Completions",
        "parse answer",
        "Completions",
        "parse answer",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_parent_stands_before_its_children_whatever_the_clock_says(seed: int) -> None:
    """Start times decide among spans whose parents are out."""
    spans = [
        make_span(1, None, 100),
        make_span(2, 1, 50),  # on a machine whose clock is behind
        make_span(3, 2, 40),
        make_span(4, 1, 45),
        make_span(5, 77, 10),  # its parent is in another process
    ]
    random.Random(seed).shuffle(spans)
    assert names(TraceData(spans).spans) == ["s5", "s1", "s4", "s2", "s3"]


def test_spans_that_began_at_the_same_time_keep_their_order() -> None:
    """Coarse clocks exist."""
    spans = [make_span(1), *(make_span(n, 1) for n in (4, 2, 3))]
    assert names(TraceData(spans).spans) == ["s1", "s4", "s2", "s3"]


def test_damaged_parents_lose_no_span() -> None:
    """A circle, or a span that is its own parent, is kept at the end."""
    spans = [make_span(1, 2), make_span(2, 1), make_span(3, 3), make_span(4)]
    assert sorted(names(TraceData(spans).spans)) == ["s1", "s2", "s3", "s4"]
    assert TraceData().spans == []
    assert TraceData([], request="1", response="2").request is None  # MLflow 2 gave both


def test_a_deep_trace_is_put_in_order() -> None:
    """No recursion is run out of."""
    spans = [make_span(n, n - 1 if n > 1 else None, n) for n in range(1, 5000)]
    assert names(TraceData(list(reversed(spans))).spans) == names(spans)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, 6),
        ({"span_type": "CHAT_MODEL"}, 2),
        ({"span_type": SpanType.RETRIEVER}, 1),
        ({"span_type": "NONE"}, 0),
        ({"name": "Completions"}, 2),
        ({"name": "Complet"}, 0),
        ({"name": re.compile("Complet")}, 2),
        ({"name": re.compile("answer$")}, 3),
        ({"name": re.compile("answer$"), "span_type": "PARSER"}, 2),
        ({"span_id": "0" * 16}, 0),
    ],
)
def test_search_spans(filters: dict[str, Any], expected: int, trace: Trace) -> None:
    """All conditions must hold; a pattern is searched, a name is compared."""
    assert len(trace.search_spans(**filters)) == expected


def test_search_spans_by_id_and_in_order(trace: Trace) -> None:
    """The order of the trace is kept."""
    first, second = trace.search_spans(name="Completions")
    assert (first.inputs, second.inputs) == (0, 1)
    assert trace.search_spans(span_id=second.span_id) == [second]
    assert trace.search_spans("CHAT_MODEL", "Completions", first.span_id) == [first]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"span_type": 1}, "Invalid type for 'span_type'"),
        ({"span_type": re.compile("x")}, "Invalid type for 'span_type'"),
        ({"name": 1}, "Invalid type for 'name'"),
        ({"name": b"x"}, "Invalid type for 'name'"),
    ],
)
def test_search_spans_refuses_wrong_types(
    filters: dict[str, Any], message: str, trace: Trace
) -> None:
    """By a TracetapeException that is also a TypeError."""
    with pytest.raises(TracetapeException, match=message) as caught:
        trace.search_spans(**filters)
    assert isinstance(caught.value, TypeError)


def test_request_and_response_are_json_text(trace: Trace) -> None:
    """Those of the root span."""
    assert trace.data.request == '{"question": "Käse?"}'
    assert trace.data.response == '"fromage"'
    assert trace.info.request_preview == trace.data.request
    assert trace.info.response_preview == trace.data.response


def test_request_and_response_of_a_bare_trace_are_none(last_trace: Callable[[], Trace]) -> None:
    """And of one without spans."""
    with tracetape.start_span():
        pass
    bare = last_trace()
    assert (bare.data.request, bare.data.response) == (None, None)
    assert (bare.info.request_preview, bare.info.response_preview) == (None, None)
    assert (TraceData().request, TraceData().response) == (None, None)


def test_what_is_known_of_the_whole(trace: Trace) -> None:
    """Times in milliseconds as in MLflow, the duration also in nanoseconds."""
    root = trace.data.spans[0]
    assert trace.info.trace_id == root.trace_id
    assert trace.info.name == "answer"
    assert trace.info.state is TraceState.OK
    assert trace.info.request_time == root.start_time_ns // 1_000_000
    assert trace.duration_ns == trace.info.duration_ns == root.duration_ns
    assert root.duration_ns is not None
    assert trace.info.execution_duration == root.duration_ns // 1_000_000
    assert (trace.info.span_count, trace.info.error_count) == (6, 0)
    assert trace.info.token_usage is None
    assert repr(trace) == f"Trace(trace_id={root.trace_id})"


@pytest.mark.parametrize("text", ["x" * 5000, "ü" * 5000, "\U0001f600" * 5000])
def test_previews_hold_a_thousand_characters(text: str, last_trace: Callable[[], Trace]) -> None:
    """Whole characters, the beginning of the JSON text."""
    with tracetape.start_span() as span:
        span.set_inputs(text)
    assert last_trace().info.request_preview == '"' + text[:996] + "..."


def usage(n: int) -> dict[str, Any]:
    """Fields of a span that used n input tokens and one output token."""
    return {"usage": {"input_tokens": n, "output_tokens": 1}}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([make_span(1)], None),
        ([make_span(1), make_span(2, 1, fields=usage(5))], {"input_tokens": 5, "output_tokens": 1}),
        (
            [make_span(1), make_span(2, 1, fields=usage(5)), make_span(3, 1, fields=usage(7))],
            {"input_tokens": 12, "output_tokens": 2},
        ),
        (
            [
                make_span(1, fields=usage(100)),
                make_span(2, 1),
                make_span(3, 2, fields=usage(5)),
            ],
            {"input_tokens": 100, "output_tokens": 1},
        ),
        (
            [
                make_span(1),
                make_span(2, 1, fields=usage(5)),
                make_span(3, 1, fields={"usage": {"reasoning_tokens": 3}}),
            ],
            {"input_tokens": 5, "output_tokens": 1, "reasoning_tokens": 3},
        ),
    ],
    ids=["none", "one", "siblings", "below one with its own", "other kinds"],
)
def test_tokens_of_a_trace(spans: list[Span], expected: dict[str, int] | None) -> None:
    """A sum over the spans; those below one with its own usage are left out."""
    assert summarise(1, list(map(record_of, spans))).token_usage == expected


def test_a_trace_without_its_root_is_in_progress() -> None:
    """Its state, name and end are the root's to say."""
    info = summarise(1, [record_of(make_span(2, 1, 5_000_000))])
    assert (info.state, info.name, info.duration_ns) == (TraceState.IN_PROGRESS, None, None)
    assert (info.request_time, info.span_count) == (5, 1)
