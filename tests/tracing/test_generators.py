"""Decorated generators: current while the body runs, never between items, ended exactly once."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest

import tracetape
from tracetape.entities import LiveSpan, NoOpSpan, Span, SpanStatus, Trace
from tracetape.exceptions import TracetapeException

active = tracetape.get_current_active_span


@tracetape.trace
def letters(word: str) -> Iterator[str]:
    """Each letter of a word."""
    yield from word


@tracetape.trace
async def letters_async(word: str) -> AsyncIterator[str]:
    """Each letter of a word, after a while."""
    for letter in word:
        await asyncio.sleep(0)
        yield letter


def consume(generator: Any) -> list[Any]:
    """All items of a generator, sync or async."""
    if inspect.isasyncgen(generator):

        async def collect() -> list[Any]:
            return [item async for item in generator]

        return asyncio.run(collect())
    return list(generator)


both = pytest.mark.parametrize("function", [letters, letters_async], ids=["sync", "async"])


def chunks(span: Span) -> dict[str, str]:
    """The items as the span's events tell them."""
    return {
        event.name: event.attributes["mlflow.chunk.value"]
        for event in span.events
        if event.name.startswith("mlflow.chunk")
    }


@both
def test_a_whole_run(function: Callable[..., Any], last_span: Callable[[], Span]) -> None:
    """Inputs are the arguments, outputs the list of items, with an event for each."""
    assert consume(function("abc")) == ["a", "b", "c"]
    span = last_span()
    assert span.name == function.__name__
    assert span.inputs == {"word": "abc"}
    assert span.outputs == ["a", "b", "c"]
    assert span.status == SpanStatus("OK")
    assert span.attributes["mlflow.spanFunctionName"] == function.__name__
    assert [event.name for event in span.events] == [f"mlflow.chunk.item.{n}" for n in range(3)]
    assert chunks(span) == {f"mlflow.chunk.item.{n}": f'"{"abc"[n]}"' for n in range(3)}


@both
def test_no_items(function: Callable[..., Any], last_span: Callable[[], Span]) -> None:
    """An empty run is a span with an empty list."""
    assert consume(function("")) == []
    span = last_span()
    assert (span.outputs, span.events) == ([], [])


def test_it_stays_a_generator_function() -> None:
    """With its name, text and signature."""
    assert inspect.isgeneratorfunction(letters)
    assert inspect.isasyncgenfunction(letters_async)
    assert not inspect.iscoroutinefunction(letters_async)
    assert isinstance(letters("a"), Generator)
    for function in (letters, letters_async):
        assert str(inspect.signature(function)).startswith("(word: 'str')")
        assert function.__doc__ is not None


def test_it_begins_with_the_first_item_that_is_asked_for() -> None:
    """A generator that nobody uses has no span."""
    generator = letters("abc")
    assert tracetape.get_last_active_trace_id() is None
    generator.close()  # type: ignore[attr-defined]
    assert tracetape.get_last_active_trace_id() is None
    with tracetape.start_span("asking") as asking, closing(letters("abc")) as other:
        next(other)
    trace = tracetape.get_trace(asking.trace_id)
    assert trace is not None
    assert [span.name for span in trace.data.spans] == ["asking", "letters"]


def test_an_unused_async_generator_has_no_span() -> None:
    """As a coroutine that is not awaited has none."""
    asyncio.run(letters_async("abc").aclose())  # type: ignore[attr-defined]
    assert tracetape.get_last_active_trace_id() is None


def test_current_only_while_the_body_runs(last_trace: Callable[[], Trace]) -> None:
    """What the consumer does between items belongs to the consumer."""
    seen: list[LiveSpan | None] = []

    @tracetape.trace
    def body() -> Iterator[int]:
        for n in range(3):
            seen.append(active())
            with tracetape.start_span(f"in the body {n}"):
                pass
            yield n

    with tracetape.start_span("consumer") as consumer:
        for n in body():
            assert active() is consumer
            with tracetape.start_span(f"between {n}") as between:
                assert between.parent_id == consumer.span_id
        assert active() is consumer
    assert len(set(seen)) == 1
    assert seen[0] is not None
    assert seen[0].name == "body"
    names = {span.span_id: span.name for span in last_trace().data.spans}
    for span in last_trace().data.spans:
        if span.name.startswith("in the body"):
            assert names[span.parent_id or ""] == "body"


async def test_an_async_body_is_current_only_while_it_runs() -> None:
    """Also when it waits between two items."""

    @tracetape.trace
    async def body() -> AsyncIterator[int]:
        for n in range(3):
            inside = active()
            assert inside is not None
            assert inside.name == "body"
            await asyncio.sleep(0.001)
            assert active() is inside
            yield n

    assert [None async for _ in body() if active() is not None] == []
    with tracetape.start_span("consumer") as consumer:
        async for _ in body():
            assert active() is consumer
            await asyncio.sleep(0)
        assert active() is consumer


def test_two_generators_side_by_side() -> None:
    """Each body sees its own span, whoever is asked in between."""

    @tracetape.trace
    def body(name: str) -> Iterator[tuple[str, Any]]:
        while True:
            span = active()
            yield name, span.inputs if span else None

    with tracetape.start_span("root"):
        with closing(body("a")) as a, closing(body("b")) as b:  # type: ignore[type-var]
            for _ in range(3):
                assert next(a) == ("a", {"name": "a"})
                assert next(b) == ("b", {"name": "b"})


def test_a_generator_inside_of_a_generator(last_trace: Callable[[], Trace]) -> None:
    """`yield from` nests the spans."""

    @tracetape.trace
    def outer() -> Iterator[str]:
        yield from letters("ab")
        yield "c"

    assert list(outer()) == ["a", "b", "c"]
    first, second = last_trace().data.spans
    assert (first.name, first.outputs) == ("outer", ["a", "b", "c"])
    assert (second.name, second.outputs) == ("letters", ["a", "b"])
    assert second.parent_id == first.span_id


def test_a_span_that_stays_open_across_items(last_trace: Callable[[], Trace]) -> None:
    """It is current again whenever the body goes on, and never for the consumer."""

    @tracetape.trace
    def body() -> Iterator[Any]:
        with tracetape.start_span("across") as across:
            yield 1
            assert active() is across
            with tracetape.start_span("deep"):
                yield 2
            assert active() is across
        after = active()
        assert after is not None
        yield after.name

    with tracetape.start_span("consumer") as consumer:
        for _ in body():
            assert active() is consumer
    parents = {span.span_id: span.name for span in last_trace().data.spans}
    assert {s.name: parents.get(s.parent_id or "") for s in last_trace().data.spans} == {
        "consumer": None,
        "body": "consumer",
        "across": "body",
        "deep": "across",
    }


async def test_an_async_span_that_stays_open_across_items() -> None:
    """The same for async generators."""

    @tracetape.trace
    async def body() -> AsyncIterator[int]:
        with tracetape.start_span("across") as across:
            yield 1
            await asyncio.sleep(0)
            assert active() is across
            yield 2
            assert active() is across

    with tracetape.start_span("consumer") as consumer:
        async for _ in body():
            assert active() is consumer


def test_send_throw_and_return_pass_through(last_span: Callable[[], Span]) -> None:
    """The generator answers as the undecorated one would."""

    def plain() -> Generator[Any, Any, str]:
        got = []
        while True:
            try:
                sent = yield len(got)
            except KeyError as error:
                got.append(f"thrown {error}")
                continue
            if sent == "stop":
                return f"got {got}"
            got.append(sent)

    def play(generator: Generator[Any, Any, str]) -> list[Any]:
        seen = [next(generator), generator.send("a"), generator.throw(KeyError("b"))]
        seen.append(generator.send(None))
        with pytest.raises(StopIteration) as stop:
            generator.send("stop")
        return [*seen, stop.value.value]

    expected = play(plain())
    assert play(tracetape.trace(plain)()) == expected
    assert expected[-1] == "got ['a', \"thrown 'b'\", None]"
    assert last_span().outputs == [0, 1, 2, 3]


async def test_send_and_throw_pass_through_async_generators(
    last_span: Callable[[], Span],
) -> None:
    """`asend` and `athrow` reach the body."""

    @tracetape.trace
    async def body() -> AsyncGenerator[str, str]:
        sent = "first"
        while True:
            try:
                sent = yield sent
            except KeyError as error:
                sent = f"thrown {error}"

    generator = body()
    assert await anext(generator) == "first"
    assert await generator.asend("second") == "second"
    assert await generator.athrow(KeyError("x")) == "thrown 'x'"
    await generator.aclose()
    assert last_span().outputs == ["first", "second", "thrown 'x'"]


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_exception_of_the_body(
    error: BaseException, kind: str, last_trace: Callable[[], Trace]
) -> None:
    """It goes on unchanged; the span is ERROR and has the items so far."""

    @tracetape.trace
    def body() -> Iterator[int]:
        yield 1
        raise error

    @tracetape.trace
    async def body_async() -> AsyncIterator[int]:
        yield 1
        raise error

    async def collect() -> BaseException:
        with pytest.raises(type(error)) as caught:
            async for _ in body_async():
                pass
        return caught.value

    if kind == "sync":
        with pytest.raises(type(error)) as caught:
            list(body())
        assert caught.value is error
    else:
        loop = asyncio.new_event_loop()  # `asyncio.run` handles a KeyboardInterrupt itself
        try:
            assert loop.run_until_complete(collect()) is error
        finally:
            loop.close()
    assert error.__cause__ is None
    (span,) = last_trace().data.spans
    text = f"{type(error).__name__}: {error}"
    assert span.status == SpanStatus("ERROR", text)
    assert span.outputs == [1]
    assert [event.name for event in span.events] == ["mlflow.chunk.item.0", "exception"]
    assert "raise error" in str(span.events[1].attributes["exception.stacktrace"])
    assert last_trace().info.state == "ERROR"


def test_an_exception_thrown_in_that_the_body_does_not_catch(
    last_span: Callable[[], Span],
) -> None:
    """It comes out again, and the span has failed."""
    generator = letters("abc")
    next(generator)
    error = LookupError("from the consumer")
    with pytest.raises(LookupError) as caught:
        generator.throw(error)  # type: ignore[attr-defined]
    assert caught.value is error
    assert last_span().status.status_code == "ERROR"
    assert list(generator) == []


def test_closed_early(last_span: Callable[[], Span]) -> None:
    """The body is closed and the span ends OK with what came so far."""
    closed = []

    @tracetape.trace
    def body() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            span = active()
            closed.append(span and span.name)

    generator = body()
    assert next(generator) == 1
    generator.close()  # type: ignore[attr-defined]
    assert closed == ["body"]
    assert list(generator) == []
    span = last_span()
    assert (span.outputs, span.status.status_code) == ([1], "OK")


async def test_an_async_generator_closed_early(last_span: Callable[[], Span]) -> None:
    """Its body may still wait for something."""
    closed = []

    @tracetape.trace
    async def body() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            span = active()
            closed.append(span and span.name)

    async with aclosing(body()) as generator:
        assert await anext(generator) == 1
    assert closed == ["body"]
    span = last_span()
    assert (span.outputs, span.status.status_code) == ([1], "OK")


def test_a_body_that_fails_while_it_is_closed(last_span: Callable[[], Span]) -> None:
    """Its error comes out of `close()`."""

    @tracetape.trace
    def body() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("cannot close")

    generator = body()
    next(generator)
    with pytest.raises(OSError, match="cannot close"):
        generator.close()  # type: ignore[attr-defined]
    assert last_span().status == SpanStatus("ERROR", "OSError: cannot close")


def test_abandoned(last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture) -> None:
    """A generator that is collected ends its span; the consumer's span stays current."""
    with tracetape.start_span("other") as other:
        generator = letters("abc")
        next(generator)
        del generator
        gc.collect()
        assert active() is other
    trace = tracetape.get_trace(other.trace_id)
    assert trace is not None
    assert trace.data.spans[1].outputs == ["a"]
    assert trace.data.spans[1].end_time_ns is not None
    assert caplog.records == []


@pytest.mark.parametrize("how", ["collected", "at the loop's end"])
def test_an_abandoned_async_generator(
    how: str, last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """The event loop closes it, in a task of its own; nothing is logged about that."""
    kept = []

    async def abandon() -> None:
        generator = letters_async("abc")
        await anext(generator)
        if how != "collected":
            kept.append(generator)
            return
        del generator
        gc.collect()
        await asyncio.sleep(0.01)
        assert active() is None

    asyncio.run(abandon())
    span = last_span()
    assert (span.outputs, span.status.status_code) == (["a"], "OK")
    assert caplog.records == []


def test_an_async_generator_with_much_to_tidy_up_at_the_loops_end(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """Its `finally` block runs whole, once."""
    tidied = []
    kept = []

    @tracetape.trace
    async def body() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            tidied.append(True)

    async def abandon() -> None:
        kept.append(body())
        await anext(kept[0])

    asyncio.run(abandon())
    assert tidied == [True]
    assert last_span().outputs == [1]
    assert [record.getMessage() for record in caplog.records] == []


async def test_cancelled_while_the_body_waits(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """The task is cancelled as ever; the span is ERROR with what came so far."""
    waiting = asyncio.Event()

    @tracetape.trace
    async def body() -> AsyncIterator[int]:
        yield 1
        waiting.set()
        await asyncio.sleep(60)
        yield 2

    async def consumer() -> None:
        async for _ in body():
            pass

    task = asyncio.create_task(consumer())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    span = last_span()
    assert span.outputs == [1]
    assert span.status.description.startswith("CancelledError")
    assert active() is None
    assert caplog.records == []


async def test_cancelled_between_items(
    last_trace: Callable[[], Trace], caplog: pytest.LogCaptureFixture
) -> None:
    """The generator has not failed: it ends when it is closed, or collected."""
    taken = asyncio.Event()

    async def consumer() -> None:
        async with aclosing(letters_async("abc")) as generator:  # type: ignore[type-var]
            async for _ in generator:
                taken.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(consumer())
    await taken.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = last_trace().data.spans
    assert (span.outputs, span.status.status_code) == (["a"], "OK")
    assert caplog.records == []


def test_consumed_in_another_thread(
    last_trace: Callable[[], Trace], caplog: pytest.LogCaptureFixture
) -> None:
    """Items may be asked for anywhere: the span keeps its parent, the threads keep theirs."""
    generator: Iterator[str] = iter(())
    seen: list[Any] = []

    def rest() -> None:
        with tracetape.start_span("elsewhere") as elsewhere:
            seen.extend(generator)
            seen.append(active() is elsewhere)

    with tracetape.start_span("here") as here:
        generator = letters("abc")
        seen.append(next(generator))
        thread = threading.Thread(target=rest)
        thread.start()
        thread.join()
        assert active() is here
    assert seen == ["a", "b", "c", True]
    trace = tracetape.get_trace(here.trace_id)
    assert trace is not None
    assert [(s.name, s.outputs) for s in trace.data.spans] == [
        ("here", None),
        ("letters", ["a", "b", "c"]),
    ]
    assert caplog.records == []


async def test_each_item_taken_in_another_task(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """As web frameworks do it; contexts differ from item to item."""
    generator = letters_async("abc")

    async def take() -> Any:
        item = await anext(generator, None)
        assert active() is None
        return item

    assert [await asyncio.create_task(take()) for _ in range(4)] == ["a", "b", "c", None]
    assert last_span().outputs == ["a", "b", "c"]
    assert caplog.records == []


def test_an_abandoned_generator_collected_in_another_thread(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever drops the last reference, the span ends."""
    holder = [letters("abc")]
    next(holder[0])
    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()
    assert last_span().outputs == ["a"]
    assert caplog.records == []


def test_output_reducer(last_span: Callable[[], Span]) -> None:
    """It makes the output of the items themselves, also of those of an early end."""

    @tracetape.trace(output_reducer="".join)
    def body() -> Iterator[str]:
        yield from ("ab", "c")

    assert list(body()) == ["ab", "c"]
    assert last_span().outputs == "abc"
    generator = body()
    next(generator)
    generator.close()  # type: ignore[attr-defined]
    assert last_span().outputs == "ab"


async def test_output_reducer_of_an_async_generator(last_span: Callable[[], Span]) -> None:
    """As with generators."""

    @tracetape.trace(output_reducer=lambda items: {"sum": sum(items)})
    async def body() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [item async for item in body()] == [1, 2]
    assert last_span().outputs == {"sum": 3}


def test_a_reducer_that_fails(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """The list is kept, and there is one warning; the program gets its items."""

    def reduce(items: list[int]) -> int:
        raise ZeroDivisionError("never mind")

    @tracetape.trace(output_reducer=reduce)
    def body() -> Iterator[int]:
        yield from (1, 2)

    assert list(body()) == [1, 2]
    span = last_span()
    assert (span.outputs, span.status.status_code) == ([1, 2], "OK")
    (record,) = caplog.records
    assert "output_reducer failed" in record.getMessage()
    assert record.exc_info is not None
    assert "never mind" in str(record.exc_info[1])


async def _coroutine() -> int:
    return 1


@pytest.mark.parametrize("function", [lambda: 1, _coroutine], ids=["function", "coroutine"])
def test_a_reducer_is_only_for_generators(function: Callable[..., Any]) -> None:
    """It is refused when the function is decorated."""
    with pytest.raises(TypeError, match="output_reducer argument is only supported") as caught:
        tracetape.trace(function, output_reducer=list)
    assert isinstance(caught.value, TracetapeException)


def test_outputs_that_the_body_set_are_kept(last_span: Callable[[], Span]) -> None:
    """As with functions."""

    @tracetape.trace
    def body() -> Iterator[int]:
        span = active()
        assert span is not None
        span.set_outputs("mine")
        yield 1

    assert list(body()) == [1]
    assert last_span().outputs == "mine"


def test_a_span_that_the_body_ended(
    last_span: Callable[[], Span], caplog: pytest.LogCaptureFixture
) -> None:
    """It is over; what comes later is not told, and not complained about."""

    @tracetape.trace
    def body() -> Iterator[int]:
        yield 1
        span = active()
        assert span is not None
        span.end(outputs="ended")
        yield 2
        yield 3

    assert list(body()) == [1, 2, 3]
    span = last_span()
    assert span.outputs == "ended"
    assert list(chunks(span)) == ["mlflow.chunk.item.0"]
    assert caplog.records == []


def test_items_are_recorded_as_they_were_given(last_span: Callable[[], Span]) -> None:
    """What the consumer makes of an item later changes nothing."""

    @tracetape.trace
    def body() -> Iterator[dict[str, int]]:
        item = {"n": 0}
        yield item
        item["n"] += 1
        yield item

    for item in body():
        item["seen"] = 1
    assert last_span().outputs == [{"n": 0}, {"n": 1, "seen": 1}]


def test_methods(last_span: Callable[[], Span]) -> None:
    """Generator methods leave out `self` and `cls`."""

    class Counter:
        step = 2

        @tracetape.trace
        def up_to(self, end: int) -> Iterator[int]:
            yield from range(0, end, self.step)

        @classmethod
        @tracetape.trace
        def class_up_to(cls, end: int) -> Iterator[int]:
            yield from range(0, end, cls.step)

        @tracetape.trace
        @staticmethod
        def static_up_to(end: int) -> Iterator[int]:
            yield from range(end)

    for generator in (Counter().up_to(3), Counter.class_up_to(3), Counter.static_up_to(3)):
        items = list(generator)
        span = last_span()
        assert span.inputs == {"end": 3}
        assert span.outputs == items


def test_wrong_arguments_raise_the_functions_own_error() -> None:
    """At the first item at the latest; no span stays open."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrod'"):
        list(letters(wrod="abc"))  # type: ignore[call-arg]
    assert active() is None


@both
def test_disabled(function: Callable[..., Any]) -> None:
    """Items pass, nothing is recorded, and the surroundings are untouched."""
    tracetape.tracing.disable()
    try:
        assert consume(function("abc")) == ["a", "b", "c"]
        generator = letters("ab")
        next(generator)
        generator.close()  # type: ignore[attr-defined]
    finally:
        tracetape.tracing.enable()
    assert tracetape.get_last_active_trace_id() is None


def test_disabled_by_context(last_trace: Callable[[], Trace]) -> None:
    """Spans that the body opens are not recorded either; the consumer's are."""

    @tracetape.trace
    def body() -> Iterator[Any]:
        with tracetape.start_span("below") as below:
            yield below

    with tracetape.context(enabled=False):
        generator = body()
        assert isinstance(next(generator), NoOpSpan)
    with tracetape.start_span("consumer") as consumer:
        assert list(generator) == []
        assert active() is consumer
    assert [span.name for span in last_trace().data.spans] == ["consumer"]


def test_many_items(last_span: Callable[[], Span]) -> None:
    """Ten thousand of them."""

    @tracetape.trace
    def body() -> Iterator[int]:
        yield from range(10_000)

    assert sum(body()) == sum(range(10_000))
    span = last_span()
    assert span.outputs == list(range(10_000))
    assert len(span.events) == 10_000
