"""Statuses, events and spans as OpenTelemetry's objects, where that is installed."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import (
    Link,
    Span,
    SpanEvent,
    SpanStatus,
    SpanStatusCode,
    TraceState,
)

STATUSES = [SpanStatus("UNSET"), SpanStatus("OK"), SpanStatus("ERROR", "no")]


def test_names_of_codes_in_protobuf() -> None:
    """There and back; others are a clear error."""
    for code in SpanStatusCode:
        name = code.to_otel_proto_status_code_name()
        assert name == f"STATUS_CODE_{code.value}"
        assert SpanStatusCode.from_otel_proto_status_code_name(name) is code
    with pytest.raises(TracetapeException, match="Invalid status code name: OK"):
        SpanStatusCode.from_otel_proto_status_code_name("OK")


def test_trace_states_print_as_their_value() -> None:
    """In f-strings of every Python."""
    assert f"{TraceState.OK} {TraceState.IN_PROGRESS!s}" == "OK IN_PROGRESS"


@pytest.mark.parametrize(
    "convert",
    [
        lambda: SpanStatus("OK").to_otel_status(),
        lambda: SpanStatus("OK").to_otel_proto_status(),
        lambda: SpanEvent("x").to_otel_proto(),
    ],
)
def test_without_the_package_there_is_a_clear_error(
    convert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    with pytest.raises(TracetapeException, match="pip install opentelemetry-") as caught:
        convert()
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("status", STATUSES, ids=repr)
def test_statuses(status: SpanStatus) -> None:
    """There and back; OpenTelemetry keeps the description of an error only."""
    pytest.importorskip("opentelemetry.trace")
    assert SpanStatus.from_otel_status(status.to_otel_status()) == status
    assert SpanStatus("OK").to_otel_status().description == ""
    for code in ("OK", "UNSET"):
        assert SpanStatus(code, "said").to_otel_status().description is None
    fine = SpanStatus("OK", "fine").to_otel_status()
    assert SpanStatus.from_otel_status(fine) == SpanStatus("OK")
    state = {"UNSET": "STATE_UNSPECIFIED"}.get(status.status_code.value, status.status_code.value)
    assert TraceState.from_otel_status(status.to_otel_status()) == state


@pytest.mark.parametrize("status", STATUSES, ids=repr)
def test_statuses_in_protobuf(status: SpanStatus) -> None:
    """There and back."""
    pytest.importorskip("opentelemetry.proto")
    assert SpanStatus.from_otel_proto_status(status.to_otel_proto_status()) == status


def test_spans_in_protobuf() -> None:
    """Everything that a span holds, there and back through bytes."""
    pytest.importorskip("opentelemetry.proto")
    with tracetape.start_span("root"):
        with tracetape.start_span("step ü", "LLM", {"none": None, "x": 0.5, "yes": True}) as span:
            span.set_inputs({"q": ["ü", None, {"deep": [1, 2.5, False, [], {}]}]})
            span.set_outputs("a")
            span.set_attribute("n", -(2**63))
            span.add_event(SpanEvent("look", 5, {"k": ["v"], "n": 1}))
            span.add_link(Link("tr-" + "1" * 32, "2" * 16, {"why": "test"}))
            span.set_status(SpanStatus("ERROR", "no"))
    finished = span.to_immutable_span()
    proto = finished.to_otel_proto()
    assert proto.trace_id.hex() == span.trace_id[3:]
    again = type(proto).FromString(proto.SerializeToString())
    assert Span.from_otel_proto(again) == finished
    assert Span.from_otel_proto(again, resource=object()) == finished
    again.attributes.add(key="mlflow.traceRequestId").value.string_value = "tr-abc"
    assert Span.from_otel_proto(again) == finished
    assert Span.from_otel_proto(again, preserve_request_id=True).trace_id == "tr-abc"
    with pytest.raises(TypeError, match="positional"):
        Span.from_otel_proto(again, "main.traces", object())  # type: ignore[misc]
    placed = Span.from_otel_proto(again, "main.traces")
    assert placed.trace_id == f"trace:/main.traces/{span.trace_id[3:]}"


def test_a_message_without_ids_is_a_clear_error() -> None:
    """Which names the missing one."""
    pytest.importorskip("opentelemetry.proto")
    with tracetape.start_span() as span:
        pass
    for field in ("trace_id", "span_id"):
        proto = span.to_otel_proto()
        setattr(proto, field, b"")
        with pytest.raises(TracetapeException, match=f"{field} is required"):
            Span.from_otel_proto(proto)
