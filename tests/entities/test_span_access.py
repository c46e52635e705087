"""What a span says beside its values: links, level, description, cost; hints, equality, sets."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.entities import Link, NoOpSpan, Span, SpanEvent, SpanLogLevel

LINK = Link("tr-" + "1" * 32, "2" * 16, {"why": "retry"})


@pytest.fixture
def span() -> Span:
    """A finished span with some of everything."""
    with tracetape.start_span("step", "LLM", {"team": "a"}) as live:
        live.set_inputs({"q": 1})
        live.add_event(SpanEvent("look", 5))
        live.add_link(LINK)
    return live.to_immutable_span()


def test_what_was_said_reads_back(last_span: Callable[[], Span]) -> None:
    """Also from the store, and under MLflow's names."""
    with tracetape.start_span() as span:
        span.set_log_level("warning")
        span.set_description("what it is about")
        span.add_link(LINK)
        span.add_link(Link("3" * 32, "4" * 16))
        span.set_attribute("mlflow.llm.cost", {"input_cost": 0.5, "total_cost": 0.5})
    for each in (span, span.to_immutable_span(), last_span()):
        assert each.log_level is SpanLogLevel.WARNING
        assert each.description == "what it is about"
        assert each.links == [LINK, Link("3" * 32, "4" * 16, None)]
        assert each.llm_cost == {"input_cost": 0.5, "total_cost": 0.5}
        assert each.get_attribute("mlflow.spanLogLevel") == 30
        assert each.get_attribute("mlflow.spanDescription") == "what it is about"
        assert each.get_attribute("mlflow.llm.cost") == each.llm_cost
        assert not [key for key in each.attributes if "link" in key]
        assert each.request_id == each.trace_id


def test_what_was_not_said_is_none(span: Span) -> None:
    """But for the level, which an ended span always has."""
    with tracetape.start_span() as bare:
        assert bare.log_level is None
    assert (bare.description, bare.llm_cost) == (None, None)
    assert bare.links == []


@pytest.mark.parametrize(
    ("span_type", "level"),
    [
        ("LLM", "INFO"),
        ("CHAT_MODEL", "INFO"),
        ("TOOL", "INFO"),
        ("RETRIEVER", "INFO"),
        ("AGENT", "INFO"),
        ("EMBEDDING", "INFO"),
        ("CHAIN", "DEBUG"),
        ("UNKNOWN", "DEBUG"),
        ("OWN", "DEBUG"),
    ],
)
def test_the_level_of_an_ended_span_follows_from_its_type(
    span_type: str, level: str, last_span: Callable[[], Span]
) -> None:
    """As in MLflow, whose views hide what is DEBUG; it is stored with the span."""
    with tracetape.start_span(span_type=span_type) as span:
        pass
    again = Span.from_dict(last_span().to_dict())
    for each in (span, span.to_immutable_span(), last_span(), again):
        assert each.log_level is SpanLogLevel[level]
        assert each.get_attribute("mlflow.spanLogLevel") == SpanLogLevel[level]


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [
        (None, None, "ERROR"),
        ("WARNING", None, "ERROR"),
        ("CRITICAL", None, "CRITICAL"),
        ("DEBUG", "INFO", "INFO"),
    ],
)
def test_an_exception_raises_the_level(
    before: str | None, after: str | None, level: str, last_span: Callable[[], Span]
) -> None:
    """To ERROR, if it was lower; what the program says afterwards holds."""
    with tracetape.start_span(log_level=before) as span:
        span.add_event(SpanEvent("look"))
        span.record_exception(ValueError("no"))
        if after is not None:
            span.set_log_level(after)
    assert span.log_level is last_span().log_level is SpanLogLevel[level]


def test_a_span_from_elsewhere_has_no_level_of_ours(span: Span) -> None:
    """What is read is written as it was."""
    data = span.to_dict()
    del data["attributes"]["mlflow.spanLogLevel"]
    assert Span.from_dict(data).log_level is None
    assert Span.from_dict(data).to_dict() == data


@pytest.mark.parametrize("level", ["INFO", " info ", SpanLogLevel.INFO])
def test_levels_have_names(level: Any) -> None:
    """In either case."""
    with tracetape.start_span() as span:
        span.set_log_level(level)
    assert span.log_level is SpanLogLevel.INFO


@pytest.mark.parametrize("level", ["LOUD", 20, 25, True, None, 1.5, object()])
def test_a_bad_level_is_a_clear_error(level: Any) -> None:
    """And the span keeps the one it had."""
    with tracetape.start_span() as span:
        span.set_log_level("DEBUG")
        with pytest.raises(TracetapeException, match="SpanLogLevel"):
            span.set_log_level(level)
    assert span.log_level is SpanLogLevel.DEBUG


def test_a_level_set_as_an_attribute_may_be_anything() -> None:
    """Reading it does not raise."""
    with tracetape.start_span(attributes={"mlflow.spanLogLevel": "LOUD"}) as span:
        pass
    assert span.log_level is None
    assert span.get_attribute("mlflow.spanLogLevel") == "LOUD"


@pytest.mark.parametrize(
    "link",
    [
        "tr-1",
        None,
        {"trace_id": "1", "span_id": "2"},
        Link("nonsense", "2"),
        Link("tr-1", "nonsense"),
        Link("tr-1", "1" * 17),
        Link("1" * 33, "1"),
        Link(None, "1"),  # type: ignore[arg-type]
        Link("tr-1", 7),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_a_bad_link_is_a_clear_error(link: Any) -> None:
    """It is not kept."""
    with tracetape.start_span() as span:
        with pytest.raises(TracetapeException, match=r"link"):
            span.add_link(link)
    assert span.links == []


def test_a_link_is_taken_as_it_is_at_the_call() -> None:
    """Changing it later, or one that was read, changes nothing."""
    link = Link("1" * 32, "2" * 16, {"seen": [1]})
    with tracetape.start_span() as span:
        span.add_link(link)
        assert link.attributes is not None
        link.attributes["seen"].append(2)
        span.links[0].span_id = "changed"
    assert span.links == [Link("1" * 32, "2" * 16, {"seen": [1]})]
    assert Link.from_dict(link.to_dict()) == link


@pytest.mark.parametrize("usage", ["many", 5, ["x"], {"input_tokens": "many"}])
def test_usage_of_ones_own_kind_is_an_attribute(
    usage: Any, last_trace: Callable[[], tracetape.entities.Trace]
) -> None:
    """It is kept, and not summed."""
    with tracetape.start_span(attributes={"mlflow.chat.tokenUsage": usage}):
        pass
    trace = last_trace()
    assert trace.data.spans[0].get_attribute("mlflow.chat.tokenUsage") == usage
    assert trace.info.token_usage is None


def test_a_reserved_attribute_is_taken_as_it_is_at_the_call() -> None:
    """As any other."""
    usage = {"input_tokens": 1}
    with tracetape.start_span() as span:
        span.set_attribute("mlflow.chat.tokenUsage", usage)
        usage["input_tokens"] = 2
    assert span.token_usage == {"input_tokens": 1}


def test_the_trace_id_cannot_be_set(caplog: pytest.LogCaptureFixture) -> None:
    """Its own id is no news; another one is skipped with a warning."""
    with tracetape.start_span() as span:
        span.set_attributes(span.attributes)
        assert not caplog.records
        span.set_attribute("mlflow.traceRequestId", "tr-1")
    assert span.attributes["mlflow.traceRequestId"] == span.trace_id != "tr-1"
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ("inputs", "e.g. `span.inputs`."),
        ("team", r"`span.get_attribute\('team'\)`"),
        ("mlflow.spanInputs", r"`span.get_attribute\('mlflow.spanInputs'\)`"),
        ("nothing", "`span.inputs`, `span.outputs`, or `span.attributes`"),
        ("_fields", "`span.inputs`, `span.outputs`, or `span.attributes`"),
        (0, "`span.inputs`, `span.outputs`, or `span.attributes`"),
    ],
)
def test_a_span_is_no_dictionary(item: Any, hint: str, span: Span) -> None:
    """Brackets are a TypeError that says what to write instead."""
    with pytest.raises(TypeError, match=f"'Span' object is not subscriptable.*{hint}"):
        span[item]


def test_a_span_has_no_get_and_cannot_be_iterated(span: Span) -> None:
    """Nor asked with `in`."""
    with pytest.raises(AttributeError, match=r"no attribute 'get'; a span is not a dict"):
        span.get("inputs")
    assert not hasattr(span, "get")
    with pytest.raises(TypeError):
        iter(span)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        "inputs" in span  # type: ignore[operator]  # noqa: B015


def test_finished_spans_are_equal_by_value(span: Span) -> None:
    """Copies are, and count once in a set; what differs in anything is not."""
    for again in (Span.from_dict(span.to_dict()), pickle.loads(pickle.dumps(span))):
        assert again == span
        assert len({again, span}) == 1
    other = span.to_dict()
    other["attributes"]["team"] = '"b"'
    assert Span.from_dict(other) != span
    later = span.to_dict() | {"end_time_unix_nano": span.start_time_ns}
    assert Span.from_dict(later) != span
    assert span != "span"


def test_a_live_span_is_equal_to_itself_only() -> None:
    """It may change at any moment."""
    with tracetape.start_span() as span:
        pass
    assert span == span
    assert span != span.to_immutable_span()
    assert span.to_immutable_span() != span
    assert len({span, span.to_immutable_span()}) == 2


def test_the_span_that_is_not_recorded_says_nothing() -> None:
    """And takes everything, also what would be an error elsewhere."""
    span = NoOpSpan()
    span.set_log_level("LOUD")
    span.set_description("x")
    span.add_link("nonsense")  # type: ignore[arg-type]
    assert (span.attributes, span.links, span.get_attribute("x")) == ({}, [], None)
    assert (span.log_level, span.description, span.llm_cost) == (None, None, None)
    for again in (copy.copy(span), copy.deepcopy(span), pickle.loads(pickle.dumps(span))):
        assert isinstance(again, NoOpSpan)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("set_log_level", ("LOUD",)), ("set_description", ("x",)), ("add_link", (None,))],
)
def test_too_late(
    method: str, arguments: tuple[Any, ...], span: Span, caplog: pytest.LogCaptureFixture
) -> None:
    """An ended live span warns; a finished one has no such method."""
    with tracetape.start_span("over") as live:
        pass
    getattr(live, method)(*arguments)
    assert "over" in caplog.text
    assert (live.links, live.description, live.log_level) == ([], None, SpanLogLevel.DEBUG)
    with pytest.raises(AttributeError, match=f"{method}.*read-only"):
        getattr(span, method)


def test_record_exception_of_a_text_is_an_exception() -> None:
    """With type and stack trace, as MLflow has it."""
    with tracetape.start_span() as span:
        span.record_exception("words")
    (event,) = span.events
    assert event.attributes["exception.type"] == "Exception"
    assert span.status.description == "Exception: words"
