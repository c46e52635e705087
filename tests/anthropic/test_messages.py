"""Anthropic's messages: one whole span a call, plain or streamed; the program sees no difference.

Shapes: Anthropic's API reference, "Messages" and "Streaming messages"; put together as the SDK's
own accumulator does it.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from anthropic_far_end import ASK, MESSAGE, TEXT, FarEnd, events_of, http, sse, whole
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces
from tracetape_anthropic.messages import Messages, normalised


@pytest.fixture
def far_end() -> FarEnd:
    """The server's side; retries do not wait."""
    return FarEnd()


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    """No test leaves the integration on."""
    yield
    tracetape.autolog(disable=True)


def create(far: FarEnd) -> str:
    return str(far.client().messages.create(**ASK).content[0].text)  # type: ignore[union-attr]


def stream(far: FarEnd) -> str:
    with far.client().messages.create(**ASK, stream=True) as events:
        return "".join(getattr(getattr(e, "delta", None), "text", "") for e in events)


def stream_helper(far: FarEnd) -> str:
    with far.client().messages.stream(**ASK) as events:
        return "".join(events.text_stream)


def raw_response(far: FarEnd) -> str:
    raw = far.client().messages.with_raw_response.create(**ASK)
    return str(raw.parse().content[0].text)  # type: ignore[union-attr]


def streaming_response(far: FarEnd) -> str:
    calls = far.client().messages.with_streaming_response
    with calls.create(**ASK, stream=True) as response:
        lines = list(response.iter_lines())
    assert any("message_stop" in line for line in lines)
    return "It is Paris."


async def create_async(far: FarEnd) -> str:
    message = await far.async_client().messages.create(**ASK)
    return str(message.content[0].text)  # type: ignore[union-attr]


async def stream_async(far: FarEnd) -> str:
    events = await far.async_client().messages.create(**ASK, stream=True)
    return "".join([getattr(getattr(e, "delta", None), "text", "") async for e in events])


async def stream_helper_async(far: FarEnd) -> str:
    async with far.async_client().messages.stream(**ASK) as events:
        return await events.get_final_text()


WAYS = [
    create, stream, stream_helper, raw_response, streaming_response,
    create_async, stream_async, stream_helper_async,
]  # fmt: skip


async def ask(way: Any, far: FarEnd) -> str:
    answer = way(far)
    return answer if isinstance(answer, str) else str(await answer)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_each_way_gives_one_whole_span(
    way: Any, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Inputs, outputs, model and tokens are there, streamed or not; the answer is the same."""
    tracetape.autolog(disable=True)
    before = FarEnd()
    assert await ask(way, before) == "It is Paris."
    tracetape.autolog()
    assert await ask(way, far_end) == "It is Paris."
    assert [r.content for r in far_end.requests] == [r.content for r in before.requests]

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name in ("Messages", "AsyncMessages")
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.inputs.items() >= ASK.items()
    outputs = copy.deepcopy(span.outputs)
    assert outputs.pop("content") == [TEXT]
    assert outputs == {key: value for key, value in MESSAGE.items() if key != "content"}
    assert span.model_name == "claude-1"
    assert span.provider == "anthropic"
    assert span.token_usage == {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    assert span.get_attribute("tracetape.llm.request_id") == "req_1"
    assert span.get_attribute("tracetape.llm.finish_reasons") == ["end_turn"]
    assert span.get_attribute("mlflow.message.format") == "anthropic"
    assert span.get_attribute("max_tokens") == 16
    assert span.get_attribute("messages") is None


def test_tools_in_the_form_of_chats(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Those that the program runs; the server's own stay as they are."""
    tracetape.anthropic.autolog()
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [
        {"name": "weather", "description": "Of a city.", "input_schema": schema},
        {"type": "web_search_20250305", "name": "web_search"},
    ]
    far_end.client().messages.create(**ASK, tools=tools)
    ((span,),) = [trace.data.spans for trace in traces]
    function = {"name": "weather", "description": "Of a city.", "parameters": schema}
    assert span.get_attribute("mlflow.chat.tools") == [
        {"type": "function", "function": function},
        tools[1],
    ]


def test_an_error_is_raised_unchanged_and_recorded(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Retries of the SDK are events of the one span."""
    tracetape.autolog()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}
    far_end.answers = [
        http.Response(529, json=error, headers={"retry-after-ms": "1"}) for _ in range(2)
    ]
    with pytest.raises(anthropic.APIStatusError):  # a class of its own in some versions
        far_end.client(max_retries=1).messages.create(**ASK)
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code is SpanStatusCode.ERROR
    assert [event.name for event in span.events] == ["retry", "exception"]
    assert span.events[0].attributes["http.response.status_code"] == 529


def test_a_stream_that_breaks_off(far_end: FarEnd, traces: CapturedTraces) -> None:
    """What came is kept; an error event is the SDK's exception, and the span's."""
    tracetape.autolog()
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}
    sent = [*events_of(MESSAGE, whole)[:4], error]
    headers = {"content-type": "text/event-stream"}
    far_end.answers = [http.Response(200, content=sse(sent), headers=headers)]
    with pytest.raises(anthropic.APIStatusError):
        list(far_end.client().messages.create(**ASK, stream=True))
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code is SpanStatusCode.ERROR
    assert span.outputs["content"] == [TEXT]
    assert span.get_attribute("tracetape.llm.stream_end") == "error"


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("reason", "status"),
    [("refusal", "ERROR"), ("max_tokens", "OK"), ("model_context_window_exceeded", "OK")],
)
def test_what_was_filtered_is_an_error_and_a_limit_is_none(
    reason: str, status: str, streamed: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As at OpenAI's endpoints."""
    tracetape.autolog()
    message = {**MESSAGE, "stop_reason": reason}
    headers = {"content-type": "text/event-stream"}
    far_end.answers = [
        http.Response(200, content=sse(events_of(message, whole)), headers=headers)
        if streamed
        else http.Response(200, json=message)
    ]
    answer = far_end.client().messages.create(**ASK, stream=streamed)
    if streamed:
        assert len(list(answer)) > 1
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == status
    assert span.get_attribute("tracetape.llm.finish_reasons") == [reason]
    assert [event.name for event in span.events] == (["exception"] if status == "ERROR" else [])


def test_zeros_at_the_end_are_no_counts() -> None:
    """Of servers that speak Anthropic's language with an accent."""
    extractor = Messages()
    extractor.chunk({"type": "message_start", "message": {"usage": {"input_tokens": 7}}})
    usage = {"input_tokens": 0, "output_tokens": 3}
    extractor.chunk({"type": "message_delta", "delta": {}, "usage": usage})
    found = extractor.result(None).fields["usage"]
    assert found == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def test_counting_tokens_is_no_message(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Traced only under `autolog(all_requests=True)`."""
    far_end.answers = [http.Response(200, json={"input_tokens": 5})] * 2
    for options in ({}, {"all_requests": True}):
        tracetape.autolog(**options)
        far_end.client().messages.count_tokens(model="claude", messages=ASK["messages"])
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "POST /v1/messages/count_tokens"
    assert span.outputs == {"input_tokens": 5}


texts = st.text(min_size=1, max_size=20)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text, "citations": None}, texts),
    st.builds(
        lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
        texts,
        texts,
    ),
    st.builds(
        lambda given_: {"type": "tool_use", "id": "tool-1", "name": "f", "input": given_},
        st.dictionaries(st.text(max_size=3), st.integers() | texts, max_size=3),
    ),
)
adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@given(st.lists(blocks, min_size=1, max_size=3), st.booleans(), st.data())
def test_any_message_is_put_together_from_its_events(
    content: list[Any], as_objects: bool, data: st.DataObject
) -> None:
    """Whatever the cuts, field by field as the plain one and as the SDK's own accumulator."""

    def cut(text: str) -> Iterator[str]:
        while text:
            size = data.draw(st.integers(1, len(text)))
            yield text[:size]
            text = text[size:]

    message = {**MESSAGE, "content": content}
    extractor, theirs = Messages(), None
    taken = inspect.signature(accumulate_event).parameters
    buffers: dict[str, Any] = {"json_bufs": {}} if "json_bufs" in taken else {}
    for event in events_of(message, cut):
        if event["type"] == "ping":
            continue
        given_ = adapter.validate_python(event) if as_objects else event
        before = copy.deepcopy(given_)
        extractor.chunk(given_)
        assert given_ == before
        if as_objects:
            theirs = accumulate_event(event=given_, current_snapshot=theirs, **buffers)
    outputs = extractor.result(None).outputs
    assert outputs == message
    if theirs is not None and all(block["type"] != "tool_use" for block in content):
        assert outputs["content"] == theirs.to_dict(exclude_unset=True)["content"]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 1}, {"input_tokens": 1}),
        (
            {
                "input_tokens": 5,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 3},
            },
            {
                "input_tokens": 125,
                "output_tokens": 7,
                "total_tokens": 132,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
                "reasoning_tokens": 3,
            },
        ),
        ({"output_tokens": 0, "cache_read_input_tokens": None}, {"output_tokens": 0}),
    ],
)
def test_usage_in_one_meaning(usage: dict[str, Any], expected: dict[str, int]) -> None:
    """Input tokens include those of caches; what was not said is absent."""
    assert normalised(usage) == expected


@pytest.mark.parametrize("odd", [None, 3, "x", [3], {"a": 1}], ids=repr)
def test_an_event_of_another_shape_takes_no_other_along(odd: Any) -> None:
    """Whatever stands in the place of an object or a number, the text that came is kept."""
    good = [
        {"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    ]
    bad = [
        {**good[0], "message": odd},
        {**good[2], "delta": odd},
        {**good[2], "delta": {"type": odd}},
        {"type": "content_block_delta", "index": odd, "delta": {"type": "text_delta", "text": ""}},
        {"type": "message_delta", "delta": odd, "usage": odd},
        {"type": "content_block_start", "index": 1, "content_block": odd},
    ]
    extractor = Messages()
    for event in [bad[0], *good, *bad[1:]]:
        assert extractor.is_head(event) in (True, False)
        extractor.chunk(event)
    outputs = extractor.result(None).outputs
    assert (outputs["id"], outputs["content"][0]["text"]) == ("m", "Hi")
