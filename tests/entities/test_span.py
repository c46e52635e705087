"""Spans: what they hold, and that a finished one is read-only."""

# ruff: noqa: PT012 - spans are opened inside `raises`, so that the exception passes them

from __future__ import annotations

import copy
import pickle
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import LiveSpan, NoOpSpan, Span, SpanEvent, SpanStatus, SpanType, Trace
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.tracing.runtime import runtime

SETTERS: dict[str, tuple[Any, ...]] = {
    "set_inputs": ({"a": 1},),
    "set_outputs": ("late",),
    "set_attribute": ("late", 1),
    "set_attributes": ({"late": 1},),
    "set_status": ("ERROR",),
    "set_span_type": ("LATE",),
    "add_event": (SpanEvent("late"),),
    "record_exception": (ValueError("late"),),
}


def test_a_whole_span(last_span: Callable[[], Span]) -> None:
    """Everything that was set reads back from the store, under MLflow's names too."""
    before = time.time_ns()
    with tracetape.start_span("step", SpanType.CHAIN, {"team": "a", "n": 1}) as span:
        span.set_inputs({"question": "Käse?"})
        span.set_attribute("ratio", 0.5)
        span.set_attributes({"tags": ["x"], "none": None, "yes": True})
        span.add_event(SpanEvent("look", 5, {"k": "v"}))
        span.set_outputs(["fromage", {"n": None}])
    after = time.time_ns()
    stored = last_span()
    assert isinstance(span, LiveSpan)
    assert not isinstance(stored, LiveSpan)
    for each in (span, stored):
        assert (each.name, each.span_type, each.parent_id) == ("step", "CHAIN", None)
        assert each.inputs == {"question": "Käse?"}
        assert each.outputs == ["fromage", {"n": None}]
        assert each.status == SpanStatus("OK")
        assert each.events == [SpanEvent("look", 5, {"k": "v"})]
        assert each.attributes == {
            "mlflow.traceRequestId": each.trace_id,
            "mlflow.spanType": "CHAIN",
            "mlflow.spanInputs": {"question": "Käse?"},
            "mlflow.spanOutputs": ["fromage", {"n": None}],
            "team": "a",
            "n": 1,
            "ratio": 0.5,
            "tags": ["x"],
            "none": None,
            "yes": True,
            "mlflow.spanLogLevel": 10,
        }
        assert each.get_attribute("tags") == ["x"]
        assert each.get_attribute("mlflow.spanInputs") == {"question": "Käse?"}
        assert each.get_attribute("nothing") is None
        assert each.end_time_ns is not None
        assert before - 50_000_000 <= each.start_time_ns <= each.end_time_ns <= after + 50_000_000
        assert each.duration_ns == each.end_time_ns - each.start_time_ns
    live, kept = record_of(span), record_of(stored)
    for slot in SpanRecord.__slots__:
        is_bytes = slot in ("attributes", "events", "fields")
        assert is_bytes or getattr(live, slot) == getattr(kept, slot)


def test_a_bare_span(last_span: Callable[[], Span]) -> None:
    """Without a word a span is called `span`, of type UNKNOWN, with nothing in it."""
    with tracetape.start_span() as span:
        assert span.end_time_ns is None
        assert span.duration_ns is None
        assert span.status == SpanStatus("UNSET")
    stored = last_span()
    assert (stored.name, stored.span_type) == ("span", "UNKNOWN")
    assert (stored.inputs, stored.outputs, stored.events) == (None, None, [])
    assert stored.attributes == {
        "mlflow.traceRequestId": stored.trace_id,
        "mlflow.spanType": "UNKNOWN",
        "mlflow.spanLogLevel": 10,
    }
    assert (stored.model_name, stored.provider, stored.token_usage) == (None, None, None)
    assert stored.time_to_first_token_ns is None


def test_ids_have_the_shapes_of_w3c_and_mlflow() -> None:
    """A trace id is `tr-` and 32 hexadecimal digits, a span id 16; none comes twice."""
    ids = set()
    for _ in range(200):
        with tracetape.start_span() as span:
            assert re.fullmatch("tr-[0-9a-f]{32}", span.trace_id)
            assert re.fullmatch("[0-9a-f]{16}", span.span_id)
            ids |= {span.trace_id, span.span_id}
    assert len(ids) == 400


def test_ids_keep_their_leading_zeros(
    monkeypatch: pytest.MonkeyPatch, last_span: Callable[[], Span]
) -> None:
    """A small number has as many digits as a large one, and zero is never used."""
    monkeypatch.setattr(runtime, "random_bits", lambda bits: 0)
    with tracetape.start_span() as span:
        pass
    assert span.trace_id == "tr-" + "0" * 31 + "1"
    assert last_span().span_id == "0" * 15 + "1"


def test_durations_come_from_the_monotonic_clock(
    monkeypatch: pytest.MonkeyPatch, last_trace: Callable[[], Trace]
) -> None:
    """A wall clock that is set back while a trace runs moves none of its spans."""
    from tracetape.live import live_trace

    with tracetape.start_span("root"):
        monkeypatch.setattr(live_trace, "wall_clock_ns", lambda: 0)
        with tracetape.start_span("child"):
            pass
    root, child = last_trace().data.spans
    assert root.end_time_ns is not None
    assert child.end_time_ns is not None
    assert root.start_time_ns <= child.start_time_ns
    assert child.start_time_ns <= child.end_time_ns <= root.end_time_ns
    assert root.start_time_ns > 10**18


def test_values_are_those_at_the_call(last_span: Callable[[], Span]) -> None:
    """A list appended to after the call does not change history."""
    messages = [{"role": "user", "content": "hi"}]
    with tracetape.start_span() as span:
        span.set_inputs(messages)
        span.set_outputs({"all": messages})
        span.set_attribute("one", messages)
        span.set_attributes({"two": {"deep": messages}})
        messages[0]["content"] = "changed"
        messages.append({"role": "assistant", "content": "later"})
    then = [{"role": "user", "content": "hi"}]
    stored = last_span()
    assert stored.inputs == then
    assert stored.outputs == {"all": then}
    assert stored.get_attribute("one") == then
    assert stored.get_attribute("two") == {"deep": then}


def test_what_an_accessor_gave_is_the_callers() -> None:
    """Changing it changes nothing that was recorded."""
    with tracetape.start_span() as span:
        span.set_inputs({"a": [1]})
        span.set_attribute("tags", ["x"])
        span.inputs["a"].append(2)
        span.attributes["tags"].append("y")
        span.attributes["new"] = 1
    assert span.inputs == {"a": [1]}
    assert span.attributes["tags"] == ["x"]
    assert "new" not in span.attributes


def test_the_last_value_wins(last_span: Callable[[], Span]) -> None:
    """Setting again replaces, also with None."""
    with tracetape.start_span(attributes={"k": 1}) as span:
        span.set_inputs(1)
        span.set_inputs({"x": 2})
        span.set_outputs("something")
        span.set_outputs(None)
        span.set_attribute("k", "two")
    stored = last_span()
    assert (stored.inputs, stored.outputs, stored.get_attribute("k")) == ({"x": 2}, None, "two")


def test_reserved_names_are_the_fields_they_stand_for(last_span: Callable[[], Span]) -> None:
    """An attribute under one of MLflow's names is what the accessor of that name reads."""
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    with tracetape.start_span() as span:
        span.set_attribute("mlflow.spanInputs", {"q": 1})
        span.set_attribute("mlflow.spanOutputs", "a")
        span.set_attribute("mlflow.spanType", "LLM")
        span.set_attribute("mlflow.llm.model", "gemma")
        span.set_attribute("mlflow.llm.provider", "databricks")
        span.set_attribute("mlflow.chat.tokenUsage", usage)
        span.set_attribute("mlflow.unheard.of", {"x": 1})
    stored = last_span()
    assert (stored.inputs, stored.outputs, stored.span_type) == ({"q": 1}, "a", "LLM")
    assert (stored.model_name, stored.provider) == ("gemma", "databricks")
    assert stored.token_usage == usage
    assert stored.get_attribute("mlflow.llm.model") == "gemma"
    assert stored.get_attribute("mlflow.chat.tokenUsage") == usage
    assert stored.get_attribute("mlflow.unheard.of") == {"x": 1}


@pytest.mark.parametrize(
    "value",
    [object(), float("nan"), 2**80, "\ud800", {1: 2}, {(1, 2): 3}, b"\xff", print, {1, 2}],
    ids=lambda value: type(value).__name__,
)
def test_setters_take_any_value(value: Any, last_span: Callable[[], Span]) -> None:
    """None raises for its content, and what is stored is what the live span shows."""
    with tracetape.start_span() as span:
        span.set_inputs(value)
        span.set_outputs([value])
        span.set_attribute("value", value)
        span.set_attributes({"nested": {"value": value}})
    stored = last_span()
    assert stored.inputs is not None
    assert (stored.inputs, stored.outputs) == (span.inputs, span.outputs)
    assert stored.attributes == span.attributes


@pytest.mark.parametrize("key", [1, None, ("a",), b"k"])
def test_an_attribute_key_that_is_no_string_is_skipped(
    key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning; the others are kept."""
    with tracetape.start_span() as span:
        span.set_attributes({key: 1, "good": 2})
    assert span.get_attribute("good") == 2
    assert len(span.attributes) == 4
    assert [r.levelname for r in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("attributes", [None, 5, ["a"], "ab"])
def test_attributes_that_are_no_dictionary_are_skipped(
    attributes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning."""
    with tracetape.start_span() as span:
        span.set_attributes(attributes)
    assert set(span.attributes) == {
        "mlflow.traceRequestId",
        "mlflow.spanType",
        "mlflow.spanLogLevel",
    }
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["", "ü\n\x00", "\ud800", None, 7, object(), "x" * 100_000])
def test_a_name_may_be_anything(name: Any, last_trace: Callable[[], Trace]) -> None:
    """An odd name or type harms neither the program nor the spans beside it."""
    with tracetape.start_span("root"):
        with tracetape.start_span(name, span_type=name):
            pass
    assert len(last_trace().data.spans) == 2


class _Untold:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: tracetape.start_span(_Untold()),  # type: ignore[arg-type]
        lambda: tracetape.start_span("n", span_type=_Untold()),  # type: ignore[arg-type]
    ],
    ids=["name", "type"],
)
def test_a_name_without_text_takes_no_other_span_along(
    spoil: Callable[[], Any], query: Callable[..., Any]
) -> None:
    """Spans in the same batch are written all the same, and nothing is lost in silence."""
    for index in range(5):
        with tracetape.start_span(f"good {index}"):
            pass
    with spoil():
        pass
    with tracetape.start_span("good 5"):
        pass
    assert tracetape.flush(20) == 0
    good = query("SELECT count(*) FROM spans WHERE name LIKE 'good%'")
    assert good == [(6,)]
    stats = tracetape.stats()
    assert stats["recorded"] == 7 == stats["written"] + stats["lost"]


@pytest.mark.parametrize("end", [2**80, "noon", object(), -5])
def test_an_odd_end_time_harms_nobody(end: Any, query: Callable[..., Any]) -> None:
    """`end` never raises, and the spans beside it are written."""
    with tracetape.start_span("good"):
        pass
    with tracetape.start_span("odd") as span:
        span.end(end_time_ns=end)
    assert tracetape.flush(20) == 0
    assert query("SELECT name FROM spans ORDER BY id") == [("good",), ("odd",)]


def test_ended_by_hand(last_trace: Callable[[], Trace]) -> None:
    """`end` takes the last words; leaving the block then changes nothing, nor does a second end."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("child") as child:
            child.end(outputs=1, attributes={"k": "v"}, status="ERROR", end_time_ns=10**19 // 5)
            child.end(outputs=2)
            assert tracetape.get_current_active_span() is root
    stored = last_trace().search_spans(name="child")[0]
    assert (stored.outputs, stored.get_attribute("k")) == (1, "v")
    assert stored.status == SpanStatus("ERROR")
    assert stored.end_time_ns == 10**19 // 5


def test_an_exception_after_a_span_was_ended_by_hand(last_span: Callable[[], Span]) -> None:
    """It goes on, and the span stays as it ended."""
    with pytest.raises(ValueError, match="late"):
        with tracetape.start_span() as span:
            span.end(outputs="done")
            raise ValueError("late")
    assert last_span().status == SpanStatus("OK")
    assert last_span().events == []


@pytest.mark.parametrize("method", SETTERS)
def test_setters_on_an_ended_live_span_warn_and_do_nothing(
    method: str, last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """It is too late: the warning names the method and the span."""
    with tracetape.start_span("over", attributes={"k": 1}) as span:
        span.set_inputs(1)
        span.set_outputs(2)
    before = {slot: getattr(record_of(span), slot) for slot in SpanRecord.__slots__}
    getattr(span, method)(*SETTERS[method])
    assert {slot: getattr(record_of(span), slot) for slot in SpanRecord.__slots__} == before
    assert caplog.records
    assert all("over" in record.getMessage() for record in caplog.records)
    assert last_span().attributes == span.attributes


@pytest.mark.parametrize("method", [*SETTERS, "end", "set_whatever"])
def test_setters_on_a_finished_span_are_an_error(
    method: str, last_span: Callable[[], Span]
) -> None:
    """An AttributeError that names the method, and what to do instead."""
    with tracetape.start_span() as span:
        pass
    for finished in (last_span(), span.to_immutable_span()):
        with pytest.raises(AttributeError, match=method):
            getattr(finished, method)(*SETTERS.get(method, ()))
        assert not hasattr(finished, method)


def test_a_missing_attribute_is_a_plain_error() -> None:
    """As with any object."""
    with tracetape.start_span() as span:
        pass
    with pytest.raises(AttributeError, match="'Span' object has no attribute 'colour'"):
        span.to_immutable_span().colour  # noqa: B018


def test_to_immutable_span_is_a_copy() -> None:
    """What happens to the live span later does not show in it."""
    with tracetape.start_span(attributes={"k": 1}) as span:
        span.add_event(SpanEvent("first"))
        frozen = span.to_immutable_span()
        span.set_attribute("k", 2)
        span.set_inputs("later")
        span.add_event(SpanEvent("second"))
    assert type(frozen) is Span
    assert frozen.get_attribute("k") == 1
    assert frozen.inputs is None
    assert [event.name for event in frozen.events] == ["first"]
    assert frozen.end_time_ns is None


def test_a_finished_span_can_be_pickled_and_copied_a_live_one_not() -> None:
    """A live span belongs to its process; it says so."""
    with tracetape.start_span("step") as span:
        span.set_inputs({"a": 1})
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="to_immutable_span"):
                attempt(span)
    finished = span.to_immutable_span()
    for again in (pickle.loads(pickle.dumps(finished)), copy.deepcopy(finished)):
        assert (again.name, again.inputs, again.span_id) == ("step", {"a": 1}, span.span_id)
        assert again.attributes == finished.attributes


@pytest.mark.parametrize("cause", ["words", ValueError("words")], ids=["text", "exception"])
def test_record_exception(cause: Any, last_span: Callable[[], Span]) -> None:
    """For exceptions that do not pass the span: one event, status ERROR."""
    with tracetape.start_span() as span:
        span.record_exception(cause)
    stored = last_span()
    assert stored.status.status_code == "ERROR"
    assert "words" in stored.status.description
    (event,) = stored.events
    assert (event.name, event.attributes["exception.message"]) == ("exception", "words")


def test_record_exception_of_something_else_is_a_clear_error() -> None:
    """Which is also a TypeError."""
    with tracetape.start_span() as span:
        with pytest.raises(TracetapeException, match="must be an Exception instance") as caught:
            span.record_exception(7)  # type: ignore[arg-type]
    assert isinstance(caught.value, TypeError)


def test_the_span_that_is_not_recorded_takes_everything() -> None:
    """All methods of a NoOpSpan do nothing, and it has no ids."""
    span = NoOpSpan()
    for method, arguments in SETTERS.items():
        getattr(span, method)(*arguments)
    span.set_status("nonsense")
    span.record_exception(7)  # type: ignore[arg-type]
    span.end()
    assert isinstance(span, LiveSpan)
    assert span.trace_id == "MLFLOW_NO_OP_SPAN_TRACE_ID"
    assert (span.span_id, span.name, span.start_time_ns, span.end_time_ns) == (None,) * 4
    assert (span.parent_id, span.inputs, span.outputs, span.events) == (None, None, None, [])
    assert span.status == SpanStatus("UNSET")
    assert repr(span) == "NoOpSpan()"


def test_repr_names_the_span() -> None:
    """For whoever prints one."""
    with tracetape.start_span("step") as span:
        pass
    assert repr(span) == (
        f"LiveSpan(name='step', trace_id={span.trace_id!r}, "
        f"span_id={span.span_id!r}, parent_id=None)"
    )
