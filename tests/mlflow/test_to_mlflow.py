"""Traces of ours, read by the real MLflow in an environment of its own."""

from __future__ import annotations

import contextlib
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
    SpanStatus,
    SpanType,
    Trace,
    TraceData,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from tracetape.entities.span_record import SpanRecord

Plain = Callable[[Trace], dict[str, Any]]
VARIABLE = "TRACETAPE_MLFLOW_PYTHON"
# Read now: the suite clears variables of ours around each test.
PYTHON = os.environ.get(VARIABLE)

pytestmark = pytest.mark.skipif(
    not PYTHON, reason=f"{VARIABLE} names no Python that has mlflow-skinny"
)


@pytest.fixture
def read_by_mlflow(
    reading: Path, run_command: Callable[..., Any]
) -> Callable[[list[Trace]], list[dict[str, Any]]]:
    """What MLflow reads out of traces."""

    def read(traces: list[Trace]) -> list[dict[str, Any]]:
        assert PYTHON is not None
        given = json.dumps([trace.to_json() for trace in traces])
        done = run_command([PYTHON, str(reading)], input=given)
        assert done.returncode == 0, done.stderr
        values: list[dict[str, Any]] = json.loads(done.stdout)
        return values

    return read


def recorded(last_trace: Callable[[], Trace]) -> Trace:
    """A recorded trace with everything that a span can hold, and with odd values."""
    with contextlib.suppress(LookupError):
        with tracetape.start_span("root ü\ud800", SpanType.CHAIN, {"team": "a"}) as root:
            root.set_inputs({"question": "Käse? 🧀", "huge": 2**70, "nan": float("nan")})
            with tracetape.start_span("chat", SpanType.CHAT_MODEL) as span:
                span.set_attributes({"n": 1, "x": 0.5, "none": None, "many": [1, {"a": None}]})
                span.set_attribute("text", 'with "quotes" and \ud800')
                span.set_attribute("odd", {(1, 2): object()})
                span.set_attribute("mlflow.llm.model", "gemma")
                span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3})
                span.set_attribute("mlflow.llm.cost", {"input_cost": 0.25, "total_cost": 0.25})
                span.set_log_level("INFO")
                span.set_description("what it is about")
                span.add_link(Link("tr-" + "0" * 31 + "1", "0" * 15 + "2", {"why": "test"}))
                span.add_event(SpanEvent("look", 5, {"text": "v", "n": 1, "many": ["a", "b"]}))
                span.set_outputs(["fromage", None])
            raise LookupError("no cheese")
    return last_trace()


def bare(last_trace: Callable[[], Trace]) -> Trace:
    """A recorded trace with nothing in it."""
    with tracetape.start_span():
        pass
    return last_trace()


def full_info() -> Trace:
    """All that a trace's info can hold."""
    info = TraceInfo(
        "tr-" + "a" * 32,
        TraceLocation.from_experiment_id("7"),
        1_700_000_000_123,
        TraceState.IN_PROGRESS,
        request_preview="",
        response_preview="ü" * 1000,
        client_request_id="mine",
        execution_duration=0,
        trace_metadata={
            "mlflow.trace.session": "s",
            "mlflow.trace.tokenUsage": '{"input_tokens":1}',
        },
        tags={"mlflow.traceName": "named", "k": ""},
        assessments=[
            Feedback("good", True, rationale="It is."),
            Feedback("score", 0.5, metadata={"a": "b"}, span_id="0" * 16),
            Feedback("none", error=ValueError("no judge")),
            Expectation("facts", {"is": ["cheese", 1]}),
            Expectation("answer", "fromage"),
        ],
    )
    open_span = SpanRecord(
        trace_id=int("a" * 32, 16),
        span_id=1,
        parent_id=None,
        name="open",
        span_type="UNKNOWN",
        start_time_ns=1_700_000_000_123_456_789,
        end_time_ns=None,
        inputs=None,
        outputs=None,
        attributes=None,
        fields=None,
        events=None,
        status=SpanStatus("UNSET"),
    )
    return Trace(info, TraceData([Span(open_span)]))


def in_unity_catalog() -> Trace:
    """A trace whose id names its location."""
    trace_id = f"trace:/main.traces/{7:032x}"
    info = TraceInfo(
        trace_id,
        TraceLocation.from_databricks_uc_schema("main", "traces"),
        1_700_000_000_000,
        TraceState.OK,
    )
    span = {
        "trace_id": f"{7:032x}",
        "span_id": f"{8:016x}",
        "parent_span_id": "",
        "name": "root",
        "start_time_unix_nano": 1,
        "status": {"code": "STATUS_CODE_UNSET"},
        "attributes": {"mlflow.traceRequestId": json.dumps(trace_id)},
    }
    return Trace(info, TraceData([Span.from_dict(span)]))


def test_mlflow_reads_what_we_wrote(
    read_by_mlflow: Callable[[list[Trace]], list[dict[str, Any]]],
    last_trace: Callable[[], Trace],
    data: Path,
    plain: Plain,
) -> None:
    """The same values under every name: of traces of ours, and of its own that went through us."""
    foreign = [
        Trace.from_json(path.read_text("utf-8")) for path in sorted(data.glob("mlflow_*.json"))
    ]
    traces = [recorded(last_trace), bare(last_trace), full_info(), in_unity_catalog(), *foreign]
    for trace, values in zip(traces, read_by_mlflow(traces), strict=True):
        assert values == plain(trace)
