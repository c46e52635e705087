"""Traces that were made elsewhere, or at once: add_trace and log_trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape.entities import NoOpSpan, Trace
from tracetape.exceptions import InvalidValueError, TracetapeException
from tracetape.tracing.runtime import runtime


def read(trace_id: str) -> Trace:
    """A trace that exists."""
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace


@pytest.fixture
def remote() -> Trace:
    """A finished trace of two spans, with everything that a trace can have."""
    with tracetape.context(tags={"where": "there", "only": "there"}, metadata={"m": "there"}):
        with tracetape.start_span("agent", "AGENT", {"n": 1}) as agent:
            agent.set_inputs({"q": "?"})
            agent.set_outputs("!")
            with tracetape.start_span("tool", "TOOL") as tool:
                tool.add_event(tracetape.entities.SpanEvent("event", attributes={"a": 1}))
                tool.record_exception("failed")
    return read(agent.trace_id)


def told(span: Any) -> dict[str, Any]:
    """Everything of a span but where it stands."""
    data = span.to_dict()
    data["attributes"].pop("mlflow.traceRequestId")
    return {k: v for k, v in data.items() if k not in ("trace_id", "parent_span_id")}


FORMS: list[Any] = [
    pytest.param(lambda trace: trace, id="trace"),
    pytest.param(lambda trace: trace.to_dict(), id="dictionary"),
    pytest.param(lambda trace: json.loads(trace.to_json()), id="json"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["target", "active"])
def test_below_a_span(
    form: Callable[[Trace], Any], how: str, remote: Trace, last_trace: Callable[[], Trace]
) -> None:
    """It gets this trace's id, and its spans keep theirs and all that they say."""
    with tracetape.start_span("root"):
        with tracetape.start_span("client") as client:
            if how == "active":
                tracetape.add_trace(form(remote))
        if how == "target":
            with tracetape.start_span("other") as client:
                pass
            tracetape.add_trace(form(remote), target=client)
    trace = last_trace()
    spans = {span.name: span for span in trace.data.spans}
    agent, tool = remote.data.spans
    assert spans["agent"].parent_id == client.span_id
    assert spans["tool"].parent_id == agent.span_id
    assert {span.trace_id for span in trace.data.spans} == {client.trace_id}
    for span in (agent, tool):
        assert told(spans[span.name]) == told(span)
        assert spans[span.name].trace_id != span.trace_id
    assert read(remote.info.trace_id).data.spans == remote.data.spans


@pytest.mark.parametrize("form", FORMS)
def test_without_a_span(
    form: Callable[[Trace], Any], remote: Trace, last_trace: Callable[[], Trace]
) -> None:
    """A root is made around it: a nanosecond longer, with the inputs and outputs of its root."""
    tracetape.add_trace(form(remote))
    trace = last_trace()
    assert trace.info.trace_id != remote.info.trace_id
    root, agent, tool = trace.data.spans
    first = remote.data.spans[0]
    assert root.name == "Remote Trace <agent>"
    assert (root.parent_id, agent.parent_id, tool.parent_id) == (None, root.span_id, agent.span_id)
    assert (root.inputs, root.outputs) == ({"q": "?"}, "!")
    assert root.start_time_ns == (first.start_time_ns or 0) - 1
    assert root.end_time_ns == first.end_time_ns
    assert trace.info.tags["only"] == "there"


def test_tags_and_metadata(remote: Trace, last_trace: Callable[[], Trace]) -> None:
    """They are merged, and ours win."""
    with tracetape.start_span("root"):
        tracetape.update_current_trace(tags={"where": "here"}, metadata={"mine": "1"})
        tracetape.add_trace(remote)
    info = last_trace().info
    assert (info.tags["where"], info.tags["only"]) == ("here", "there")
    assert (info.trace_metadata["mine"], info.trace_metadata["m"]) == ("1", "there")
    assert info.tags["mlflow.traceName"] == "root"


def test_two_traces_below_one_span(remote: Trace, last_trace: Callable[[], Trace]) -> None:
    """As when a service is asked twice."""
    with tracetape.start_span() as other:
        pass
    with tracetape.start_span("root"):
        tracetape.add_trace(remote)
        tracetape.add_trace(read(other.trace_id))
    assert sorted(span.name for span in last_trace().data.spans) == [
        "agent",
        "root",
        "span",
        "tool",
    ]


def test_while_the_target_runs(remote: Trace) -> None:
    """What was added is there at once."""
    with tracetape.start_span("root") as root:
        tracetape.add_trace(remote)
        names = [span.name for span in read(root.trace_id).data.spans]
        assert sorted(names) == ["agent", "root", "tool"]


def _running() -> Trace:
    with tracetape.start_span() as span:
        return read(span.trace_id)


def _without(key: str) -> dict[str, Any]:
    with tracetape.start_span() as span:
        pass
    data = read(span.trace_id).to_dict()
    del data[key]
    return data


def _orphan() -> dict[str, Any]:
    with tracetape.start_span() as span, tracetape.start_span():
        pass
    data = read(span.trace_id).to_dict()
    del data["data"]["spans"][0]
    return data


def _empty() -> dict[str, Any]:
    with tracetape.start_span() as span:
        pass
    data = read(span.trace_id).to_dict()
    data["data"]["spans"].clear()
    return data


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "text", "Invalid trace object: str"),
        (lambda: None, "Invalid trace object: NoneType"),
        (lambda: [1], "Invalid trace object: list"),
        (dict, "Failed to load a trace object from the given dictionary"),
        (lambda: {"info": 1, "data": []}, "Failed to load a trace object from the given"),
        (lambda: _without("info"), "Failed to load a trace object from the given dictionary"),
        (_empty, "Invalid trace object"),
        (_running, "The trace must be ended before adding it to another trace"),
        (_orphan, "Span with ID [0-9a-f]{16} not found"),
    ],
    ids=["text", "none", "list", "empty dict", "odd dict", "no info", "no spans", "runs", "orphan"],
)
@pytest.mark.parametrize("below", [True, False])
def test_what_cannot_be_added(make: Callable[[], Any], message: str, below: bool) -> None:
    """Refused with the reason, and nothing of it is left behind."""
    trace = make()
    last = tracetape.get_last_active_trace_id()
    if below:
        with tracetape.start_span() as span:
            with pytest.raises(TracetapeException, match=message):
                tracetape.add_trace(trace)
        assert len(read(span.trace_id).data.spans) == 1
    else:
        with pytest.raises(TracetapeException, match=message):
            tracetape.add_trace(trace)
        assert tracetape.get_last_active_trace_id() == last
        assert tracetape.flush(20) == 0
        assert not runtime.recorder.live, "a span stayed open"


def test_errors_of_values_are_value_errors() -> None:
    """For those who catch these."""
    with pytest.raises(InvalidValueError):
        tracetape.add_trace("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("trace", [None, 3], ids=["trace", "nonsense"])
@pytest.mark.parametrize("how", ["disabled", "in a context", "below a span", "not sampled"])
def test_while_tracing_is_off(how: str, trace: Any, remote: Trace) -> None:
    """Nothing happens, whatever is given."""
    last = tracetape.get_last_active_trace_id()
    trace = trace or remote
    if how == "disabled":
        tracetape.tracing.disable()
        try:
            tracetape.add_trace(trace)
        finally:
            tracetape.tracing.enable()
    elif how == "not sampled":
        with tracetape.configure(sampling_ratio=0), tracetape.start_span():
            tracetape.add_trace(trace)
    elif how == "in a context":
        with tracetape.context(enabled=False):
            tracetape.add_trace(trace)
    else:
        with tracetape.start_span() as span, tracetape.context(enabled=False):
            tracetape.add_trace(trace)
            tracetape.add_trace(trace, target=span)
            assert len(read(span.trace_id).data.spans) == 1
        return
    assert tracetape.get_last_active_trace_id() == last


def test_tokens_are_counted_once(last_trace: Callable[[], Trace]) -> None:
    """Below a span that has its own count, those of its descendants are skipped, as ever."""
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    with tracetape.start_span("agent") as agent:
        agent.set_attribute("mlflow.chat.tokenUsage", usage)
        with tracetape.start_span("model") as model:
            model.set_attribute("mlflow.chat.tokenUsage", usage)
    with tracetape.start_span("root"):
        tracetape.add_trace(read(agent.trace_id))
    assert last_trace().info.token_usage == usage


def test_below_a_span_that_is_not_recorded(remote: Trace) -> None:
    """It is not recorded either."""
    last = tracetape.get_last_active_trace_id()
    tracetape.add_trace(remote, target=NoOpSpan())
    assert tracetape.get_last_active_trace_id() == last


def test_a_trace_of_one_span_at_once(last_trace: Callable[[], Trace]) -> None:
    """All of it is said in one call."""
    trace_id = tracetape.log_trace(
        name="task",
        request={"q": 1},
        response=["a"],
        intermediate_outputs={"step": 2},
        attributes={"n": 3},
        tags={"t": "4"},
        start_time_ms=1_700_000_000_000,
        execution_time_ms=1500,
    )
    trace = last_trace()
    assert trace.info.trace_id == trace_id
    (span,) = trace.data.spans
    assert (span.name, span.inputs, span.outputs) == ("task", {"q": 1}, ["a"])
    assert span.attributes["n"] == 3
    assert span.attributes["mlflow.trace.intermediate_outputs"] == {"step": 2}
    assert trace.data.intermediate_outputs == {"step": 2}
    assert trace.info.tags["t"] == "4"
    assert trace.info.execution_duration == 1500
    assert span.start_time_ns == 1_700_000_000 * 10**9


def test_a_trace_of_one_span_without_a_word(
    last_trace: Callable[[], Trace], caplog: pytest.LogCaptureFixture
) -> None:
    """It begins and ends now; that the function is deprecated is said once."""
    with tracetape.start_span() as active:
        trace_id = tracetape.log_trace()
        assert tracetape.log_trace() != trace_id
    assert trace_id != active.trace_id
    (span,) = read(trace_id).data.spans
    assert (span.name, span.parent_id) == ("Task", None)
    assert span.end_time_ns is not None
    (record,) = caplog.records
    assert "deprecated" in record.getMessage()


def test_spans_of_a_trace_of_mlflow_2(last_trace: Callable[[], Trace]) -> None:
    """They get this trace's id too, whatever theirs looked like."""
    span = {
        "name": "remote",
        "context": {"span_id": "0x337af925d6629c01", "trace_id": f"0x{5:032x}"},
        "parent_id": None,
        "start_time": 1726145091022155863,
        "end_time": 1726145091022572053,
        "status_code": "OK",
        "status_message": "",
        "attributes": {
            "mlflow.traceRequestId": '"2e72d64369624e6888324462b62dc120"',
            "mlflow.llm.model": '"m"',
        },
        "events": [],
    }
    info = {
        "request_id": "2e72d64369624e6888324462b62dc120",
        "experiment_id": "0",
        "timestamp_ms": 1726145090860,
        "execution_time_ms": 162,
        "status": "OK",
    }
    with tracetape.start_span("root") as root:
        tracetape.add_trace({"info": info, "data": {"spans": [span]}})
    added = last_trace().search_spans(name="remote")[0]
    assert added.trace_id == root.trace_id == added.attributes["mlflow.traceRequestId"]
    assert added.model_name == "m"
