"""Answers with fields of a wrong shape: such a field counts as absent, the rest is read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from far_end import COMPLETION, USAGE, chunk
from odd_shapes import bent, check, read
from openai.types.chat import ChatCompletionChunk

from tracetape.instrument import Extractor
from tracetape_openai.audio import Speech, Transcriptions
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.completions import Completions
from tracetape_openai.embeddings import Embeddings
from tracetape_openai.generic import Generic, VectorStoreSearch
from tracetape_openai.images import Images
from tracetape_openai.responses import Responses

TOOL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DELTA = {"role": "assistant", "content": "He", "tool_calls": [TOOL], "audio": {"data": "AAAA"}}
CHUNK: dict[str, Any] = {**chunk(DELTA), "usage": USAGE, "x_groq": {"usage": USAGE}}
PART = {"type": "output_text", "text": "Hi", "annotations": [{"type": "file_citation"}]}
ITEM = {"type": "message", "id": "m", "role": "assistant", "content": [PART]}
RESPONSE: dict[str, Any] = {
    "id": "r",
    "model": "m",
    "status": "incomplete",
    "output": [ITEM],
    "error": {"code": "c", "message": "m"},
    "incomplete_details": {"reason": "max_output_tokens"},
    "usage": {"input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
}
PLACE = {"output_index": 0, "content_index": 0, "item_id": "m"}
TEXT_COMPLETION = {"id": "1", "model": "m", "choices": [{"index": 0, "text": "a"}], "usage": USAGE}
# Each extractor with a plain answer, or with the events of a stream.
ANSWERS: dict[str, tuple[type[Extractor], Any]] = {
    "chat": (ChatCompletions, {**COMPLETION, "usage": USAGE, "error": {"message": "m"}}),
    "completions": (Completions, TEXT_COMPLETION),
    "embeddings": (Embeddings, {"model": "m", "data": [{"embedding": [1.0]}], "usage": USAGE}),
    "responses": (Responses, RESPONSE),
    "images": (Images, {"data": [{"b64_json": "AAAA"}], "usage": USAGE}),
    "search": (
        VectorStoreSearch,
        {"data": [{"file_id": "f", "content": [{"text": "a"}], "attributes": {"a": 1}}]},
    ),
}
STREAMS: dict[str, tuple[type[Extractor], list[dict[str, Any]]]] = {
    "chat": (ChatCompletions, [CHUNK, CHUNK]),
    "completions": (Completions, [TEXT_COMPLETION, TEXT_COMPLETION]),
    "responses": (
        Responses,
        [
            {"type": "response.created", "response": {**RESPONSE, "output": []}},
            {"type": "response.output_item.added", "item": ITEM, **PLACE},
            {"type": "response.content_part.added", "part": PART, **PLACE},
            {"type": "response.output_text.delta", "delta": "a", **PLACE},
            {"type": "response.output_text.annotation.added", "annotation": {"a": 1}, **PLACE},
            {"type": "response.output_text.done", "text": "a", **PLACE},
            {"type": "error", "code": "c", "message": "m"},
        ],
    ),
    "transcriptions": (
        Transcriptions,
        [
            {"type": "transcript.text.delta", "delta": "a"},
            {"type": "transcript.text.done", "text": "a", "usage": USAGE},
        ],
    ),
    "speech": (Speech, [{"type": "speech.audio.delta", "audio": "AAAA"}]),
    "images": (Images, [{"type": "image_generation.completed", "b64_json": "AAAA"}]),
    "generic": (Generic, [{"a": 1}]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_field_of_a_plain_answer(name: str) -> None:
    """Costs no other field: the model and the usage are read, unless they are what is odd."""
    kind, answer = ANSWERS[name]
    whole = kind().result(copy.deepcopy(answer)).fields
    for path, odd, made in bent(answer):
        result = kind().result(made)
        check(result)
        fields = result.fields
        for field, key in (("model", "model"), ("response_id", "id"), ("usage", "usage")):
            if path[0] not in (key, "choices"):
                assert fields.get(field) == whole.get(field), (path, odd)


@pytest.mark.parametrize("name", STREAMS)
def test_a_field_of_a_streams_event(name: str) -> None:
    """Any event may be the odd one; all of it is read."""
    kind, events = STREAMS[name]
    for path, odd, made in bent(events):
        try:
            check(read(kind(), made))
        except Exception as exception:
            raise AssertionError(f"{odd!r} at {path}") from exception


def test_choices_of_the_sdks_own_chunks() -> None:
    """The SDK checks nothing: its object holds what the server sent."""
    for path, odd, one in bent(chunk({"content": "a"})):
        extractor = ChatCompletions()
        events = [chunk({"role": "assistant", "content": "He"}), one, chunk({"content": "y"})]
        made = [ChatCompletionChunk.construct(**event) for event in events]
        result = read(extractor, made)
        (first,) = (one for one in result.outputs["choices"] if one["index"] == 0)
        assert "He" in str(first["message"]["content"]), (path, odd)


def test_choices_that_are_a_number_cost_no_usage() -> None:
    """The model, the usage and the error are read."""
    body = {**TEXT_COMPLETION, "choices": 1e308, "error": {"code": "c", "message": "m"}}
    result = Completions().result(body)
    assert result.fields["model"] == "m"
    assert result.fields["usage"]["total_tokens"] == 4
    assert result.error == "c: m"


SAID = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
CALLED = [
    {"tool_calls": {"index": 0, "id": "a", "type": "function", "function": {"name": "f"}}},
    {"tool_calls": {"index": 0, "function": {"arguments": "{}"}}},
    {"tool_calls": {"index": 1, "id": "b", "type": "function", "function": {"name": "g"}}},
]


@pytest.mark.parametrize(
    "chunk",
    [
        {"id": "1", "choices": SAID, "usage": USAGE},
        {"id": "1", "choices": {"0": SAID}, "usage": USAGE},
        {"id": "1", "choices": [{**SAID, "delta": [SAID["delta"]]}], "usage": USAGE},
        {"id": "1", "choices": [SAID], "usage": [USAGE]},
        [{"id": "1", "choices": [SAID], "usage": USAGE}],
    ],
    ids=["choices", "numbered", "delta", "usage", "chunk"],
)
def test_an_object_for_a_list_or_a_list_for_an_object(chunk: Any) -> None:
    """Is read as the only item, or as what the list has: nothing is lost."""
    result = read(ChatCompletions(), [chunk])
    (choice,) = result.outputs["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hi"}
    assert result.fields["finish_reasons"] == ["stop"]
    assert result.fields["usage"]["input_tokens"] == USAGE["prompt_tokens"]


def test_calls_of_tools_that_come_as_objects() -> None:
    """Are a list, as always: two are not merged into one."""
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in CALLED]
    (choice,) = read(ChatCompletions(), chunks).outputs["choices"]
    calls = [call["function"] for call in choice["message"]["tool_calls"]]
    assert calls == [{"name": "f", "arguments": "{}"}, {"name": "g"}]


@pytest.mark.parametrize(
    ("answer", "error", "reasons"),
    [
        ([{"error": {"code": 429, "message": "quota"}}], "429: quota", None),
        ({"error": [{"code": "c", "message": "m"}]}, "c: m", None),
        ({"choices": {"finish_reason": "content_filter"}}, "content_filter", ["content_filter"]),
        ({"choices": [{"message": {}, "finish_reason": ["length"]}]}, None, ["length"]),
    ],
    ids=["whole", "error", "choices", "reason"],
)
def test_failures_and_reasons_in_other_shapes(
    answer: Any, error: str | None, reasons: list[str] | None
) -> None:
    """Gemini puts an error into a list; the span is an ERROR, too."""
    result = ChatCompletions().result(answer)
    assert result.error == error
    assert result.fields.get("finish_reasons") == reasons


@pytest.mark.parametrize("content", ["He", {"type": "output_text", "text": "He"}])
def test_content_of_an_item_that_is_not_a_list(content: Any) -> None:
    """Is its first part, which the deltas continue."""
    item = {"type": "message", "content": content}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", **PLACE, "delta": "llo"},
    ]
    (message,) = read(Responses(), events).outputs["output"]
    assert message["content"] == [{"type": "output_text", "text": "Hello"}]
