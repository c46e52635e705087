"""One chat completion gives one right span, whatever way it is made."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from far_end import VERSION
from openai import AsyncOpenAI, OpenAI

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces
from tracetape_openai.chat import ChatCompletions

closable = pytest.mark.skipif(not hasattr(openai.Stream, "close"), reason="streams have no close")

CAPITAL: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 16,
}
ANSWER = "The capital of France is Paris."


@pytest.mark.cassette
async def test_each_way_gives_one_whole_span(
    ask: Callable[[], Awaitable[str]], traces: CapturedTraces
) -> None:
    """Inputs, outputs, model and tokens are there, streamed or not."""
    assert await ask() == ANSWER

    (trace,) = traces
    (span,) = trace.data.spans
    assert span.name in ("Completions", "AsyncCompletions")
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.status.status_code is SpanStatusCode.OK
    assert span.inputs.items() >= CAPITAL.items()
    assert span.outputs["object"] == "chat.completion"
    assert span.outputs["choices"][0]["message"] == {"role": "assistant", "content": ANSWER}
    assert span.outputs["choices"][0]["finish_reason"] == "stop"
    assert span.model_name == span.outputs["model"] == "gemma3-270m"
    assert span.get_attribute("tracetape.llm.request_model") == "gpt-4o-mini"
    assert span.provider == "openai"
    assert span.token_usage == {
        "input_tokens": 28,
        "output_tokens": 9,
        "total_tokens": 37,
        "cache_read_input_tokens": 0,
    }
    assert trace.info.token_usage == span.token_usage
    assert span.get_attribute("max_tokens") == 16
    if VERSION >= (1, 50):  # older ones keep it in the raw response only
        assert span.get_attribute("tracetape.llm.request_id").startswith("req_")


@pytest.mark.cassette
@pytest.mark.skipif(VERSION < (1, 26), reason="no argument stream_options")
def test_a_streams_outputs_have_the_shape_of_the_plain_answer(traces: CapturedTraces) -> None:
    """But for what varies from call to call, both are equal field by field."""
    client = OpenAI()
    client.chat.completions.create(**CAPITAL)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for _ in client.chat.completions.create(**CAPITAL, **options):
        pass

    plain, streamed = (trace.data.spans[0].outputs for trace in traces)
    for outputs in (plain, streamed):
        for varying in ("id", "created", "timings"):
            del outputs[varying]
    assert streamed == plain


@pytest.mark.cassette
def test_calls_nest_under_the_span_that_is_active(traces: CapturedTraces) -> None:
    """A chain's span is the parent of the calls that it makes."""

    @tracetape.trace(span_type=SpanType.CHAIN)
    def answer() -> str:
        with tracetape.start_span("inner"):
            return OpenAI().chat.completions.create(**CAPITAL).choices[0].message.content or ""

    answer()
    (trace,) = traces
    chain, inner, call = trace.data.spans
    assert [chain.name, inner.name, call.name] == ["answer", "inner", "Completions"]
    assert (inner.parent_id, call.parent_id) == (chain.span_id, inner.span_id)


@pytest.mark.cassette
@closable
def test_the_models_span_is_never_current_in_the_users_loop(traces: CapturedTraces) -> None:
    """What is traced between two chunks is a sibling of the call, not its child."""
    with tracetape.start_span("loop") as loop:
        with OpenAI().chat.completions.create(**CAPITAL, stream=True) as stream:
            for _ in stream:
                assert tracetape.get_current_active_span() is loop
                with tracetape.start_span("between"):
                    pass

    (trace,) = traces
    assert {span.parent_id for span in trace.search_spans(name="between")} == {loop.span_id}


@pytest.mark.cassette
@closable
def test_a_stream_is_a_stream_of_the_sdk(traces: CapturedTraces) -> None:
    """`isinstance`, `response` and the chunks' types are those of the SDK."""
    with OpenAI().chat.completions.create(**CAPITAL, stream=True) as stream:
        assert isinstance(stream, openai.Stream)
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        chunk = next(stream)
        assert type(chunk).__name__ == "ChatCompletionChunk"
    assert len(traces) == 1


@pytest.mark.cassette
@closable
@pytest.mark.parametrize("leave", ["close", "with", "garbage"])
def test_a_stream_that_is_left_early_keeps_what_came(leave: str, traces: CapturedTraces) -> None:
    """It ends once, with the part that was read and the reason."""
    stream = OpenAI().chat.completions.create(**CAPITAL, stream=True)
    next(stream), next(stream)
    if leave == "close":
        stream.close()
    elif leave == "with":
        with stream:
            pass
    stream = None
    gc.collect()

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code is SpanStatusCode.OK
    assert ANSWER.startswith(span.outputs["choices"][0]["message"]["content"])
    assert span.get_attribute("tracetape.llm.chunk_count") == 2
    reason = span.get_attribute("tracetape.llm.stream_end")
    assert reason == ("abandoned" if leave == "garbage" else "closed")


@pytest.mark.cassette
@closable
async def test_an_async_stream_that_is_closed_early_ends_once(traces: CapturedTraces) -> None:
    """As with the sync one."""
    async with AsyncOpenAI() as client:
        stream = await client.chat.completions.create(**CAPITAL, stream=True)
        assert isinstance(stream, openai.AsyncStream)
        async for _ in stream:
            break
        await stream.close()

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.get_attribute("tracetape.llm.stream_end") == "closed"


@pytest.mark.cassette
def test_an_error_answer_is_raised_unchanged_and_recorded(traces: CapturedTraces) -> None:
    """The span is ERROR, has the exception as an event, and no outputs."""
    with pytest.raises(openai.BadRequestError) as caught:
        OpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "word " * 2500}]
        )

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.status.description.startswith("BadRequestError: Error code: 400")
    assert span.outputs is None
    (event,) = span.events
    assert event.attributes["exception.type"] == "BadRequestError"
    assert event.attributes["exception.message"] == str(caught.value)
    assert traces[0].info.error_count == 1


@pytest.mark.cassette
def test_what_is_appended_after_the_call_does_not_change_what_was_sent(
    traces: CapturedTraces,
) -> None:
    """The conversation goes on in the same list; the span has what was asked."""
    messages = list(CAPITAL["messages"])
    completion = OpenAI().chat.completions.create(**{**CAPITAL, "messages": messages})
    messages.append({"role": "assistant", "content": completion.choices[0].message.content})

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.inputs["messages"] == CAPITAL["messages"]


@pytest.mark.cassette
@pytest.mark.parametrize("verb", ["request", "chunk", "result"])
@pytest.mark.usefixtures("lenient")
def test_a_fault_of_ours_never_reaches_the_user(
    verb: str, traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever verb of the extractor fails, the answer is the same and the span ends."""

    def fail(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(ChatCompletions, verb, fail)
    chunks = OpenAI().chat.completions.create(**CAPITAL, stream=True)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    assert text == ANSWER
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.end_time_ns is not None
    assert sum(tracetape.stats()["faults"].values()) > 0
