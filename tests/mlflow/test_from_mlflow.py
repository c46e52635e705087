"""Traces that real MLflows wrote, of all schemas, read here as MLflow reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.entities import SpanLogLevel, Trace

Plain = Callable[[Trace], dict[str, Any]]
FILES = ["mlflow_3.17.2.json", "mlflow_3.5.0.json", "mlflow_2.20.3.json"]


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    """A file in `data/`: the version of MLflow that wrote it."""
    value: str = request.param
    return value


def test_values_are_what_mlflow_reads(name: str, data: Path, plain: Plain) -> None:
    """Ids, times, values, events, status, links, assessments and all of the info."""
    trace = Trace.from_json((data / name).read_text("utf-8"))
    expected = json.loads((data / "read.json").read_text("utf-8"))[name]
    for span in expected["spans"]:
        if span["name"] == "odd":
            # JSON has neither; we keep their text.
            assert span["attributes"]["nan"] != span["attributes"]["nan"]
            span["attributes"] |= {"nan": "NaN", "huge": str(2**70)}
    assert plain(trace) == expected


def test_what_was_read_can_be_written_and_read_again(name: str, data: Path, plain: Plain) -> None:
    """Nothing is lost on the way, and the traces are equal."""
    trace = Trace.from_json((data / name).read_text("utf-8"))
    for again in (
        Trace.from_json(trace.to_json()),
        Trace.from_json(trace.to_json(pretty=True)),
        Trace.from_dict(trace.to_dict()),
    ):
        assert again == trace
        assert plain(again) == plain(trace)


def decoded(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace's dictionary with the JSON in it decoded, but for numbers that we keep as text."""
    for span in trace["data"]["spans"]:
        span["attributes"] = {
            key: value if key in ("nan", "huge") else json.loads(value)
            for key, value in span["attributes"].items()
        }
        if span["name"] == "odd":
            span["attributes"] |= {"nan": None, "huge": None}
    for assessment in trace["info"]["assessments"]:
        serialized = assessment.get("expectation", {}).get("serialized_value")
        if serialized:
            serialized["value"] = json.loads(serialized["value"])
    return trace


def test_the_newest_schema_is_written_as_mlflow_writes_it(data: Path) -> None:
    """Key by key."""
    text = (data / FILES[0]).read_text("utf-8")
    assert decoded(Trace.from_json(text).to_dict()) == decoded(json.loads(text))


def test_the_accessors_of_a_trace_of_mlflow(data: Path) -> None:
    """What MLflow recorded is found under our names, too."""
    trace = Trace.from_json((data / FILES[0]).read_text("utf-8"))
    (chat,) = trace.search_spans(span_type="CHAT_MODEL")
    assert (chat.model_name, chat.provider) == ("gemma", "databricks")
    assert chat.token_usage == trace.info.token_usage
    assert chat.token_usage == {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    assert chat.attributes["mlflow.chat.tools"][0]["function"]["name"] == "weather"
    (tool,) = trace.search_spans(name="weather")
    assert tool.status.status_code == "ERROR"
    assert tool.events[0].attributes["exception.type"] == "LookupError"
    (odd,) = trace.search_spans(name="odd")
    assert odd.log_level is SpanLogLevel.WARNING
    assert odd.description == "what is hard to write down"
    assert trace.info.name == "answer"
    assert (trace.info.span_count, trace.info.error_count) == (5, 1)
    assert trace.duration_ns == trace.data.spans[0].duration_ns
    assert [each.name for each in trace.search_assessments(type="feedback")] == ["score", "good"]
