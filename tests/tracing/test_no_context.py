"""start_span_no_context: spans that are never current; and what is rarely said of a span."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape.entities import Link, NoOpSpan, Span, SpanLogLevel, Trace

start = tracetape.start_span_no_context


def read(trace_id: str) -> Trace:
    """A trace that exists."""
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace


def test_it_is_never_current(last_span: Callable[[], Span]) -> None:
    """Neither while it is open nor afterwards."""
    span = start("work")
    assert tracetape.get_current_active_span() is None
    with tracetape.start_span("other") as other:
        assert other.trace_id != span.trace_id
        assert tracetape.get_current_active_span() is other
    span.end()
    assert tracetape.get_current_active_span() is None
    assert last_span().name == "work"


def test_a_root_of_its_own_inside_an_active_span() -> None:
    """Without a parent it begins a trace, wherever that is."""
    with tracetape.start_span("active") as active:
        span = start("work")
        with tracetape.start_span("child") as child:
            assert child.parent_id == active.span_id
        span.end()
    assert span.parent_id is None
    assert span.trace_id != active.trace_id
    assert [s.name for s in read(active.trace_id).data.spans] == ["active", "child"]


def test_a_parent(last_trace: Callable[[], Trace]) -> None:
    """A tree made by hand, each ended by hand; the active span has no say."""
    root = start("root")
    with tracetape.start_span("active"):
        child = start("child", parent_span=root)
        leaf = start("leaf", parent_span=child)
    for span in (leaf, child, root):
        span.end()
    trace = last_trace()
    names = {span.span_id: span.name for span in trace.data.spans}
    assert {s.name: names.get(s.parent_id or "") for s in trace.data.spans} == {
        "root": None,
        "child": "root",
        "leaf": "child",
    }


def test_below_the_active_span() -> None:
    """It may be given as the parent, as any other."""
    with tracetape.start_span() as active:
        start("work", parent_span=tracetape.get_current_active_span()).end()
    assert read(active.trace_id).data.spans[1].parent_id == active.span_id


def test_everything_that_can_be_said(last_trace: Callable[[], Trace]) -> None:
    """Of the span, and of its trace."""
    link = Link(trace_id="tr-" + "1" * 32, span_id="2" * 16)
    span = start(
        "work",
        span_type="TOOL",
        inputs={"a": 1},
        attributes={"n": 2},
        tags={"t": "3"},
        metadata={"m": "4"},
        experiment_id="5",
        start_time_ns=1_700_000_000_000_000_000,
        log_level="WARNING",
        links=[link],
        description="what it is about",
    )
    span.end(outputs={"b": 6}, end_time_ns=1_700_000_000_500_000_000)
    trace = last_trace()
    (found,) = trace.data.spans
    assert (found.name, found.span_type) == ("work", "TOOL")
    assert (found.inputs, found.outputs) == ({"a": 1}, {"b": 6})
    assert found.attributes["n"] == 2
    assert found.attributes["mlflow.spanDescription"] == "what it is about"
    assert found.attributes["mlflow.spanLogLevel"] == SpanLogLevel.WARNING
    assert found.links == [link]
    assert (found.start_time_ns, found.end_time_ns) == (
        1_700_000_000_000_000_000,
        1_700_000_000_500_000_000,
    )
    assert (trace.info.tags["t"], trace.info.trace_metadata["m"]) == ("3", "4")
    assert trace.info.experiment_id == "5"
    assert trace.info.execution_duration == 500


def test_tags_of_a_child_go_to_its_trace(last_trace: Callable[[], Trace]) -> None:
    """As those of the root do."""
    root = start("root", tags={"a": "1", "b": "1"})
    start("child", parent_span=root, tags={"b": "2"}, metadata={"m": "2"}).end()
    root.end()
    info = last_trace().info
    assert (info.tags["a"], info.tags["b"], info.trace_metadata["m"]) == ("1", "2", "2")


def test_settings_of_a_scope(last_trace: Callable[[], Trace]) -> None:
    """A trace that begins inside has them, also beside an active span; what is given wins."""
    with tracetape.context(tags={"a": "1", "b": "1"}, user="ann"):
        with tracetape.start_span():
            start("work", tags={"b": "2"}).end()
            info = last_trace().info
    assert (info.tags["a"], info.tags["b"]) == ("1", "2")
    assert info.trace_metadata["mlflow.trace.user"] == "ann"


def test_below_a_span_that_is_not_recorded() -> None:
    """It is not recorded either, and takes everything."""
    span = start("work", parent_span=NoOpSpan(), inputs=1, attributes={"a": 1}, tags={"b": "2"})
    assert isinstance(span, NoOpSpan)
    span.end(outputs=2)
    assert tracetape.get_last_active_trace_id() is None


@pytest.mark.parametrize("how", ["disabled", "context", "sampling"])
def test_where_nothing_is_recorded(how: str) -> None:
    """It is a span that records nothing."""
    root = start("root")
    if how == "disabled":
        tracetape.tracing.disable()
        try:
            spans = [start("work"), start("child", parent_span=root)]
        finally:
            tracetape.tracing.enable()
    elif how == "context":
        with tracetape.context(enabled=False):
            spans = [start("work"), start("child", parent_span=root)]
    else:
        with tracetape.configure(sampling_ratio=0):
            spans = [start("work")]
    assert {type(span) for span in spans} == {NoOpSpan}
    root.end()


def test_a_root_beside_one_that_was_dropped() -> None:
    """It is sampled for itself."""
    with tracetape.configure(sampling_ratio=0), tracetape.start_span() as dropped:
        with tracetape.configure(sampling_ratio=1):
            span = start("work")
    assert isinstance(dropped, NoOpSpan)
    assert not isinstance(span, NoOpSpan)
    span.end()


def test_ended_in_another_thread(last_span: Callable[[], Span]) -> None:
    """Who has the span can end it."""
    span = start("work")
    thread = threading.Thread(target=span.end, kwargs={"outputs": "done", "status": "ERROR"})
    thread.start()
    thread.join()
    assert (last_span().outputs, last_span().status.status_code) == ("done", "ERROR")


def test_ended_twice(last_span: Callable[[], Span]) -> None:
    """The first end is the end."""
    span = start("work")
    span.end(outputs=1)
    end = span.end_time_ns
    span.end(outputs=2, end_time_ns=5)
    assert (last_span().outputs, last_span().end_time_ns) == (1, end)


def test_a_child_that_ends_after_its_root(last_trace: Callable[[], Trace]) -> None:
    """It belongs to the trace all the same."""
    root = start("root")
    child = start("child", parent_span=root)
    root.end()
    child.end()
    assert [span.name for span in last_trace().data.spans] == ["root", "child"]
    assert start("late", parent_span=root).trace_id == root.trace_id


@pytest.mark.usefixtures("lenient")
def test_a_value_that_cannot_be_used(caplog: pytest.LogCaptureFixture) -> None:
    """A warning and a span that records nothing: tracing is no reason to fail."""
    assert isinstance(start("work", start_time_ns="soon"), NoOpSpan)
    assert "internal error while starting a span" in caplog.text


def test_what_is_rarely_said_of_a_span(last_trace: Callable[[], Trace]) -> None:
    """Level, description, links and run of a span in a `with` block."""
    link = Link(trace_id="tr-" + "1" * 32, span_id="2" * 16)
    with tracetape.start_span(
        log_level=SpanLogLevel.ERROR, description="about", links=[link], run_id="run-1"
    ):
        pass
    trace = last_trace()
    (span,) = trace.data.spans
    assert span.attributes["mlflow.spanLogLevel"] == SpanLogLevel.ERROR
    assert span.attributes["mlflow.spanDescription"] == "about"
    assert span.links == [link]
    assert trace.info.trace_metadata["mlflow.sourceRun"] == "run-1"


def test_a_run_of_a_child_is_the_traces(last_trace: Callable[[], Trace]) -> None:
    """Whichever span says it."""
    with tracetape.start_span(), tracetape.start_span(run_id="run-1"):
        pass
    assert last_trace().info.trace_metadata["mlflow.sourceRun"] == "run-1"


def test_what_is_rarely_said_of_a_function(last_span: Callable[[], Span]) -> None:
    """The decorator takes the same, once for all calls."""
    link = Link(trace_id="tr-" + "1" * 32, span_id="2" * 16)

    @tracetape.trace(log_level="DEBUG", description="about", links=[link])
    def work() -> None: ...

    for _ in range(2):
        work()
        span = last_span()
        assert span.attributes["mlflow.spanLogLevel"] == SpanLogLevel.DEBUG
        assert span.attributes["mlflow.spanDescription"] == "about"
        assert span.links == [link]


@pytest.mark.parametrize(
    ("level", "expected"), [("debug", 10), ("INFO", 20), (SpanLogLevel.CRITICAL, 50)]
)
def test_levels(level: Any, expected: int, last_span: Callable[[], Span]) -> None:
    """By name in any case, or the level itself."""
    with tracetape.start_span(log_level=level):
        pass
    assert last_span().attributes["mlflow.spanLogLevel"] == expected
