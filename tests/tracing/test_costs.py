"""What tokens cost: by the price table that the user gives, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape.entities import LiveSpan, Trace
from tracetape.tracing.costs import cost_of

PRICES = {
    "m": {"input": 2.0, "output": 10.0},
    "cached": {"input": 2.0, "output": 10.0, "cached_input": 0.5, "cache_creation": 2.5},
}
USAGE = {"input_tokens": 1_000_000, "output_tokens": 100_000, "total_tokens": 1_100_000}


@pytest.fixture(autouse=True)
def _prices() -> Iterator[None]:
    """The table of these tests."""
    with tracetape.configure(prices=PRICES):
        yield


def call(name: str = "call", model: str | None = "m", **usage: int) -> LiveSpan:
    """A span of a model call that has ended."""
    with tracetape.start_span(name, "CHAT_MODEL") as span:
        _say(span, model, **usage)
    return span


def _say(span: LiveSpan, model: str | None = "m", **usage: int) -> None:
    if model is not None:
        span.set_attribute("mlflow.llm.model", model)
    span.set_attribute("mlflow.chat.tokenUsage", usage or USAGE)


def cost(span: Any) -> Any:
    """The cost that stands on a span."""
    return span.attributes.get("mlflow.llm.cost")


def everywhere(last_trace: Callable[[], Trace]) -> Trace:
    """The last trace, which says the same in memory and in the store."""
    trace_id = tracetape.get_last_active_trace_id()
    assert trace_id is not None
    memory, stored = tracetape.get_trace(trace_id), last_trace()
    assert memory is not None
    assert memory.info.cost == stored.info.cost
    assert memory.info.token_usage == stored.info.token_usage
    assert [cost(span) for span in memory.data.spans] == [cost(s) for s in stored.data.spans]
    return stored


def test_prices_are_for_a_million_tokens(last_trace: Callable[[], Trace]) -> None:
    """In US dollars, on the span and on the trace."""
    call()
    trace = everywhere(last_trace)
    expected = {"input_cost": 2.0, "output_cost": 1.0, "total_cost": 3.0}
    assert cost(trace.data.spans[0]) == expected
    assert trace.info.cost == expected
    assert trace.info.token_usage == USAGE


@pytest.mark.parametrize(
    ("prices", "usage", "expected"),
    [
        ({"input": 2}, {"input_tokens": 500_000}, (1.0, 0.0)),
        ({"output": 2}, {"input_tokens": 9, "output_tokens": 500_000}, (0.0, 1.0)),
        ({"input": 2}, {}, (0.0, 0.0)),
        (
            {"input": 2, "cached_input": 1},
            {"input_tokens": 1_000_000, "cache_read_input_tokens": 400_000},
            (1.6, 0.0),
        ),
        (
            {"input": 2},
            {"input_tokens": 1_000_000, "cache_read_input_tokens": 400_000},
            (2.0, 0.0),
        ),
        (
            {"input": 2, "cached_input": 1, "cache_creation": 4},
            {
                "input_tokens": 1_000_000,
                "cache_read_input_tokens": 400_000,
                "cache_creation_input_tokens": 100_000,
            },
            (1.0 + 0.4 + 0.4, 0.0),
        ),
        (
            {"input": 2, "cached_input": 0},
            {"input_tokens": 10, "cache_read_input_tokens": 1_000_000},
            (0.0, 0.0),
        ),
    ],
)
def test_a_cost(
    prices: dict[str, float], usage: dict[str, int], expected: tuple[float, float]
) -> None:
    """Cached tokens are among the input tokens, and have their own price if it is given."""
    found = cost_of(usage, prices)
    assert (found["input_cost"], found["output_cost"]) == pytest.approx(expected)
    assert found["total_cost"] == pytest.approx(sum(expected))


def test_cached_tokens_of_a_span(last_trace: Callable[[], Trace]) -> None:
    """As providers report them."""
    call(
        model="cached",
        input_tokens=1_000_000,
        output_tokens=0,
        total_tokens=1_000_000,
        cache_read_input_tokens=400_000,
        cache_creation_input_tokens=200_000,
    )
    trace = everywhere(last_trace)
    assert trace.info.cost == pytest.approx(
        {"input_cost": 0.8 + 0.2 + 0.5, "output_cost": 0.0, "total_cost": 1.5}
    )


@pytest.mark.parametrize("model", ["unknown", None])
def test_without_a_price_there_is_no_cost(
    model: str | None, last_trace: Callable[[], Trace]
) -> None:
    """Nothing is guessed."""
    call(model=model)
    trace = everywhere(last_trace)
    assert cost(trace.data.spans[0]) is None
    assert trace.info.cost is None
    assert trace.info.token_usage == USAGE


def test_without_tokens_there_is_no_cost(last_trace: Callable[[], Trace]) -> None:
    """A call that failed, say."""
    with tracetape.start_span() as span:
        span.set_attribute("mlflow.llm.model", "m")
    assert everywhere(last_trace).info.cost is None


def test_without_a_table_there_is_no_cost(last_trace: Callable[[], Trace]) -> None:
    """As it is when nothing is configured."""
    with tracetape.configure(prices={}):
        call()
    assert everywhere(last_trace).info.cost is None


def test_a_cost_that_the_program_knows_is_kept(last_trace: Callable[[], Trace]) -> None:
    """It comes from the provider's bill."""
    known = {"input_cost": 7.0, "output_cost": 1.0, "total_cost": 8.0}
    with tracetape.start_span() as span:
        _say(span)
        span.set_attribute("mlflow.llm.cost", known)
    assert everywhere(last_trace).info.cost == known


def test_the_sum_of_a_trace(last_trace: Callable[[], Trace]) -> None:
    """All spans that have their own."""
    with tracetape.start_span("root"):
        call("first")
        with tracetape.start_span("step"):
            call("second", model="cached")
            call("third", model="unknown")
    trace = everywhere(last_trace)
    assert trace.info.cost == {"input_cost": 4.0, "output_cost": 2.0, "total_cost": 6.0}
    assert trace.info.token_usage == {kind: 3 * count for kind, count in USAGE.items()}


def test_descendants_of_a_span_with_its_own_are_skipped(
    last_trace: Callable[[], Trace],
) -> None:
    """It has counted them already; however deep they are."""
    with tracetape.start_span("root"):
        with tracetape.start_span("agent") as agent:
            with tracetape.start_span("step"):
                call("model")
            _say(agent)
        call("other")
    trace = everywhere(last_trace)
    assert [cost(s) is not None for s in trace.data.spans] == [False, True, False, True, True]
    assert trace.info.cost == {"input_cost": 4.0, "output_cost": 2.0, "total_cost": 6.0}


def test_descendants_that_are_written_before(last_trace: Callable[[], Trace]) -> None:
    """Their cost is taken back when the span above them brings its own."""
    with tracetape.start_span("agent") as agent:
        call("model")
        assert tracetape.flush(20) == 0
        call("model")
        assert tracetape.flush(20) == 0
        _say(agent)
    trace = everywhere(last_trace)
    assert trace.info.cost == {"input_cost": 2.0, "output_cost": 1.0, "total_cost": 3.0}
    assert trace.info.token_usage == USAGE


def test_a_trace_without_any(last_trace: Callable[[], Trace]) -> None:
    """None, not zero."""
    with tracetape.start_span():
        pass
    info = everywhere(last_trace).info
    assert (info.cost, info.token_usage) == (None, None)


def test_a_processor_sees_the_cost() -> None:
    """It may change it."""
    seen: list[Any] = []
    with tracetape.configure(span_processors=[lambda span: seen.append(cost(span))]):
        call()
    assert seen[0]["total_cost"] == 3.0


def test_prices_stay_with_a_new_store() -> None:
    """They are no part of it."""
    tracetape.configure(store="memory://")
    assert cost(call())["total_cost"] == 3.0


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (3, "prices takes a dict"),
        ({"m": 3}, "the prices of 'm'"),
        ({"m": {"in": 2.5}}, "unknown price 'in'"),
        ({"m": {"input": "x"}}, "'x'"),
        ({"m": {"input": True}}, "True"),
        ({"m": {"input": -1}}, "-1"),
        ({"m": {"input": float("nan")}}, "nan"),
    ],
)
def test_wrong_prices_are_refused(prices: Any, said: str) -> None:
    """A cost of zero for a misspelt name would be made up."""
    with pytest.raises(tracetape.TracetapeException, match=said):
        tracetape.configure(prices=prices)
