"""Spans in MLflow's trace JSON: one by one; whole traces of real MLflows are in tests/mlflow."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracetape
from tracetape import TracetapeException
from tracetape.entities import Link, NoOpSpan, Span, SpanEvent, SpanStatus

TRACE = 0x0AF7651916CD43DD8448EB211C80319C
SPAN = 0x00F067AA0BA902B7
PARENT = 0xB7AD6B7169203331
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def b64(number: int, size: int) -> str:
    """An id as OpenTelemetry's JSON has it."""
    return base64.b64encode(number.to_bytes(size, "big")).decode()


def version_3(**other: Any) -> dict[str, Any]:
    """A span's dictionary in schema 3."""
    return {
        "trace_id": b64(TRACE, 16),
        "span_id": b64(SPAN, 8),
        "parent_span_id": b64(PARENT, 8),
        "name": "chat",
        "start_time_unix_nano": 1_700_000_000_000_000_001,
        "end_time_unix_nano": 1_700_000_000_000_000_009,
        "events": [{"name": "look", "time_unix_nano": 5, "attributes": {"k": [1]}}],
        "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
        "attributes": {
            "mlflow.traceRequestId": json.dumps(f"tr-{TRACE:032x}"),
            "mlflow.spanType": '"LLM"',
            "mlflow.spanInputs": '{"q": "Käse"}',
            "mlflow.spanOutputs": "null",
            "mlflow.llm.model": '"gemma"',
            "k": '{"a": 1}',
        },
        "links": [{"trace_id": "tr-" + "1" * 32, "span_id": "2" * 16, "attributes": None}],
        **other,
    }


def version_2(**other: Any) -> dict[str, Any]:
    """The same span's dictionary in schema 2, which has no links."""
    return {
        "context": {"trace_id": f"0x{TRACE:032x}", "span_id": f"0x{SPAN:016x}"},
        "parent_id": f"0x{PARENT:016x}",
        "name": "chat",
        "start_time": 1_700_000_000_000_000_001,
        "end_time": 1_700_000_000_000_000_009,
        "status_code": "ERROR",
        "status_message": "no",
        "events": [{"name": "look", "timestamp": 5, "attributes": {"k": [1]}}],
        "attributes": version_3()["attributes"],
        **other,
    }


HEX_IDS = {
    "trace_id": f"tr-{TRACE:032x}",
    "span_id": f"{SPAN:016x}",
    "parent_span_id": f"{PARENT:016x}",
}


@pytest.mark.parametrize(
    ("data", "links"),
    [
        (version_3(), [Link("tr-" + "1" * 32, "2" * 16)]),
        (version_3(start_time_unix_nano="1700000000000000001", links=None), []),
        (version_3(**HEX_IDS, status={"code": "ERROR", "message": "no"}, links=[]), []),
        (version_3(trace_id=f"{TRACE:032x}", links=[]), []),
        (version_3(trace_id=f"trace:/main.traces/{TRACE:032x}", links=[]), []),
        (version_2(), []),
        (version_2(context={"trace_id": f"{TRACE:x}", "span_id": f"{SPAN:x}"}), []),
    ],
    ids=["3", "numbers as text", "3.5.0", "bare hex", "Unity Catalog", "2", "short hex"],
)
def test_every_schema_gives_the_same_span(data: dict[str, Any], links: list[Link]) -> None:
    """Whatever the spelling of ids, times and codes."""
    span = Span.from_dict(data)
    assert (span.trace_id, span.span_id) == (f"tr-{TRACE:032x}", f"{SPAN:016x}")
    assert span.parent_id == f"{PARENT:016x}"
    assert (span.name, span.span_type) == ("chat", "LLM")
    assert span.start_time_ns == 1_700_000_000_000_000_001
    assert (span.end_time_ns, span.duration_ns) == (1_700_000_000_000_000_009, 8)
    assert span.status == SpanStatus("ERROR", "no")
    assert span.events == [SpanEvent("look", 5, {"k": [1]})]
    assert (span.inputs, span.outputs) == ({"q": "Käse"}, None)
    assert span.attributes["k"] == span.get_attribute("k") == {"a": 1}
    assert span.model_name == "gemma"
    assert span.links == links


def test_to_dict_is_schema_3() -> None:
    """Key by key as it was read."""
    assert Span.from_dict(version_3()).to_dict() == version_3()


def test_a_dictionary_is_not_changed_by_reading_it() -> None:
    """Nor does the span change with it."""
    data = version_3()
    before = copy.deepcopy(data)
    span = Span.from_dict(data)
    assert data == before
    data["attributes"].clear()
    data["events"][0]["attributes"]["k"].append(2)
    data["links"][0]["span_id"] = "changed"
    assert span == Span.from_dict(before)


def test_an_open_root_without_anything() -> None:
    """What is not there is None or empty."""
    named = {"mlflow.traceRequestId": f'"tr-{TRACE:032x}"'}
    data = version_3(parent_span_id="", end_time_unix_nano=None, attributes=named, links=None)
    data |= {"events": [], "status": {"code": "STATUS_CODE_UNSET"}}
    span = Span.from_dict(data)
    assert (span.parent_id, span.end_time_ns, span.inputs, span.outputs) == (None,) * 4
    assert (span.span_type, span.status) == ("UNKNOWN", SpanStatus("UNSET"))
    assert (span.events, span.links) == ([], [])
    assert Span.from_dict(span.to_dict()) == span


@pytest.mark.parametrize("shown", ["ed9ccc679aff4a03a05fffd5ccec03e1", f"trace:/a.b/{TRACE:032x}"])
def test_a_foreign_trace_id_is_kept(shown: str) -> None:
    """MLflow 2 had ids of its own beside OpenTelemetry's, and Unity Catalog's name a place."""
    data = version_3()
    data["attributes"]["mlflow.traceRequestId"] = json.dumps(shown)
    span = Span.from_dict(data)
    assert span.trace_id == span.request_id == span.attributes["mlflow.traceRequestId"] == shown
    assert span.to_dict()["trace_id"] == b64(TRACE, 16)
    assert Span.from_dict(span.to_dict()).trace_id == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ('"3"', "3"),
        ("plain words", "plain words"),
        ("", None),
        ("NaN", "NaN"),
        ('{"a": Infinity}', {"a": "Infinity"}),
        (str(2**70), str(2**70)),
        (str(2**63 - 1), 2**63 - 1),
        ('"\\ud83e\\uddc0"', "🧀"),
        ('"\\ud800"', "\\ud800"),
        (7, 7),
        ([1], [1]),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_attributes_are_json_or_else_the_value_itself(text: Any, value: Any) -> None:
    """As MLflow reads them; what JSON cannot hold is kept as text."""
    data = version_3()
    data["attributes"] |= {"odd": text, "mlflow.spanInputs": text}
    span = Span.from_dict(data)
    assert span.get_attribute("odd") == span.inputs == value
    assert Span.from_dict(span.to_dict()) == span


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "x"},
        None,
        [],
        "text",
        version_3(attributes={}),
        version_3(attributes={"mlflow.traceRequestId": None}),
        version_3(attributes=None),
        version_3(trace_id=None),
        version_3(trace_id="nonsense"),
        version_3(span_id=""),
        version_3(span_id=b64(SPAN, 16)),
        version_3(span_id=f"{1 << 64:x}"),
        version_3(status={"code": "STATUS_CODE_FINE"}),
        version_3(status=None),
        version_3(start_time_unix_nano="noon"),
        version_3(events=[{}]),
        version_3(links=[{}]),
        version_2(context={}),
        version_2(status_code="FINE"),
    ],
    ids=lambda data: repr(data)[:40],
)
def test_a_bad_dictionary_is_a_clear_error(data: Any) -> None:
    """One kind of error, whatever is wrong."""
    with pytest.raises(TracetapeException, match="Failed to create a Span object from ") as caught:
        Span.from_dict(data)
    assert isinstance(caught.value, ValueError)


def test_a_live_span_can_be_written_but_not_read() -> None:
    """`from_dict` is the finished span's."""
    with tracetape.start_span("step") as span:
        written = Span.from_dict(span.to_dict())
        assert (written.name, written.end_time_ns, written.status.status_code) == (
            "step",
            None,
            "UNSET",
        )
        with pytest.raises(NotImplementedError, match="not supported for the LiveSpan"):
            type(span).from_dict(span.to_dict())
    assert Span.from_dict(span.to_dict()) == span.to_immutable_span()
    assert NoOpSpan().to_dict() == {}


@given(inputs=JSON, value=JSON, key=st.text(), name=st.text())
def test_what_is_written_is_read(inputs: Any, value: Any, key: str, name: str) -> None:
    """Whatever JSON can hold, through a file."""
    with tracetape.start_span(name, attributes={key: value}) as span:
        span.set_inputs(inputs)
    finished = span.to_immutable_span()
    again = Span.from_dict(json.loads(json.dumps(finished.to_dict())))
    assert again == finished
    assert again.inputs == span.inputs
