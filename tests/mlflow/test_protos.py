"""Our messages of protobuf are MLflow's, byte by byte."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.entities import (
    Expectation,
    Feedback,
    Link,
    Span,
    SpanEvent,
    Trace,
    TraceData,
    TraceInfo,
    TraceLocation,
    TraceState,
)

VARIABLE = "TRACETAPE_MLFLOW_PYTHON"
# Read now: the suite clears variables of ours around each test.
PYTHON = os.environ.get(VARIABLE)

pytestmark = pytest.mark.skipif(
    not PYTHON, reason=f"{VARIABLE} names no Python that has mlflow-skinny"
)


def recorded(last_trace: Callable[[], Trace]) -> Trace:
    """With everything that a span can hold."""
    with tracetape.start_span("root ü", "CHAIN", {"n": 1, "many": [1, {"a": None}]}) as root:
        root.set_inputs({"question": "Käse?"})
        root.add_link(Link("tr-" + "0" * 31 + "1", "0" * 15 + "2", {"why": "test"}))
        with tracetape.start_span("chat", "CHAT_MODEL") as span:
            span.add_event(SpanEvent("look", 5, {"text": "v", "n": 1}))
            span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3})
            span.set_outputs("fromage")
            span.record_exception("none left")
    trace = last_trace()
    trace.info.client_request_id = "mine"
    trace.info.tags["long"] = "x" * 5000
    trace.info.trace_metadata["k" * 300] = "v" * 300
    trace.info.assessments = [
        Feedback("good", True, rationale="It is.", metadata={"a": "b"}, trace_id=trace.trace_id),
        Feedback("none", error=ValueError("x" * 20_000), overrides="a-1", valid=False),
        Feedback("map", {"a": [1, 0.5, None, "ü"]}, span_id="0" * 16),
        Expectation("facts", {"is": ["Käse", 1]}),
        Expectation("answer", 5),
    ]
    return trace


def in_catalog(location: TraceLocation, place: str) -> Trace:
    """A trace of Unity Catalog."""
    trace_id = f"trace:/{place}/{7:032x}"
    info = TraceInfo(
        trace_id,
        location,
        1_700_000_000_123,
        TraceState.OK,
        execution_duration=0,
        assessments=[Feedback("good", 0.5, trace_id=trace_id)],
    )
    span = {
        "trace_id": f"{7:032x}",
        "span_id": f"{8:016x}",
        "parent_span_id": "",
        "name": "root",
        "start_time_unix_nano": 1,
        "end_time_unix_nano": 2,
        "status": {"code": "STATUS_CODE_OK"},
        "attributes": {"mlflow.traceRequestId": json.dumps(trace_id)},
    }
    return Trace(info, TraceData([Span.from_dict(span)]))


def sent(proto: Any) -> str:
    """A message's bytes, the keys of maps in order."""
    return base64.b64encode(proto.SerializeToString(deterministic=True)).decode()


def test_messages_are_mlflows(
    last_trace: Callable[[], Trace], run_command: Callable[..., Any]
) -> None:
    """The same bytes from the same trace, and MLflow reads ours as its own."""
    traces = [
        recorded(last_trace),
        in_catalog(TraceLocation.from_databricks_uc_schema("main", "traces"), "main.traces"),
        in_catalog(TraceLocation.from_databricks_uc_table_prefix("a", "b", "c"), "a.b.c"),
    ]
    given = [
        {
            "json": trace.to_json(),
            "trace": sent(trace.to_proto()),
            "location": sent(trace.info.trace_location.to_proto()),
        }
        for trace in traces
    ]
    assert PYTHON is not None
    protos = str(Path(__file__).with_name("protos.py"))
    done = run_command([PYTHON, protos], input=json.dumps(given))
    assert done.returncode == 0, done.stderr
    for trace, ours, theirs in zip(traces, given, json.loads(done.stdout), strict=True):
        assert theirs["kinds read"] == theirs["kinds"]
        assert theirs["location read"] == theirs["location"]
        assert theirs["spans read"] == [span.name for span in trace.data.spans]
        assert _plain(theirs["info read"]) == _plain(theirs["info"])
        place = trace.info.trace_location.uc_schema or trace.info.trace_location.uc_table_prefix
        if place is None:
            sent_ones = [sent(one.to_proto()) for one in trace.info.assessments]
            assert sent_ones == theirs["assessments"]
        message = type(trace.to_proto()).FromString(base64.b64decode(theirs["trace"]))
        read = Trace.from_proto(message)
        assert sent(read.to_proto()) == theirs["trace"]
        assert ours["trace"] == theirs["trace"]


def _plain(info: dict[str, Any]) -> dict[str, Any]:
    """Without what a message cuts off."""
    cut = {key[:250]: value[:250] for key, value in info.get("trace_metadata", {}).items()}
    tags = {key: value[:4096] for key, value in info.get("tags", {}).items()}
    return {**info, "trace_metadata": cut, "tags": tags}
