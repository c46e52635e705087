"""@trace: a span around each call; for the caller nothing changes."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tracetape
from tracetape.entities import Link, Span, SpanStatus, SpanType, Trace


@tracetape.trace
def bare(question: str, limit: int = 3, *, strict: bool = False) -> dict[str, Any]:
    """Answer."""
    return {"answer": question * limit}


@tracetape.trace()
def parentheses(question: str, limit: int = 3, *, strict: bool = False) -> dict[str, Any]:
    """Answer."""
    return {"answer": question * limit}


def plain(question: str, limit: int = 3, *, strict: bool = False) -> dict[str, Any]:
    """Answer."""
    return {"answer": question * limit}


@tracetape.trace
async def coroutine(question: str, limit: int = 3, *, strict: bool = False) -> dict[str, Any]:
    """Answer."""
    await asyncio.sleep(0)
    return {"answer": question * limit}


def run(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a plain or an async function."""
    result = function(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (bare, "bare"),
        (parentheses, "parentheses"),
        (tracetape.trace(plain), "plain"),
        (coroutine, "coroutine"),
    ],
    ids=["bare", "parentheses", "wrapper", "async"],
)
def test_a_whole_call(
    function: Callable[..., Any], name: str, last_span: Callable[[], Span]
) -> None:
    """Arguments by name with defaults, the result, and exactly MLflow's five attributes."""
    assert run(function, "a", strict=True) == {"answer": "aaa"}
    span = last_span()
    assert (span.name, span.span_type, span.status) == (name, "UNKNOWN", SpanStatus("OK"))
    assert span.inputs == {"question": "a", "limit": 3, "strict": True}
    assert list(span.inputs) == ["question", "limit", "strict"]
    assert span.outputs == {"answer": "aaa"}
    assert span.attributes == {
        "mlflow.traceRequestId": span.trace_id,
        "mlflow.spanType": "UNKNOWN",
        "mlflow.spanFunctionName": name,
        "mlflow.spanInputs": span.inputs,
        "mlflow.spanOutputs": span.outputs,
        "mlflow.spanLogLevel": 10,
    }


def test_name_type_and_attributes(last_span: Callable[[], Span]) -> None:
    """What the decorator was given; the function's own name stays as an attribute."""

    @tracetape.trace(name="Answer!", span_type=SpanType.CHAIN, attributes={"team": ["a"]})
    def inner() -> None:
        span = tracetape.get_current_active_span()
        assert span is not None
        span.set_attribute("more", 1)

    assert inner() is None
    span = last_span()
    assert (span.name, span.span_type) == ("Answer!", "CHAIN")
    assert span.attributes == {
        "mlflow.traceRequestId": span.trace_id,
        "mlflow.spanType": "CHAIN",
        "mlflow.spanFunctionName": "inner",
        "mlflow.spanInputs": {},
        "mlflow.spanOutputs": None,
        "team": ["a"],
        "more": 1,
        "mlflow.spanLogLevel": 10,
    }


def test_reserved_attributes_of_the_decorator_are_kept(last_span: Callable[[], Span]) -> None:
    """A model named in the attributes is the span's model."""

    @tracetape.trace(attributes={"mlflow.llm.model": "gemma", "mlflow.spanType": "LLM"})
    def ask() -> str:
        return "hi"

    ask()
    assert (last_span().model_name, last_span().span_type) == ("gemma", "LLM")
    assert last_span().get_attribute("mlflow.spanFunctionName") == "ask"


@pytest.mark.parametrize("function", [bare, coroutine], ids=["plain", "async"])
def test_the_function_looks_as_before(function: Callable[..., Any]) -> None:
    """Name, doc string, signature, annotations, and whether it is a coroutine function."""
    wrapped = function.__wrapped__  # type: ignore[attr-defined]
    assert function.__doc__ == "Answer."
    assert function.__qualname__ == function.__name__ == wrapped.__name__
    assert inspect.signature(function) == inspect.signature(wrapped)
    assert function.__annotations__ == wrapped.__annotations__
    assert inspect.iscoroutinefunction(function) == inspect.iscoroutinefunction(wrapped)
    assert asyncio.iscoroutinefunction(function) is (function is coroutine)


class Agent:
    """Methods of all kinds."""

    def __init__(self, name: str = "x") -> None:
        self.name = name

    @tracetape.trace
    def method(self, x: int) -> int:
        return x + 1

    @tracetape.trace
    async def amethod(self, x: int) -> int:
        return x + 1

    @classmethod
    @tracetape.trace
    def class_inside(cls, x: int) -> int:
        return x + 1

    @tracetape.trace
    @classmethod
    def class_outside(cls, x: int) -> int:
        return x + 1

    @staticmethod
    @tracetape.trace
    def static_inside(x: int) -> int:
        return x + 1

    @tracetape.trace
    @staticmethod
    def static_outside(x: int) -> int:
        return x + 1

    @tracetape.trace
    def variadic(self, *args: int, **kwargs: int) -> int:
        return sum(args) + sum(kwargs.values())

    @tracetape.trace
    def __call__(self, x: int) -> int:
        return x + 1


@pytest.mark.parametrize(
    "name",
    [
        "method",
        "amethod",
        "class_inside",
        "class_outside",
        "static_inside",
        "static_outside",
        "__call__",
    ],
)
def test_methods(name: str, last_span: Callable[[], Span]) -> None:
    """Of every kind, in both decorator orders; `self` and `cls` are not arguments of the call."""
    assert run(getattr(Agent(), name), 1) == 2
    assert (last_span().name, last_span().inputs) == (name, {"x": 1})
    assert run(getattr(Agent(), name), x=2) == 3
    assert last_span().inputs == {"x": 2}


@pytest.mark.parametrize(
    "name", ["class_inside", "class_outside", "static_inside", "static_outside"]
)
def test_methods_of_the_class(name: str, last_span: Callable[[], Span]) -> None:
    """Called on the class itself."""
    assert getattr(Agent, name)(1) == 2
    assert last_span().inputs == {"x": 1}


def test_a_variadic_method(last_span: Callable[[], Span]) -> None:
    """Surplus arguments stand under the parameters' names."""
    assert Agent().variadic(1, 2, a=3) == 6
    assert last_span().inputs == {"args": [1, 2], "kwargs": {"a": 3}}
    assert Agent().variadic() == 0
    assert last_span().inputs == {"args": [], "kwargs": {}}


def test_an_argument_called_cls_that_is_no_class_is_kept(last_span: Callable[[], Span]) -> None:
    """Only a class as `cls` is left out."""

    @tracetape.trace
    def classify(cls: str, text: str) -> str:
        return text

    classify("spam", "hello")
    assert last_span().inputs == {"cls": "spam", "text": "hello"}


@tracetape.trace
def every_kind(a: int, /, b: int, c: int = 3, *args: int, d: int, e: int = 5, **kw: int) -> int:
    """All kinds of parameters at once."""
    return a


@tracetape.trace
def fixed(a: int, /, b: int, c: int = 3, *, d: int, e: int = 5) -> int:
    """All kinds but the variadic ones."""
    return a


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1, 2), {"d": 4}, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}),
        ((1,), {"d": 4, "b": 2}, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}),
        ((1, 2, 30), {"e": 50, "d": 40}, {"a": 1, "b": 2, "c": 30, "d": 40, "e": 50}),
    ],
)
def test_arguments_by_name(
    args: Any, kwargs: Any, expected: dict[str, Any], last_span: Callable[[], Span]
) -> None:
    """However they are passed, in the order of the parameters."""
    fixed(*args, **kwargs)
    assert last_span().inputs == expected
    assert list(last_span().inputs) == list("abcde")
    every_kind(*args, **kwargs)
    assert last_span().inputs == {**expected, "args": [], "kw": {}}


def test_surplus_arguments(last_span: Callable[[], Span]) -> None:
    """A keyword may have the name of a positional-only parameter."""
    every_kind(1, 2, 3, 4, 5, d=6, z=7, a=8)
    assert last_span().inputs == {
        "a": 1,
        "b": 2,
        "c": 3,
        "args": [4, 5],
        "d": 6,
        "e": 5,
        "kw": {"z": 7, "a": 8},
    }


WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {"d": 4}),
    ((1, 2), {}),
    ((1, 2, 3, 4, 5, 6), {}),
    ((1, 2, 3, 4, 5), {}),
    ((1, 2, 3, 4), {"d": 4}),
    ((1, 2), {"d": 4, "unknown": 5}),
    ((1, 2), {"d": 4, "b": 5}),
    ((), {"a": 1, "b": 2, "d": 4}),
]


@pytest.mark.parametrize(("args", "kwargs"), WRONG, ids=repr)
def test_wrong_arguments_raise_the_functions_own_error(
    args: Any, kwargs: Any, last_span: Callable[[], Span]
) -> None:
    """The same TypeError as without us, and it is recorded."""
    with pytest.raises(TypeError) as expected:
        fixed.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]
    with pytest.raises(TypeError) as caught:
        fixed(*args, **kwargs)
    assert str(caught.value) == str(expected.value)
    assert last_span().status == SpanStatus("ERROR", f"TypeError: {expected.value}")
    assert tracetape.stats()["faults"] == {}


async def test_wrong_arguments_of_a_coroutine_function() -> None:
    """They raise when it is awaited."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'nope'"):
        await coroutine("a", nope=1)  # type: ignore[call-arg]


def test_inputs_are_those_at_the_call(last_span: Callable[[], Span]) -> None:
    """What the body does to its arguments does not change history."""

    @tracetape.trace
    def add(messages: list[str]) -> list[str]:
        messages.append("answer")
        return messages

    history = ["question"]
    result = add(history)
    assert result is history
    history.append("next")
    assert last_span().inputs == {"messages": ["question"]}
    assert last_span().outputs == ["question", "answer"]


def test_outputs_that_the_body_set_are_kept(last_span: Callable[[], Span]) -> None:
    """The return value is recorded only if the body said nothing; the caller still gets it."""

    @tracetape.trace
    def inner() -> str:
        span = tracetape.get_current_active_span()
        assert span is not None
        span.set_outputs({"shown": True})
        return "returned"

    assert inner() == "returned"
    assert last_span().outputs == {"shown": True}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_exceptions_go_on_unchanged(error: BaseException, last_trace: Callable[[], Trace]) -> None:
    """The same object; inputs are kept, outputs are None."""

    @tracetape.trace
    def inner(x: int) -> None:
        raise error

    @tracetape.trace
    def outer() -> None:
        inner(1)

    with pytest.raises(type(error)) as caught:
        outer()
    assert caught.value is error
    trace = last_trace()
    for span in trace.data.spans:
        assert span.status.status_code == "ERROR"
        assert (len(span.events), span.outputs) == (1, None)
    assert trace.search_spans(name="inner")[0].inputs == {"x": 1}
    assert trace.data.response is None


async def test_a_cancelled_coroutine_stays_cancelled(last_span: Callable[[], Span]) -> None:
    """Cancellation is recorded and goes on."""
    began = asyncio.Event()

    @tracetape.trace
    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert last_span().events[0].attributes["exception.type"] == "CancelledError"


def test_a_coroutine_that_is_not_awaited_has_no_span() -> None:
    """The span begins when the body does."""
    coroutine("a").close()
    assert tracetape.get_last_active_trace_id() is None


def test_links_that_a_function_gives(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """It is called for each span, also of a generator; one that fails costs a warning."""
    made: list[Link] = []

    def links() -> list[Link]:
        if len(made) == 2:
            raise ZeroDivisionError
        made.append(Link("tr-" + "1" * 32, f"{len(made) + 1:016x}"))
        return made[-1:]

    @tracetape.trace(links=links)
    def work() -> str:
        return "done"

    @tracetape.trace(links=links)
    def items() -> Iterator[int]:
        yield 1

    assert work() == "done"
    assert last_span().links == made == [Link("tr-" + "1" * 32, "0" * 15 + "1")]
    assert list(items()) == [1]
    assert last_span().links == made[1:]
    assert work() == "done"
    span = last_span()
    assert (span.outputs, span.links) == ("done", [])
    assert "The span 'work' begins without links" in caplog.text


def test_recursion_nests(last_trace: Callable[[], Trace]) -> None:
    """Each call is a span below its caller."""

    @tracetape.trace
    def count(n: int) -> int:
        return 0 if n == 0 else 1 + count(n - 1)

    assert count(20) == 20
    spans = last_trace().data.spans
    assert [span.inputs["n"] for span in spans] == list(range(20, -1, -1))
    assert [span.parent_id for span in spans[1:]] == [span.span_id for span in spans[:-1]]


def test_callables_without_a_name_or_a_signature(last_span: Callable[[], Span]) -> None:
    """Partials, objects and builtins are wrapped too."""
    assert tracetape.trace(functools.partial(plain, "a"))(limit=2) == {"answer": "aa"}
    assert last_span().name == "partial"
    assert last_span().inputs == {"limit": 2, "strict": False}
    assert tracetape.trace(max)(1, 2) == 2
    assert (last_span().name, last_span().outputs) == ("max", 2)
    assert next(iter(last_span().inputs.values())) == [1, 2]

    class Callee:
        def __call__(self, x: int) -> int:
            return x + 1

    assert tracetape.trace(Callee(), name="agent")(4) == 5
    assert (last_span().name, last_span().inputs) == ("agent", {"x": 4})


class Touchy:
    """Comparing or printing it fails."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __hash__ = None  # type: ignore[assignment]


def test_arguments_are_neither_compared_nor_asked(last_span: Callable[[], Span]) -> None:
    """Objects whose operators run code, numpy's among them, pass through untouched."""
    value = Touchy()

    @tracetape.trace
    def same(x: Any, y: Any = value) -> Any:
        return x

    assert same(value) is value
    assert same(x=value) is value
    assert "Touchy" in str(last_span().inputs)
    assert "Touchy" in str(last_span().outputs)


def test_a_generator_result_is_not_consumed() -> None:
    """The caller gets it fresh."""

    @tracetape.trace
    def make() -> Any:
        return (n for n in range(3))

    assert list(make()) == [0, 1, 2]
