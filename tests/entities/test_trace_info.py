"""What is known of a trace: MLflow's fields and ours, times, locations, JSON."""

from __future__ import annotations

from typing import Any

import pytest

from tracetape import TracetapeException
from tracetape.entities import (
    MlflowExperimentLocation,
    TraceInfo,
    TraceLocation,
    TraceLocationType,
    TraceState,
    UCSchemaLocation,
    UnityCatalog,
)
from tracetape.formats.timestamps import milliseconds_of, rfc3339

WHERE = TraceLocation.from_experiment_id("7")


def make_info(**other: Any) -> TraceInfo:
    """A trace's info with as little as can be."""
    return TraceInfo("tr-1", WHERE, 1_700_000_000_123, TraceState.OK, **other)


def test_the_positional_signature_is_mlflows() -> None:
    """Programs that build one for MLflow build one for us."""
    info = TraceInfo("tr-1", WHERE, 1, TraceState.OK, "q", "a", "mine", 5, {"m": "1"}, {"t": "2"})
    assert (info.request_preview, info.response_preview) == ("q", "a")
    assert (info.client_request_id, info.execution_duration) == ("mine", 5)
    assert (info.trace_metadata, info.tags, info.assessments) == ({"m": "1"}, {"t": "2"}, [])
    assert make_info().tags is not make_info().tags


def test_the_names_of_mlflow_2() -> None:
    """They read, and where MLflow lets them write, the new fields."""
    info = make_info(execution_duration=5, trace_metadata={"m": "1"})
    assert (info.request_id, info.request_metadata) == ("tr-1", {"m": "1"})
    assert (info.timestamp_ms, info.execution_time_ms) == (1_700_000_000_123, 5)
    assert (info.status, info.experiment_id) == (TraceState.OK, "7")
    info.timestamp_ms, info.execution_time_ms, info.experiment_id = 1, 2, "8"
    info.status = "ERROR"  # type: ignore[assignment]
    assert (info.request_time, info.execution_duration) == (1, 2)
    assert info.trace_location == TraceLocation.from_experiment_id("8")
    assert info.state is TraceState.ERROR


def test_name_tokens_and_cost_stand_under_mlflows_names() -> None:
    """In tags and metadata, where programs written for MLflow look for them."""
    info = make_info()
    assert (info.name, info.token_usage, info.cost) == (None, None, None)
    info.name = "answer"
    info.trace_metadata["mlflow.trace.tokenUsage"] = '{"input_tokens": 3}'
    info.trace_metadata["mlflow.trace.cost"] = '{"total_cost": 0.5}'
    assert info.tags == {"mlflow.traceName": "answer"}
    assert (info.token_usage, info.cost) == ({"input_tokens": 3}, {"total_cost": 0.5})
    info.name = None
    info.trace_metadata["mlflow.trace.cost"] = "a lot"
    assert (info.tags, info.cost) == ({}, None)


def test_to_dict_leaves_out_what_is_not_known() -> None:
    """And writes the time as RFC 3339."""
    assert make_info().to_dict() == {
        "trace_id": "tr-1",
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "7"},
        },
        "request_time": "2023-11-14T22:13:20.123Z",
        "state": "OK",
    }
    full = make_info(
        request_preview="",
        response_preview="a",
        client_request_id="mine",
        execution_duration=0,
        trace_metadata={"m": "1"},
        tags={"t": 2},
        span_count=3,
    )
    assert full.to_dict() == make_info().to_dict() | {
        "request_preview": "",
        "response_preview": "a",
        "client_request_id": "mine",
        "execution_duration_ms": 0,
        "trace_metadata": {"m": "1"},
        "tags": {"t": "2"},
    }


def test_from_dict_reads_what_to_dict_wrote() -> None:
    """And is not confused by keys of newer versions."""
    info = make_info(execution_duration=0, tags={"t": "1"}, client_request_id="mine")
    data = info.to_dict()
    assert TraceInfo.from_dict({**data, "from the future": 1}) == info
    assert data == info.to_dict()
    del data["trace_location"], data["state"]
    bare = TraceInfo.from_dict(data)
    assert bare.state is TraceState.STATE_UNSPECIFIED
    assert (bare.trace_location.type.value, bare.experiment_id) == (
        "MLFLOW_EXPERIMENT",
        "0",
    )


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("OK", "OK"),
        ("IN_PROGRESS", "IN_PROGRESS"),
        ("TRACE_STATUS_UNSPECIFIED", "STATE_UNSPECIFIED"),
    ],
)
def test_from_dict_reads_schema_2(status: str, state: str) -> None:
    """The fields have other names there."""
    info = TraceInfo.from_dict(
        {
            "request_id": "abc",
            "experiment_id": "7",
            "timestamp_ms": 5,
            "execution_time_ms": None,
            "status": status,
            "request_metadata": {"m": "1"},
            "tags": {"t": "2"},
        }
    )
    assert (info.trace_id, info.request_time, info.execution_duration) == ("abc", 5, None)
    assert (info.state, info.trace_location) == (TraceState(state), WHERE)
    assert (info.trace_metadata, info.tags) == ({"m": "1"}, {"t": "2"})


@pytest.mark.parametrize(
    "change",
    [
        {"request_time": "noon"},
        {"request_time": None},
        {"state": "FINE"},
        {"trace_location": {"type": "NOWHERE"}},
        {"trace_location": {}, "request_id": "2"},
        {"assessments": [{}]},
        {"execution_duration_ms": "long"},
    ],
)
def test_a_bad_dictionary_is_a_clear_error(change: dict[str, Any]) -> None:
    """One kind of error, whatever is wrong."""
    with pytest.raises(TracetapeException, match="Failed to create a TraceInfo object") as caught:
        TraceInfo.from_dict({**make_info().to_dict(), **change})
    assert isinstance(caught.value, ValueError)
    with pytest.raises(TracetapeException, match="expects a dictionary"):
        TraceInfo.from_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T22:13:20.100Z", 1_700_000_000_100),
        ("1969-12-31T23:59:59.001Z", -999),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000),
    ],
)
def test_times(text: str, milliseconds: int) -> None:
    """As protobuf writes them, there and back."""
    assert rfc3339(milliseconds) == text
    assert milliseconds_of(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2023-11-14T22:13:20.123999999Z", 1_700_000_000_123),
        ("2023-11-14t22:13:20.1z", 1_700_000_000_100),
        ("2023-11-15 00:13:20+02:00", 1_700_000_000_000),
        ("2023-11-14T20:43:20-01:30", 1_700_000_000_000),
    ],
)
def test_other_spellings_of_times(text: str, milliseconds: int) -> None:
    """Nanoseconds and offsets are understood."""
    assert milliseconds_of(text) == milliseconds


@pytest.mark.parametrize("text", ["", "now", "2023-11-14", "2023-13-14T00:00:00Z", None, 5])
def test_no_times(text: Any) -> None:
    """A clear error that shows the text."""
    with pytest.raises(TracetapeException, match="Not a time"):
        milliseconds_of(text)


@pytest.mark.parametrize(
    "where",
    [
        WHERE,
        TraceLocation(TraceLocationType.TRACE_LOCATION_TYPE_UNSPECIFIED),
        TraceLocation.from_databricks_uc_schema("main", "traces"),
        TraceLocation.from_databricks_uc_table_prefix("main", "traces", "mine"),
        TraceLocation.from_dict(
            {"type": "INFERENCE_TABLE", "inference_table": {"full_table_name": "a.b.c"}}
        ),
    ],
    ids=lambda where: where.type.value,
)
def test_locations_read_back(where: TraceLocation) -> None:
    """Of every kind."""
    assert TraceLocation.from_dict(where.to_dict()) == where


def test_a_schema_names_its_tables() -> None:
    """With catalog and schema; what the server said is kept."""
    place = UCSchemaLocation("main", "traces")
    assert place.schema_location == "main.traces"
    assert place.full_otel_spans_table_name == "main.traces.mlflow_experiment_trace_otel_spans"
    assert place.full_otel_logs_table_name == "main.traces.mlflow_experiment_trace_otel_logs"
    named = UCSchemaLocation.from_dict({**place.to_dict(), "otel_spans_table_name": "spans"})
    assert named.full_otel_spans_table_name == "main.traces.spans"


def test_a_prefix_names_its_tables_once_the_server_has_said_them() -> None:
    """Each with its catalog and schema, as the server says it."""
    place = UnityCatalog("main", "agents", "chat")
    tables = ("otel_spans", "otel_logs", "annotations")
    assert [getattr(place, f"full_{table}_table_name") for table in tables] == [None] * 3
    said = {f"{table}_table_name": f"main.agents.chat_{table}" for table in tables}
    again = UnityCatalog.from_dict({**place.to_dict(), **said})
    for table in tables:
        assert getattr(again, f"full_{table}_table_name") == f"main.agents.chat_{table}"


def test_two_locations_or_another_type_are_clear_errors() -> None:
    """They are also ValueErrors."""
    experiment = MlflowExperimentLocation("7")
    schema = UCSchemaLocation("main", "traces")
    kind = TraceLocationType.MLFLOW_EXPERIMENT
    with pytest.raises(TracetapeException, match="Only one of mlflow_experiment") as caught:
        TraceLocation(kind, mlflow_experiment=experiment, uc_schema=schema)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(TracetapeException, match="does not match the provided location"):
        TraceLocation(kind, uc_schema=schema)
