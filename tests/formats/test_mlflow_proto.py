"""MLflow's protobuf messages, made and read without MLflow."""

from __future__ import annotations

import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

import tracetape
from tracetape.entities import (
    Assessment,
    AssessmentError,
    AssessmentSource,
    Expectation,
    ExpectationValue,
    Feedback,
    FeedbackValue,
    IssueReference,
    MlflowExperimentLocation,
    Span,
    Trace,
    TraceData,
    TraceInfo,
    TraceLocation,
    TraceLocationType,
    TraceState,
)
from tracetape.entities.trace_location import InferenceTableLocation, UnityCatalog
from tracetape.exceptions import IntegrationMissingError, TracetapeException
from tracetape.formats.proto_messages import message_class

UC_ID = f"trace:/main.traces/{7:032x}"
LOCATIONS = [
    TraceLocation.from_experiment_id("7"),
    TraceLocation(
        TraceLocationType.INFERENCE_TABLE, inference_table=InferenceTableLocation("a.b.c")
    ),
    TraceLocation.from_databricks_uc_schema("main", "traces"),
    TraceLocation(
        TraceLocationType.UC_TABLE_PREFIX, uc_table_prefix=UnityCatalog("a", "b", "c", "a.b.spans")
    ),
    TraceLocation(TraceLocationType.TRACE_LOCATION_TYPE_UNSPECIFIED),
]
ASSESSMENTS = [
    Feedback("good", True, trace_id="tr-1", source=AssessmentSource("HUMAN", "ann")),
    Feedback("score", {"a": [1, 0.5, None]}, trace_id="tr-1", span_id="1" * 16, rationale="so"),
    Feedback("none", error=ValueError("no judge"), trace_id="tr-1", overrides="a-1", valid=False),
    Expectation("facts", ["Paris", {"n": 1}], trace_id="tr-1", metadata={"k": "v"}),
    Expectation("answer", "fromage", trace_id="tr-1"),
    IssueReference("i-1", "too slow", trace_id="tr-1"),
]


@pytest.mark.parametrize("location", LOCATIONS, ids=lambda one: one.type.value)
def test_locations(location: TraceLocation) -> None:
    """Each comes back from its message, and from its dictionary."""
    read = TraceLocation.from_proto(location.to_proto())
    assert read == location
    assert read.to_dict() == location.to_dict()
    assert TraceLocation.from_dict(location.to_dict()).to_dict() == location.to_dict()


def test_numbers_and_places() -> None:
    """Each state, each kind of a location, and what a location holds."""
    assert [state.to_proto() for state in TraceState] == [0, 1, 2, 3]
    assert [TraceState.from_proto(n) for n in range(4)] == list(TraceState)
    assert [kind.to_proto() for kind in TraceLocationType] == [0, 1, 2, 3, 4]
    assert [TraceLocationType.from_proto(n) for n in range(5)] == list(TraceLocationType)
    for place in (MlflowExperimentLocation("7"), InferenceTableLocation("a.b.c")):
        assert type(place).from_proto(place.to_proto()) == place


def test_the_bytes_are_mlflows() -> None:
    """Numbers and types of fields, told from the bytes themselves."""
    assert LOCATIONS[0].to_proto().SerializeToString() == b"\x08\x01\x12\x03\x0a\x017"
    source = AssessmentSource("LLM_JUDGE", "m").to_proto()
    assert source.SerializeToString() == b"\x08\x02\x12\x01m"
    info = TraceInfo("t", LOCATIONS[4], 1000, TraceState.ERROR, tags={"a": "b"})
    assert info.to_proto().SerializeToString() == (
        b"\x0a\x01t\x1a\x02\x08\x00\x32\x02\x08\x01\x40\x02\x5a\x06\x0a\x01a\x12\x01b"
    )


@pytest.mark.parametrize("one", ASSESSMENTS, ids=lambda one: one.name)
def test_assessments(one: Assessment) -> None:
    """Each comes back as an object of its kind."""
    one.assessment_id = "a-7"
    read = Assessment.from_proto(one.to_proto())
    assert type(read) is type(one)
    assert read == one
    assert type(one).from_proto(one.to_proto()) == one


def test_a_long_stack_trace_keeps_its_end() -> None:
    """10,000 characters, and says so."""
    error = AssessmentError("X", "m", "A" * 20_000 + "last line")
    sent = error.to_proto().stack_trace
    assert len(sent) == 10_000
    assert sent.startswith("[Stack trace is truncated]\n...\nA")
    assert sent.endswith("Alast line")
    assert AssessmentError.from_proto(AssessmentError("X").to_proto()) == AssessmentError("X")


def test_values_that_no_message_can_hold() -> None:
    """They say so."""
    with pytest.raises(TracetapeException, match="must be JSON-serializable"):
        ExpectationValue({1, 2}).to_proto()
    proto = message_class("Expectation")()
    proto.serialized_value.serialization_format = "XML"
    with pytest.raises(TracetapeException, match="Unknown serialization format: XML"):
        ExpectationValue.from_proto(proto)
    with pytest.raises(TracetapeException, match="Unknown assessment type"):
        Assessment.from_proto(message_class("Assessment")(assessment_name="x"))
    nothing = FeedbackValue.from_proto(FeedbackValue(None).to_proto())
    assert nothing == FeedbackValue(None)


def test_a_trace(last_trace: Any) -> None:
    """Info and spans, events and status."""
    with contextlib.suppress(ValueError), tracetape.start_span("root", "CHAIN") as span:
        span.set_inputs({"x": 1})
        span.add_event(tracetape.entities.SpanEvent("e", 5, {"n": 1}))
        tracetape.log_feedback(trace_id=span.trace_id, value=1.5)
        raise ValueError("bad")
    trace = last_trace()
    read = Trace.from_proto(trace.to_proto())
    assert read == trace
    assert (read.info.span_count, read.info.error_count) == (1, 1)
    assert read.duration_ns == trace.duration_ns


def test_a_trace_of_unity_catalog() -> None:
    """Its id names the place, in spans and assessments too."""
    info = TraceInfo(
        UC_ID, LOCATIONS[2], 5, TraceState.OK, assessments=[Feedback("a", 1.0, trace_id=UC_ID)]
    )
    span = {
        "trace_id": f"{7:032x}",
        "span_id": f"{8:016x}",
        "parent_span_id": "",
        "name": "root",
        "start_time_unix_nano": 1,
        "end_time_unix_nano": 2,
        "status": {"code": "STATUS_CODE_OK"},
        "attributes": {"mlflow.traceRequestId": f'"{UC_ID}"'},
    }
    trace = Trace(info, TraceData([Span.from_dict(span)]))
    proto = trace.to_proto()
    assert proto.trace_info.trace_id == f"{7:032x}"
    assert Trace.from_proto(proto) == trace


def test_the_message_of_mlflow_2() -> None:
    """Its info is read as well."""
    proto = message_class("TraceInfo")(
        request_id="r", experiment_id="3", timestamp_ms=0, execution_time_ms=1, status=1
    )
    proto.request_metadata.add(key="foo", value="bar")
    proto.tags.add(key="baz", value="qux")
    info = TraceInfo.from_proto(proto)
    assert (info.trace_id, info.experiment_id, info.state) == ("r", "3", TraceState.OK)
    assert (info.request_time, info.execution_duration) == (0, 1)
    assert (info.trace_metadata, info.tags) == ({"foo": "bar"}, {"baz": "qux"})


def test_what_is_too_long_is_cut_off() -> None:
    """As MLflow does, in the message only."""
    info = TraceInfo(
        "t",
        LOCATIONS[0],
        0,
        TraceState.OK,
        execution_duration=0,
        trace_metadata={"k" * 300: "v" * 300},
        tags={"k" * 300: "v" * 5000},
    )
    read = TraceInfo.from_proto(info.to_proto())
    assert read.trace_metadata == {"k" * 250: "v" * 250}
    assert read.tags == {"k" * 250: "v" * 4096}
    assert read.execution_duration == 0


def test_classes_of_an_imported_mlflow_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its functions take what we give."""
    theirs = SimpleNamespace(AssessmentSource=message_class("AssessmentSource"), Feedback=dict)
    monkeypatch.setitem(sys.modules, "mlflow.protos.assessments_pb2", theirs)  # type: ignore[arg-type]
    assert message_class("Feedback") is dict


def test_threads_may_ask_at_once() -> None:
    """The messages are registered once, also when they are asked for anew."""
    from tracetape.formats import proto_messages

    proto_messages._own_classes.cache_clear()
    start = threading.Barrier(8)

    def ask() -> bytes:
        start.wait()
        sent: bytes = LOCATIONS[0].to_proto().SerializeToString()
        return sent

    with ThreadPoolExecutor(8) as pool:
        sent = {one.result() for one in [pool.submit(ask) for _ in range(8)]}
    assert sent == {b"\x08\x01\x12\x03\x0a\x017"}


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the command that installs it."""
    from tracetape.formats import proto_messages

    proto_messages._own_classes.cache_clear()
    monkeypatch.setitem(sys.modules, "opentelemetry.proto.trace.v1.trace_pb2", None)
    with pytest.raises(IntegrationMissingError, match="pip install opentelemetry-proto"):
        LOCATIONS[0].to_proto()
