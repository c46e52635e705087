"""Span processors: called in order with each span that ends, while it can still be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape import tracing
from tracetape.entities import LiveSpan, Span, Trace
from tracetape.exceptions import TracetapeException


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> Iterator[None]:
    """What a test configures does not outlive it."""
    with tracetape.configure():
        yield


def processors() -> list[Any]:
    """Those in force."""
    return list(tracing.get_config().span_processors)


def test_they_run_in_order_at_the_end_of_each_span() -> None:
    """Children first, as they end first."""
    seen: list[tuple[str, str]] = []
    tracetape.configure(
        span_processors=[
            lambda span: seen.append(("first", span.name)),
            lambda span: seen.append(("second", span.name)),
        ]
    )
    with tracetape.start_span("root"):
        with tracetape.start_span("child"):
            assert seen == []
        assert seen == [("first", "child"), ("second", "child")]
    assert seen[2:] == [("first", "root"), ("second", "root")]


def test_a_processor_changes_the_span(last_span: Callable[[], Span]) -> None:
    """It sees everything that was said, and has the last word before it is written."""

    def hide(span: LiveSpan) -> None:
        assert isinstance(span, LiveSpan)
        assert (span.inputs, span.outputs) == ({"patient": 1}, "result")
        assert span.status.status_code == "OK"
        span.set_inputs({"patient": "***"})
        span.set_outputs(span.outputs.upper())
        span.set_attribute("processed", True)
        span.set_span_type("TOOL")

    def see(span: LiveSpan) -> None:
        assert span.inputs == {"patient": "***"}

    @tracetape.trace
    def work(patient: int) -> str:
        return "result"

    with tracetape.configure(span_processors=[hide, see]):
        assert work(1) == "result"
    span = last_span()
    assert (span.inputs, span.outputs) == ({"patient": "***"}, "RESULT")
    assert (span.attributes["processed"], span.span_type) == (True, "TOOL")


def test_a_processor_sees_what_failed(last_span: Callable[[], Span]) -> None:
    """And the exception goes on unchanged."""
    seen = []
    error = ValueError("bad")
    tracetape.configure(span_processors=[lambda span: seen.append(span.status.description)])
    with pytest.raises(ValueError) as caught, tracetape.start_span():
        raise error
    assert caught.value is error
    assert seen == ["ValueError: bad"]


@pytest.mark.parametrize("how", ["end", "decorator", "generator", "no context"])
def test_however_a_span_ends(how: str) -> None:
    """Each passes them once."""
    seen: list[str] = []
    tracetape.configure(span_processors=[lambda span: seen.append(span.name)])
    if how == "end":
        with tracetape.start_span("x") as span:
            span.end()
    elif how == "decorator":
        tracetape.trace(lambda: None, name="x")()
    elif how == "generator":

        @tracetape.trace(name="x")
        def items() -> Iterator[int]:
            yield 1

        assert list(items()) == [1]
    else:
        tracetape.start_span_no_context("x").end()
    assert seen == ["x"]


def test_one_that_fails(last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture) -> None:
    """One warning; the others run, the span is written, the program goes on."""

    def fail(span: LiveSpan) -> None:
        raise ZeroDivisionError("never mind")

    tracetape.configure(span_processors=[fail, lambda span: span.set_attribute("after", 1)])
    with tracetape.start_span():
        pass
    assert last_span().attributes["after"] == 1
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Span processor fail failed" in record.getMessage()
    assert record.exc_info is not None
    assert tracetape.stats()["faults"] == {}


def test_one_that_returns_something(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and the answer is ignored."""
    tracetape.configure(
        span_processors=[
            lambda span: Span.from_dict(span.to_dict()),
            lambda span: span.set_attribute("after", 1),
        ]
    )
    with tracetape.start_span("x"):
        pass
    span = last_span()
    assert (span.name, span.attributes["after"]) == ("x", 1)
    (record,) = caplog.records
    assert "Span processor <lambda> returned 'Span', which is ignored" in record.getMessage()


def test_one_that_makes_spans_itself(last_trace: Callable[[], Trace]) -> None:
    """Also below the span that is about to end."""

    def look(span: LiveSpan) -> None:
        if span.name == "root":
            tracetape.start_span_no_context("made", parent_span=span).end()

    with tracetape.configure(span_processors=[look]), tracetape.start_span("root"):
        pass
    root, made = last_trace().data.spans
    assert made.parent_id == root.span_id


def test_spans_that_are_not_recorded_have_none() -> None:
    """There is nothing to process."""
    seen: list[LiveSpan] = []
    tracetape.configure(span_processors=[seen.append])
    with tracetape.context(enabled=False), tracetape.start_span():
        pass
    assert seen == []


def test_as_a_function() -> None:
    """It holds until something else is said; what is not given stays."""
    first, second = (lambda span: None), (lambda span: None)
    tracetape.configure(span_processors=[first])
    assert processors() == [first]
    tracetape.configure()
    tracetape.configure(sampling_ratio=1.0)
    assert processors() == [first]
    tracetape.configure(span_processors=[second, first])
    assert processors() == [second, first]
    tracetape.configure(span_processors=[])
    assert processors() == []


def test_as_a_context_manager() -> None:
    """At the end of the block the former ones are back; blocks nest."""
    first, second, third = (lambda span: None), (lambda span: None), (lambda span: None)
    tracetape.configure(span_processors=[first])
    with tracetape.configure(span_processors=[second]):
        assert processors() == [second]
        with tracetape.configure(span_processors=[third]):
            assert processors() == [third]
        assert processors() == [second]
        tracetape.configure(span_processors=[third])
    assert processors() == [first]


def test_a_block_that_fails_restores_too() -> None:
    """And the exception goes on unchanged."""
    error = RuntimeError("inside")
    with pytest.raises(RuntimeError) as caught:
        with tracetape.configure(span_processors=[print]):
            raise error
    assert caught.value is error
    assert processors() == []


def test_everything_but_the_store_is_restored() -> None:
    """Sampling and prices as well."""
    from tracetape.tracing.runtime import runtime

    def settings() -> tuple[Any, ...]:
        return (
            runtime.config.processors,
            runtime.sampling_ratio,
            runtime.config.keep_errors,
            runtime.config.prices,
            runtime.otel,
        )

    before = settings()
    prices = {"m": {"input": 1.0, "output": 1.0}}
    with tracetape.configure(
        span_processors=[print], sampling_ratio=0.5, keep_errors=True, prices=prices
    ):
        assert settings() == ((print,), 0.5, True, prices, None)
    assert settings() == before


def test_a_store_given_in_a_block_stays(tmp_path: Any) -> None:
    """Stores cannot go back: what was written is there."""
    with tracetape.configure(store="memory://"):
        with tracetape.start_span() as span:
            pass
    assert tracetape.get_trace(span.trace_id) is not None
    with tracetape.configure(span_processors=[print]):
        tracetape.configure(store="memory://")
    assert processors() == []


def test_after_a_change_of_the_store() -> None:
    """Processors go with it."""
    seen: list[str] = []
    tracetape.configure(span_processors=[lambda span: seen.append(span.name)])
    tracetape.configure(store="memory://")
    with tracetape.start_span("x"):
        pass
    assert seen == ["x"]


def test_the_configuration_is_a_copy() -> None:
    """Changing what `get_config()` gave changes nothing, nor does the caller's list."""
    mine: list[Any] = [print]
    tracetape.configure(span_processors=mine)
    mine.append(repr)
    tracing.get_config().span_processors.append(repr)  # type: ignore[attr-defined]
    assert processors() == [print]


def test_the_processors_themselves_are_not_copied() -> None:
    """They may have a state."""

    class Counter:
        count = 0

        def __call__(self, span: LiveSpan) -> None:
            self.count += 1

        def __deepcopy__(self, memo: Any) -> Any:
            raise AssertionError("copied")

    counter = Counter()
    with tracetape.configure(span_processors=[counter]):
        with tracetape.start_span():
            pass
    assert counter.count == 1


def _none() -> None: ...
def _one(span: LiveSpan) -> None: ...
def _two(span: LiveSpan, more: int) -> None: ...
def _one_and_more(span: LiveSpan, more: int = 3, *others: int, **named: int) -> None: ...


@pytest.mark.parametrize("processor", [_one, _one_and_more, print, lambda span: None, [].append])
def test_a_valid_configuration(processor: Any) -> None:
    """Anything that can be called with one span."""
    assert list(tracing.TracingConfig(span_processors=[processor]).span_processors) == [processor]


@pytest.mark.parametrize("processor", [None, 1, "print", _none, _two, lambda *, span: None])
def test_an_invalid_configuration(processor: Any) -> None:
    """Refused with the reason."""
    with pytest.raises(
        TypeError, match=r"Span processor must (be a callable|take exactly one)"
    ) as caught:
        tracing.TracingConfig(span_processors=[_one, processor])
    assert isinstance(caught.value, TracetapeException)


def test_the_configuration_at_the_beginning() -> None:
    """There are no processors."""
    assert tracing.get_config() == tracing.TracingConfig()
    assert processors() == []
