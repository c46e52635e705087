"""What a type checker sees of the tracing API; checked by `test_typing.py`, never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from typing_extensions import assert_type

import tracetape
from tracetape import tracing
from tracetape.entities import (
    Assessment,
    Expectation,
    ExpectationValue,
    Feedback,
    FeedbackValue,
    IssueReference,
    IssueReferenceValue,
    LiveSpan,
    SpanType,
    Trace,
)

# -- @trace keeps what a function takes and gives ----------------------------------------------


@tracetape.trace
def bare(text: str, limit: int = 3) -> list[str]:
    return [text] * limit


@tracetape.trace()
def parentheses(text: str, *, strict: bool = False) -> int:
    return len(text) + strict


@tracetape.trace(name="named", span_type=SpanType.TOOL, attributes={"a": 1}, log_level="INFO")
def named(*args: int, **kwargs: str) -> dict[str, int]:
    return dict.fromkeys(kwargs, sum(args))


@tracetape.trace
async def coroutine(text: str) -> bytes:
    return text.encode()


@tracetape.trace(sampling_ratio_override=0.5)
def generator(count: int) -> Generator[int, str, bool]:
    for n in range(count):
        sent = yield n
        assert_type(sent, str)
    return True


@tracetape.trace
def iterator(count: int) -> Iterator[int]:
    yield from range(count)


@tracetape.trace(output_reducer=len)
async def async_generator(count: int) -> AsyncGenerator[int, None]:
    yield count


@tracetape.trace
async def async_iterator(count: int) -> AsyncIterator[int]:
    yield count


assert_type(bare("a"), list[str])
assert_type(bare("a", limit=2), list[str])
assert_type(parentheses("a", strict=True), int)
assert_type(named(1, 2, a="b"), dict[str, int])
assert_type(coroutine("a"), Coroutine[Any, Any, bytes]).close()
assert_type(asyncio.run(coroutine("a")), bytes)
assert_type(generator(3), Generator[int, str, bool])
assert_type(iterator(3), Iterator[int])
assert_type(async_generator(3), AsyncGenerator[int, None])
assert_type(async_iterator(3), AsyncIterator[int])

# Unused ignores are errors: each of these calls must be refused.
bare(1)  # type: ignore[arg-type]
bare("a", unknown=1)  # type: ignore[call-arg]
parentheses("a", True)  # type: ignore[call-arg]
named("a")  # type: ignore[arg-type]
coroutine().close()  # type: ignore[call-arg]
generator("a")  # type: ignore[arg-type]


class Methods:
    """A function in every place of a class."""

    @tracetape.trace
    def method(self, text: str) -> int:
        return len(text)

    @tracetape.trace(name="async method")
    async def async_method(self, text: str) -> int:
        return len(text)

    @tracetape.trace
    def items(self, count: int) -> Iterator[int]:
        yield from range(count)

    @classmethod
    @tracetape.trace
    def of_class(cls, text: str) -> Methods:
        return cls()

    @staticmethod
    @tracetape.trace
    def static(text: str) -> int:
        return len(text)

    @tracetape.trace
    @classmethod
    def of_class_too(cls, text: str) -> Methods:
        return cls()

    @tracetape.trace
    @staticmethod
    def static_too(text: str) -> int:
        return len(text)

    @property
    @tracetape.trace
    def value(self) -> float:
        return 1.0

    @tracetape.trace
    def __call__(self, text: str) -> bool:
        return bool(text)


assert_type(Methods().method("a"), int)
assert_type(Methods.method(Methods(), "a"), int)
assert_type(Methods().async_method("a"), Coroutine[Any, Any, int]).close()
assert_type(Methods().items(3), Iterator[int])
assert_type(Methods.of_class("a"), Methods)
assert_type(Methods.static("a"), int)
assert_type(Methods().static("a"), int)
assert_type(Methods.of_class_too("a"), Methods)
assert_type(Methods.static_too("a"), int)
assert_type(Methods().value, float)
assert_type(Methods()("a"), bool)
Methods().method(1)  # type: ignore[arg-type]
Methods().static()  # type: ignore[call-arg]


# -- as a wrapper ------------------------------------------------------------------------------

assert_type(tracetape.trace(len)("a"), int)
assert_type(tracetape.trace(lambda: 1)(), int)
assert_type(tracetape.trace(name="x")(bare)("a"), list[str])
assert_type(tracetape.trace(bare, name="x")("a"), list[str])


# -- spans -------------------------------------------------------------------------------------

assert_type(tracetape.start_span("x", SpanType.CHAIN), AbstractContextManager[LiveSpan])

with tracetape.start_span(name="x", span_type="TOOL", attributes={"a": 1}) as span:
    assert_type(span, LiveSpan)
    assert_type(span.trace_id, str)
    span.set_inputs({"a": [1, None]})
    span.set_outputs(object())
    span.set_status("OK")
    span.set_status(3)  # type: ignore[arg-type]
    tracing.set_span_chat_tools(span, [])

live = tracetape.start_span_no_context("x", parent_span=span, tags={"a": "b"}, start_time_ns=1)
assert_type(live, LiveSpan)
live.end(outputs=1, end_time_ns=2)

assert_type(tracetape.get_current_active_span(), LiveSpan | None)
assert_type(tracetape.get_active_trace_id(), str | None)
assert_type(tracetape.get_last_active_trace_id(thread_local=True), str | None)
assert_type(tracetape.get_trace("tr-1", silent=True), Trace | None)


# -- by hand -----------------------------------------------------------------------------------

client = tracetape.Client()
assert_type(tracetape.MlflowClient(), tracetape.Client)
assert_type(client.start_trace("x", tags={"a": "b"}), LiveSpan)
assert_type(client.start_span("x", "tr-1", parent_id="1", inputs=[1]), LiveSpan)
client.end_span("tr-1", "1", outputs=object(), status="ERROR")
client.end_trace("tr-1", end_time_ns=2)
client.start_trace()  # type: ignore[call-arg]
assert_type(client.get_trace("tr-1", flush=True), Trace)
page = client.search_traces(max_results=3, page_token=None)
assert_type(page[0], Trace)
assert_type(page.token, str | None)
assert_type(client.delete_traces("0", trace_ids=["tr-1"]), int)
client.set_trace_tag("tr-1", "a", "b")
client.delete_trace_tag("tr-1", "a")
assert_type(client.log_feedback(trace_id="tr-1", value=1), Assessment)
feedback = Feedback(value=1.0)
assert_type(feedback.feedback, FeedbackValue | None)
assert_type(Expectation("x", 1).expectation, ExpectationValue | None)
assert_type(IssueReference("x", "y").issue, IssueReferenceValue | None)


# -- around them -------------------------------------------------------------------------------

with tracetape.context(tags={"a": "b"}, enabled=True, session_id="s", user="u") as nothing:
    assert_type(nothing, None)
with tracetape.configure(span_processors=[lambda span: span.set_attribute("a", 1)]):
    pass
with tracing.set_tracing_context_from_http_request_headers({"traceparent": ""}):
    pass
assert_type(tracing.get_tracing_context_headers_for_http_request(), dict[str, str])
assert_type(tracetape.log_trace(request=1), str)
assert_type(tracetape.flush(1.0), int)
assert_type(tracetape.stats(), dict[str, Any])
assert_type(tracing.get_config(), tracing.TracingConfig)
tracetape.update_current_trace(tags={"a": "b"}, state="OK")
tracetape.add_trace({}, target=live)

with ThreadPoolExecutor() as pool:
    assert_type(tracetape.carry(bare)("a"), list[str])
    assert_type(pool.submit(tracetape.carry(bare), "a"), Future[list[str]])
    pool.submit(tracetape.carry(bare), 1)  # type: ignore[arg-type]
assert_type(asyncio.run(tracetape.carry(coroutine)("a")), bytes)
