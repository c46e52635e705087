"""What programs of MLflow's read off spans of OpenAI's SDK, by the names that MLflow gives them.

The answers have the shapes of OpenAI's API reference, and what MLflow's own tests send.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import Any

import pytest
from far_end import VERSION, FarEnd, chunk, events, http
from openai import OpenAI

import tracetape
from tracetape.entities import Span, SpanType, Trace
from tracetape.testing import CapturedTraces
from tracetape.tracing.constant import SpanAttributeKey, TokenUsageKey

STREAM = {"content-type": "text/event-stream"}
needs_responses = pytest.mark.skipif(not hasattr(OpenAI, "responses"), reason="no Responses")
USAGE = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 123,
}
COUNTS = {
    TokenUsageKey.INPUT_TOKENS: 36,
    TokenUsageKey.OUTPUT_TOKENS: 87,
    TokenUsageKey.TOTAL_TOKENS: 123,
    TokenUsageKey.CACHE_READ_INPUT_TOKENS: 0,
}
MESSAGE = {
    "type": "message",
    "id": "msg-1",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Dummy output", "annotations": []}],
}
RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m-1",
    "output": [MESSAGE],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": USAGE,
}
RESPONSE_EVENTS = (
    {"type": "response.created", "response": {**RESPONSE, "output": [], "usage": None}},
    {
        "type": "response.output_text.delta",
        "delta": "Dummy ",
        "output_index": 0,
        "item_id": "msg-1",
    },
    {"type": "response.completed", "response": RESPONSE},
)
TEXT = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m-1"}


@pytest.fixture(params=["sync", "async"])
def is_async(request: pytest.FixtureRequest) -> bool:
    """Each way in turn."""
    way: str = request.param
    return way == "async"


async def call(far_end: FarEnd, is_async: bool, path: str, **asked: Any) -> Any:
    """Call a method of the client by its path, and read a stream to its end."""
    if is_async:
        answer = await attrgetter(path)(far_end.async_client())(**asked)
        return [one async for one in answer] if asked.get("stream") else answer
    answer = attrgetter(path)(far_end.client())(**asked)
    return list(answer) if asked.get("stream") else answer


def only(traces: CapturedTraces) -> tuple[Trace, Span]:
    """The one trace, which is OK, and its one span."""
    (trace,) = traces
    assert trace.info.status == "OK"
    (span,) = trace.data.spans
    return trace, span


def streamed(*sent: dict[str, Any]) -> Any:
    return http.Response(200, headers=STREAM, content=events(*sent))


@needs_responses
@pytest.mark.parametrize(
    "asked",
    ["Hello", [{"role": "user", "content": "Hello"}]],
    ids=["text", "messages"],
)
async def test_a_response(
    asked: Any, is_async: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Inputs are the arguments; each but the input is an attribute; usage is the trace's too."""
    far_end.answers = [http.Response(200, json=RESPONSE)]
    given = {"input": asked, "model": "m", "temperature": 0}
    await call(far_end, is_async, "responses.create", **given)
    trace, span = only(traces)
    assert span.name == ("AsyncResponses" if is_async else "Responses")
    assert (span.span_type, span.inputs) == (SpanType.CHAT_MODEL, given)
    assert span.outputs["id"] == "resp-1"
    assert (span.attributes["model"], span.attributes["temperature"]) == ("m", 0)
    assert span.get_attribute(SpanAttributeKey.MESSAGE_FORMAT) == "openai"
    assert trace.info.token_usage == span.get_attribute(SpanAttributeKey.CHAT_USAGE) == COUNTS


@needs_responses
async def test_a_streamed_response(is_async: bool, far_end: FarEnd, traces: CapturedTraces) -> None:
    """The outputs are the last event's response."""
    far_end.answers = [streamed(*RESPONSE_EVENTS)]
    await call(far_end, is_async, "responses.create", input="Hello", model="m", stream=True)
    trace, span = only(traces)
    assert (span.span_type, span.outputs["id"]) == (SpanType.CHAT_MODEL, "resp-1")
    assert span.outputs["output"][0]["content"][0]["text"] == "Dummy output"
    assert (span.attributes["model"], span.attributes["stream"]) == ("m", True)
    assert trace.info.token_usage == COUNTS


@pytest.mark.skipif(VERSION < (1, 26), reason="no argument stream_options")
@pytest.mark.parametrize("with_usage", [True, False])
async def test_a_streamed_chat(
    with_usage: bool, is_async: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """One completion, put together; each chunk is an event, if that is asked for."""
    tracetape.autolog(chunk_events=True)
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    empty = {"function_call": None, "role": None, "tool_calls": None}
    sent = (
        chunk({"content": "Hello", **empty}, system_fingerprint="fp-1"),
        chunk(
            {"content": " world", **empty},
            system_fingerprint="fp-1",
            usage=usage if with_usage else None,
        ),
    )
    far_end.answers = [streamed(*sent)]
    given: dict[str, Any] = {
        "messages": [{"role": "user", "content": "test"}],
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": with_usage},
    }
    await call(far_end, is_async, "chat.completions.create", **given)
    trace, span = only(traces)
    assert (span.span_type, span.inputs) == (SpanType.CHAT_MODEL, given)
    outputs = span.outputs
    assert (outputs["id"], outputs["object"]) == ("chatcmpl-1", "chat.completion")
    assert (outputs["model"], outputs["system_fingerprint"]) == ("m-1", "fp-1")
    message = outputs["choices"][0]["message"]
    assert (message["role"], message["content"]) == ("assistant", "Hello world")
    assert (outputs.get("usage"), trace.info.token_usage) == (
        (usage, {"input_tokens": 9, "output_tokens": 12, "total_tokens": 21})
        if with_usage
        else (None, None)
    )
    assert [event.name for event in span.events] == ["mlflow.chunk.item.0", "mlflow.chunk.item.1"]
    values = [json.loads(event.attributes["mlflow.chunk.value"]) for event in span.events]
    assert [value["choices"][0]["delta"]["content"] for value in values] == ["Hello", " world"]


async def test_a_streamed_text_completion(
    is_async: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Its text, one string."""
    tracetape.autolog(chunk_events=True)
    sent = [
        {**TEXT, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": None}]}
        for text in ("Hello", " world")
    ]
    far_end.answers = [streamed({**TEXT, "choices": []}, *sent)]
    given = {"prompt": "test", "model": "m", "temperature": 0, "stream": True}
    await call(far_end, is_async, "completions.create", **given)
    _, span = only(traces)
    assert (span.span_type, span.inputs) == (SpanType.LLM, given)
    assert (span.outputs, len(span.events)) == ("Hello world", 3)


async def test_embeddings(is_async: bool, far_end: FarEnd, traces: CapturedTraces) -> None:
    """With their vectors, if those are asked for."""
    tracetape.autolog(vectors=True)
    vector = [float(n) for n in range(8)]
    answer = {
        "object": "list",
        "data": [{"object": "embedding", "embedding": vector, "index": 0}],
        "model": "e-1",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    far_end.answers = [http.Response(200, json=answer)]
    await call(far_end, is_async, "embeddings.create", input="test", model="e")
    _, span = only(traces)
    assert (span.span_type, span.model_name) == (SpanType.EMBEDDING, "e-1")
    assert span.inputs == {"input": "test", "model": "e"}
    assert span.outputs["data"][0]["embedding"] == vector
