"""Whole traces as JSON, dictionaries and rows of tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import (
    Expectation,
    Feedback,
    Session,
    Trace,
    TraceData,
    TraceInfo,
    TraceLocation,
    TraceState,
)

COLUMNS = [
    "trace_id",
    "trace",
    "client_request_id",
    "state",
    "request_time",
    "execution_duration",
    "request",
    "response",
    "trace_metadata",
    "tags",
    "spans",
    "assessments",
]


@pytest.fixture
def trace(last_trace: Callable[[], Trace]) -> Trace:
    """A chain with two steps of one name, one of which failed."""
    with tracetape.start_span("answer") as root:
        root.set_inputs({"question": "Käse?"})
        for index in range(2):
            with tracetape.start_span("step") as span:
                span.set_outputs([index])
                span.set_status("ERROR" if index else "OK")
        with tracetape.start_span("silent"):
            pass
        root.set_outputs("fromage")
    return last_trace()


def make_info(**other: Any) -> TraceInfo:
    """A trace's info with as little as can be."""
    where = TraceLocation.from_experiment_id("1")
    return TraceInfo("tr-1", where, 1_700_000_000_000, TraceState.OK, **other)


def test_json_reads_back(trace: Trace) -> None:
    """Equal, with what is ours known again from the spans; pretty JSON has lines."""
    for text in (trace.to_json(), trace.to_json(pretty=True)):
        again = Trace.from_json(text)
        assert again == trace
        assert again.info.name == "answer"
        assert (again.info.span_count, again.info.error_count) == (4, 1)
        assert again.duration_ns == trace.duration_ns
    assert "\n" not in trace.to_json()
    assert '\n  "info": {\n' in trace.to_json(True)
    assert json.loads(trace.to_json()) == trace.to_dict()
    assert Trace.from_dict(trace.to_dict()) == trace
    assert trace.trace_id == trace.info.trace_id


def test_a_trace_differs_in_its_info_or_its_spans(trace: Trace) -> None:
    """And cannot be a member of a set: it may change."""
    other = Trace.from_dict(trace.to_dict())
    other.info.tags["team"] = "b"
    assert other != trace
    assert Trace(trace.info, TraceData(trace.data.spans[:1])) != trace
    assert trace.data != "data"
    with pytest.raises(TypeError):
        hash(trace)


@pytest.mark.parametrize("text", ["", "{", "nonsense", None, 7])
def test_bad_json_is_a_clear_error(text: Any) -> None:
    """Which shows the beginning of it."""
    with pytest.raises(TracetapeException, match="Unable to parse") as caught:
        Trace.from_json(text)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(TracetapeException) as caught:
        Trace.from_json("x" * 100_000)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("data", [{}, {"info": {}}, {"data": {}}, [], None, "x"])
def test_a_dictionary_without_its_parts_is_a_clear_error(data: Any) -> None:
    """Which names the keys that are there."""
    with pytest.raises(TracetapeException, match="Expected keys: 'info' and 'data'"):
        Trace.from_dict(data)


@pytest.mark.parametrize(
    ("info", "data"),
    [({}, {}), ([], {}), (make_info().to_dict(), []), (make_info().to_dict(), {"spans": [{}]})],
)
def test_a_bad_part_is_a_clear_error(info: Any, data: Any) -> None:
    """Whichever it is."""
    with pytest.raises(TracetapeException):
        Trace.from_dict({"info": info, "data": data})


def test_data_must_be_a_dictionary() -> None:
    """The error is also a TypeError."""
    with pytest.raises(TracetapeException, match="expects a dictionary") as caught:
        TraceData.from_dict([])  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)


def test_a_row_of_a_table(trace: Trace) -> None:
    """The columns of `search_traces`, with request and response decoded."""
    row = trace.to_pandas_dataframe_row()
    assert list(row) == Trace.pandas_dataframe_columns() == COLUMNS
    assert (row["request"], row["response"]) == ({"question": "Käse?"}, "fromage")
    assert Trace.from_json(row["trace"]) == trace
    assert row["spans"] == [span.to_dict() for span in trace.data.spans]
    empty = Trace(make_info(), TraceData()).to_pandas_dataframe_row()
    assert (empty["request"], empty["response"], empty["spans"]) == (None, None, [])


def test_intermediate_outputs(trace: Trace, last_trace: Callable[[], Trace]) -> None:
    """Outputs below the root by name, numbered where a name is used twice."""
    assert trace.data.intermediate_outputs == {"step_1": [0], "step_2": [1]}
    with tracetape.start_span(attributes={"mlflow.trace.intermediate_outputs": {"a": 1}}):
        pass
    assert last_trace().data.intermediate_outputs == {"a": 1}
    with tracetape.start_span():
        pass
    assert last_trace().data.intermediate_outputs is None
    assert TraceData().intermediate_outputs is None


def test_search_assessments() -> None:
    """All conditions must hold; what was overridden is left out unless asked for."""
    old = Feedback("good", False, valid=False)
    new = Feedback("good", True, span_id="1" * 16)
    facts = Expectation("facts", "Paris")
    trace = Trace(make_info(assessments=[old, new, facts]), TraceData())
    assert trace.search_assessments() == [new, facts]
    assert trace.search_assessments(all=True) == [old, new, facts]
    assert trace.search_assessments("good") == [new]
    assert trace.search_assessments("good", all=True) == [old, new]
    assert trace.search_assessments(span_id="1" * 16) == [new]
    assert trace.search_assessments(type="expectation") == [facts]
    assert trace.search_assessments(type="feedback", all=True) == [old, new]
    assert trace.search_assessments("facts", type="feedback") == []
    assert Trace.from_dict(trace.to_dict()).info.assessments == [old, new, facts]


def test_a_session_is_a_list_of_traces() -> None:
    """Its id is the first one's."""
    metadata = {"mlflow.trace.session": "chat-1"}
    traces = [Trace(make_info(trace_metadata=metadata), TraceData()) for _ in range(3)]
    session = Session(traces)
    assert (session.id, len(session), list(session)) == ("chat-1", 3, traces)
    assert (session[0], session[-1], session[1:]) == (traces[0], traces[2], traces[1:])
    assert session.traces == traces
    assert repr(session) == "Session(id='chat-1')"
    assert Session([]).id is None
