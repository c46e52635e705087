"""Whatever a chat model says, a streamed answer is recorded as the plain one would be.

Shapes: OpenAI's API reference, "The chat completion object" and "The chat completion chunk
object"; content lists are those of Databricks' reasoning models and Anthropic's.
"""

from __future__ import annotations

import base64
import copy
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from far_end import ASK, COMPLETION, VERSION, FarEnd, chunk, events, http
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from pydantic import ValidationError

from tracetape.testing import CapturedTraces
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.usage import normalised

texts = st.text(min_size=1, max_size=20)
names = st.sampled_from(["weather", "search"])
tool_calls = st.lists(st.tuples(names, texts), min_size=1, max_size=3).map(
    lambda calls: [
        {"id": f"call-{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(calls)
    ]
)
token = st.fixed_dictionaries(
    {"token": texts, "logprob": st.floats(-9, 0), "bytes": st.none(), "top_logprobs": st.just([])}
)
citation = st.fixed_dictionaries(
    {"start_index": st.integers(0, 9), "end_index": st.integers(0, 9), "url": texts, "title": texts}
).map(lambda inner: {"type": "url_citation", "url_citation": inner})
parts = st.lists(
    st.one_of(
        st.fixed_dictionaries({"type": st.just("text"), "text": texts}),
        texts.map(
            lambda text: {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}
        ),
    ),
    min_size=1,
    max_size=4,
).filter(lambda found: all(a["type"] != b["type"] for a, b in pairwise(found)))

messages = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.one_of(st.none(), texts, parts)},
    optional={
        "refusal": texts,
        "reasoning_content": texts,
        "tool_calls": tool_calls,
        "annotations": st.lists(citation, min_size=1, max_size=2),
    },
)
choices = st.fixed_dictionaries(
    {"message": messages, "finish_reason": st.sampled_from(["stop", "length", "tool_calls"])},
    optional={"logprobs": st.fixed_dictionaries({"content": st.lists(token, max_size=2)})},
)


def pieces(text: str, draw: Any) -> Iterator[str]:
    while text:
        size = draw(st.integers(1, len(text)))
        yield text[:size]
        text = text[size:]


def deltas(message: dict[str, Any], draw: Any) -> Iterator[dict[str, Any]]:
    """What a server sends for a message."""
    yield {"role": "assistant", "content": "" if isinstance(message["content"], str) else None}
    for key in ("reasoning_content", "refusal"):
        for piece in pieces(message.get(key, ""), draw):
            yield {key: piece}
    content = message["content"]
    if isinstance(content, str):
        for piece in pieces(content, draw):
            yield {"content": piece}
    for part in content if isinstance(content, list) else ():
        for piece in pieces(part.get("text") or part["summary"][0]["text"], draw):
            summary = [{"type": "summary_text", "text": piece}]
            text = part["type"] == "text"
            yield {"content": [{**part, **({"text": piece} if text else {"summary": summary})}]}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {**call["function"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": index, "function": function}]}
        for piece in pieces(call["function"]["arguments"], draw):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    if "annotations" in message:
        yield {"annotations": message["annotations"]}


def chunks(choice: dict[str, Any], index: int, draw: Any) -> Iterator[dict[str, Any]]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}

    def one(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {**head, "choices": [{"index": index, "delta": delta, **more}]}

    for delta in deltas(choice["message"], draw):
        yield one(delta, finish_reason=None)
    for logprob in choice.get("logprobs", {}).get("content", ()):
        yield one({}, finish_reason=None, logprobs={"content": [logprob]})
    yield one({}, finish_reason=choice["finish_reason"])


@given(st.lists(choices, min_size=1, max_size=2), st.booleans(), st.data())
def test_any_answer_is_put_together_from_its_chunks(
    answers: list[dict[str, Any]], as_objects: bool, data: st.DataObject
) -> None:
    """Whatever the cuts, field by field; the chunks, which are the user's, stay as they are."""
    expected = copy.deepcopy(answers)
    for index, choice in enumerate(expected):
        choice["index"] = index
        content = choice["message"]["content"]
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            choice["message"]["content"] = "".join(part["text"] for part in content)
        if not choice.get("logprobs", {}).get("content"):
            choice.pop("logprobs", None)
    extractor = ChatCompletions()
    for index, choice in enumerate(answers):
        for one in chunks(choice, index, data.draw):
            given_ = _typed(one) if as_objects else one
            before = copy.deepcopy(given_)
            extractor.chunk(given_)
            assert given_ == before
    outputs = extractor.result(None).outputs
    assert outputs["choices"] == expected
    assert outputs["object"] == "chat.completion"


def _typed(one: dict[str, Any]) -> Any:
    """The SDK's object, where its types know such content: no list, in old ones no tools."""
    try:
        return ChatCompletionChunk.model_validate(one)
    except ValidationError:
        return one


@pytest.mark.skipif(VERSION < (3, 50), reason="the SDK's own accumulator had other faults")
@given(st.data())
def test_a_stream_that_is_cut_anywhere_is_what_the_sdk_makes_of_it(data: st.DataObject) -> None:
    """Text, refusals and tool calls: `ChatCompletionStreamState` at each point."""
    from openai.lib.streaming.chat import ChatCompletionStreamState

    message = {"content": data.draw(st.one_of(st.none(), texts))}
    message |= {"role": "assistant", "tool_calls": data.draw(tool_calls)}
    choice = {"message": message, "finish_reason": "stop"}
    theirs, ours = ChatCompletionStreamState(), ChatCompletions()
    sent = list(chunks(choice, 0, data.draw))
    for one in sent[: data.draw(st.integers(1, len(sent)))]:
        typed = ChatCompletionChunk.model_validate(one)
        list(theirs.handle_chunk(typed))
        ours.chunk(typed)
    (mine,) = ours.result(None).outputs["choices"]
    his = theirs.current_completion_snapshot.choices[0].to_dict()
    assert mine["message"]["content"] == his["message"].get("content")
    calls = [
        {**call, "function": {k: call["function"][k] for k in ("name", "arguments")}}
        for call in his["message"].get("tool_calls") or ()
    ]
    for call in calls:
        call.pop("index", None)
    assert (mine["message"].get("tool_calls") or []) == calls
    assert mine["finish_reason"] == his.get("finish_reason")


def streamed(far: FarEnd, traces: CapturedTraces, *sent: dict[str, Any]) -> Any:
    headers = {"content-type": "text/event-stream"}
    far.answers = [http.Response(200, content=events(*sent), headers=headers)]
    for _ in far.client().chat.completions.create(**ASK, stream=True):
        pass
    return traces[-1].data.spans[0]


@pytest.mark.parametrize("as_objects", [True, False])
def test_what_comes_beside_empty_text_is_kept(as_objects: bool) -> None:
    """As DeepSeek, OpenRouter and Perplexity send it: in extra keys of a delta, or of a chunk."""
    sent = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "", "reasoning_content": "think "}),
        chunk({"content": "", "reasoning_content": "more"}),
        chunk({"content": "an"}, obfuscation="xx"),
        chunk({"content": "swer"}, citations=["https://a"]),
    ]
    extractor = ChatCompletions()
    for one in sent:
        extractor.chunk(ChatCompletionChunk.model_validate(one) if as_objects else one)
    outputs = extractor.result(None).outputs
    (choice,) = outputs["choices"]
    assert choice["message"]["content"] == "answer"
    assert choice["message"]["reasoning_content"] == "think more"
    assert outputs["citations"] == ["https://a"]
    assert "obfuscation" not in outputs


def test_thinking_parts_are_one_part() -> None:
    """Mistral's: a list in a list, continued piece by piece."""
    extractor = ChatCompletions()
    for text in ("a", "b"):
        part = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
        extractor.chunk(chunk({"content": [part]}))
    (choice,) = extractor.result(None).outputs["choices"]
    assert choice["message"]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "ab"}]}
    ]


def test_audio_is_joined_as_sound(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Its pieces are encoded one by one; the whole becomes an attachment."""
    from tracetape.tracing.attachments import get_attachment

    sound = [b"a sound", b" that goes", b" on"]
    sent = [chunk({"audio": {"id": "audio-1", "transcript": "He"}}), chunk({"role": "assistant"})]
    for piece in sound:
        sent.append(chunk({"audio": {"data": base64.b64encode(piece).decode()}}))
    sent.append(chunk({"audio": {"transcript": "llo", "expires_at": 7}}))
    audio = streamed(far_end, traces, *sent).outputs["choices"][0]["message"]["audio"]
    assert get_attachment(audio.pop("data")).content_bytes == b"".join(sound)
    assert audio == {"id": "audio-1", "transcript": "Hello", "expires_at": 7}


def test_tool_calls_of_servers_that_count_differently(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Gemini numbers all of them 0, others none: a new id begins a new call."""

    def call(arguments: str, **more: Any) -> dict[str, Any]:
        named = {"name": "f"} if "id" in more else {}
        return chunk({"tool_calls": [{"function": {**named, "arguments": arguments}, **more}]})

    sent = [
        call('{"a":', index=0, id="one", type="function"),
        call("1}", index=0),
        call('{"b":2}', index=0, id="two", type="function"),
        call("", index=0),
    ]
    expected = [
        {"id": "one", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "two", "type": "function", "function": {"name": "f", "arguments": '{"b":2}'}},
    ]
    span = streamed(far_end, traces, *sent)
    assert span.outputs["choices"][0]["message"]["tool_calls"] == expected
    for one in sent:
        one["choices"][0]["delta"]["tool_calls"][0].pop("index")
    extractor = ChatCompletions()  # the SDK's own type insists on an index
    for one in sent:
        extractor.chunk(one)
    choice = extractor.result(None).outputs["choices"][0]
    assert choice["message"]["tool_calls"] == expected


def test_content_that_changes_its_form(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Text before or after a list of parts is one of them."""
    part = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
    extractor = ChatCompletions()
    for content in ("A", [part], "B", "C"):
        extractor.chunk(chunk({"content": content}))
    choice = extractor.result(None).outputs["choices"][0]
    assert choice["message"]["content"] == [
        {"type": "text", "text": "A"},
        part,
        {"type": "text", "text": "BC"},
    ]


def test_empty_heads_and_padding_leave_no_trace(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Azure's chunks without a model, nulls after the usage, and what only hides the length."""
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    span = streamed(
        far_end,
        traces,
        {**chunk(None), "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        chunk({"role": "assistant", "content": "Hi"}, obfuscation="xyz", usage=None),
        chunk(None, usage=usage),
        {**chunk(None), "id": "", "model": "", "usage": None},
    )
    assert span.outputs["id"] == "chatcmpl-1"
    assert span.model_name == "m-1"
    assert span.outputs["prompt_filter_results"] == [{"prompt_index": 0}]
    assert span.outputs["usage"] == usage
    assert "obfuscation" not in span.outputs


def test_a_plain_answer_is_kept_as_it_came(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Also what this version of the SDK does not know."""
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], "new": {"a": 1}}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "newer": [1]}
    body = {**COMPLETION, "choices": [choice], "service_tier": "flex", "newest": None}
    far_end.answers = [http.Response(200, json=body)]
    far_end.client().chat.completions.create(**ASK)
    assert traces[0].data.spans[0].outputs == body


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 1}, {"input_tokens": 1}),
        (  # a zero of MLflow's counts is one; of the others it is not worth a word
            {
                "prompt_tokens": 9,
                "completion_tokens": 0,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
            },
            {"input_tokens": 9, "output_tokens": 0, "cache_read_input_tokens": 0},
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 8,
                "total_tokens": 17,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 3, "image_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 1},
            },
            {
                "input_tokens": 9,
                "output_tokens": 8,
                "total_tokens": 17,
                "cache_read_input_tokens": 4,
                "reasoning_tokens": 5,
                "input_audio_tokens": 3,
                "input_image_tokens": 2,
                "output_audio_tokens": 1,
            },
        ),
        (
            {
                "input_tokens": 9,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens": 0,
            },
            {
                "input_tokens": 9,
                "output_tokens": 0,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 2,
            },
        ),
        (  # Databricks' Claude endpoints
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 3,
            },
            {
                "input_tokens": 9,
                "output_tokens": 1,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 3,
            },
        ),
        ({"prompt_tokens": None, "prompt_tokens_details": None, "total_tokens": "7"}, {}),
        ({"seconds": 3, "type": "duration"}, {}),
    ],
)
def test_usage_in_one_meaning(usage: dict[str, Any], expected: dict[str, int]) -> None:
    """What the provider did not say is absent, never 0; a 0 that he said stays."""
    assert normalised(usage) == expected


def test_a_very_long_stream_takes_little_more_room_than_its_text() -> None:
    """The chunks are not kept, nor a string object for each."""
    extractor = ChatCompletions()
    piece = ChatCompletionChunk.model_validate(chunk({"content": "0123456789"}))
    tracemalloc.start()
    try:
        for _ in range(100_000):
            piece.choices[0].delta.content = f"{id(object()):010d}"[-10:]  # a string of its own
            extractor.chunk(piece)
        size, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    content = extractor.result(None).outputs["choices"][0]["message"]["content"]
    assert len(content) == 1_000_000
    assert size < 2_000_000


def test_an_index_that_is_none_loses_nothing() -> None:
    """Of a server that sends text in its place, or lists."""
    answer = ChatCompletions()
    for index in ({}, {"index": "q"}, {"index": [1]}, {"index": 1}):
        answer.chunk({"choices": [{**index, "delta": {"content": "a"}}]})
    choices = answer.result(None).outputs["choices"]
    assert [choice["message"]["content"] for choice in choices] == ["aaa", "a"]


@pytest.mark.parametrize("count", [10**30, 1e30, float("inf"), 2**63])
def test_an_absurd_count_is_none(count: float) -> None:
    """No column could hold it, and the trace would be lost."""
    assert normalised({"prompt_tokens": count, "completion_tokens": 1}) == {"output_tokens": 1}
