"""Servers that speak OpenAI's language with an accent: a stream is recorded as the plain answer.

Each dialect is named by a server that speaks it; shapes are those of its own API reference, or of
the bug report that shows them.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import openai
import pytest
from far_end import ASK, COMPLETION, OBJECT, FarEnd, chunk, events, http

from tracetape.testing import CapturedTraces
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.completions import Completions
from tracetape_openai.response_events import ResponseEvents
from tracetape_openai.usage import normalised

USAGE = {"prompt_tokens": 23, "completion_tokens": 19, "total_tokens": 42}
COUNTS = {"input_tokens": 23, "output_tokens": 19, "total_tokens": 42}
ZEROS = dict.fromkeys(USAGE, 0)
NAMED = {"type": "function"}


def read(*chunks: dict[str, Any]) -> Any:
    extractor = ChatCompletions()
    for one in chunks:
        extractor.chunk(one)
    return extractor.result(None)


def message(*deltas: dict[str, Any]) -> dict[str, Any]:
    (choice,) = read(*(chunk(delta) for delta in deltas)).outputs["choices"]
    found: dict[str, Any] = choice["message"]
    return found


def last(**more: Any) -> dict[str, Any]:
    one = chunk({})
    one["choices"][0].update(finish_reason="stop", **more)
    return one


def part(arguments: str | None = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**more, "function": {k: v for k, v in function.items() if v is not None}}


def called(name: str, arguments: str, **more: Any) -> dict[str, Any]:
    return {**more, "function": {"name": name, "arguments": arguments}}


# Deltas, each with its parts; the calls that they are.
CALLS: dict[str, tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "vLLM: another id in each part": (
        [
            [part("", "weather", index=0, id="t-0", **NAMED)],
            [part('{"ci', index=0, id="t-1", **NAMED)],
            [part('ty": "Paris"}', index=0, id="t-2", **NAMED)],
            [part('{"tz":', "time", index=1, id="t-3", **NAMED)],
            [part('"CET"}', index=1, id="t-4", **NAMED)],
        ],
        [
            called("weather", '{"city": "Paris"}', id="t-0", **NAMED),
            called("time", '{"tz":"CET"}', id="t-3", **NAMED),
        ],
    ),
    "another id and the name in each part": (
        [
            [part('{"a"', "f", index=0, id="1", **NAMED)],
            [part(":1}", "f", index=0, id="2", **NAMED)],
        ],
        [called("f", '{"a":1}', id="1", **NAMED)],
    ),
    "Gemini: all are number 0, each whole": (
        [
            [part('{"a":1}', "f", index=0, id="1", **NAMED)],
            [part('{"a":2}', "f", index=0, id="2", **NAMED)],
        ],
        [called("f", '{"a":1}', id="1", **NAMED), called("f", '{"a":2}', id="2", **NAMED)],
    ),
    "Gemini: all are number 0, with empty ids": (
        [[part('{"a":1}', "f", index=0, id=""), part("{}", "g", index=0, id="")]],
        [called("f", '{"a":1}', id=""), called("g", "{}", id="")],
    ),
    "no ids, no numbers, each whole": (
        [[part('{"a":1}', "f")], [part('{"a":2}', "f")], [part("{}", "g")]],
        [called("f", '{"a":1}'), called("f", '{"a":2}'), called("g", "{}")],
    ),
    "no ids, no numbers, in pieces": (
        [
            [part("", "f", **NAMED)],
            [part('{"a"')],
            [part(":1}")],
            [part("", "g", **NAMED)],
            [part("{}")],
        ],
        [called("f", '{"a":1}', **NAMED), called("g", "{}", **NAMED)],
    ),
    "no numbers, ids in each part, in turn": (
        [
            [part("", "f", id="1"), part("", "g", id="2")],
            [part('{"a":', id="1"), part("{}", id="2")],
            [part("1}", id="1")],
        ],
        [called("f", '{"a":1}', id="1"), called("g", "{}", id="2")],
    ),
    "numbers without ids": (
        [[part("", "f", index=0)], [part("{}", index=0)], [part("{}", "f", index=1)]],
        [called("f", "{}"), called("f", "{}")],
    ),
    "names in pieces": (
        [
            [part("", "get_", index=0, id="1")],
            [part("", "weather", index=0)],
            [part("{}", index=0)],
        ],
        [called("get_weather", "{}", id="1")],
    ),
    "the rest of a name, and the arguments with it": (
        [[part("", "get_", index=0, id="1")], [part("{}", "weather", index=0)]],
        [called("get_weather", "{}", id="1")],
    ),
    "names that grow": (
        [[part("", "get_", index=0, id="1")], [part("", "get_weather", index=0)]],
        [called("get_weather", "", id="1")],
    ),
    "name and id in each part": (
        [
            [part("", "f", index=0, id="1")],
            [part('{"a":', "f", index=0, id="1")],
            [part("1}", "f", index=0, id="1")],
        ],
        [called("f", '{"a":1}', id="1")],
    ),
    "empty names and ids in later parts": (
        [[part("{", "f", index=0, id="1", **NAMED)], [part("}", "", index=0, id="", type="")]],
        [called("f", "{}", id="1", **NAMED)],
    ),
    "null for everything that was said": (
        [
            [part("{", "f", index=0, id="1", **NAMED)],
            [{"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": "}"}}],
        ],
        [called("f", "{}", id="1", **NAMED)],
    ),
    "a whole call that comes once more at the end": (
        [
            [part('{"a":', "f", index=0, id="1")],
            [part("1}", index=0)],
            [part('{"a":1}', "f", index=0, id="1")],
        ],
        [called("f", '{"a":1}', id="1")],
    ),
    "two kinds under one number": (
        [
            [part("{}", "f", index=0, id="1", **NAMED)],
            [
                {
                    "index": 0,
                    "id": "2",
                    "type": "custom",
                    "custom": {"name": "g", "input": "do "},
                }
            ],
            [{"index": 0, "id": "2", "custom": {"input": "it"}}],
        ],
        [
            called("f", "{}", id="1", **NAMED),
            {"id": "2", "type": "custom", "custom": {"name": "g", "input": "do it"}},
        ],
    ),
    "numbers that count the parts": (
        [[part("{", "f", index=0, id="1")], [part("}", index=1, id="1")]],
        [called("f", "{}", id="1")],
    ),
    "numbers in another order": (
        [
            [part("", "g", index=1, id="2"), part("", "f", index=0, id="1")],
            [part("{}", index=0), part('{"b":', index=1)],
            [part("2}", index=1)],
        ],
        [called("f", "{}", id="1"), called("g", '{"b":2}', id="2")],
    ),
    "arguments as an object": (
        [[{"index": 0, "id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]],
        [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_tools_are_neither_torn_nor_glued(name: str) -> None:
    """Number, id, name and type tell them apart together, and whole arguments end a call."""
    sent, expected = CALLS[name]
    assert message(*({"tool_calls": parts} for parts in sent))["tool_calls"] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (["[{", "}]"], "[{}]"),
        ([[part("{}", "f")], "and g"], [called("f", "{}"), "and g"]),
        (["and g", [part("{}", "f")]], ["and g", called("f", "{}")]),
        (["", [part("{}", "f")], ""], [called("f", "{}")]),
    ],
    ids=["only", "after a call", "before a call", "empty"],
)
def test_calls_of_tools_as_text(sent: list[Any], expected: Any) -> None:
    """Some templates of models go wrong: the text is kept as it came."""
    assert message(*({"tool_calls": one} for one in sent))["tool_calls"] == expected


@pytest.mark.parametrize("name", ["delta", "message"])
def test_a_delta_that_is_its_text(name: str, far_end: FarEnd, traces: CapturedTraces) -> None:
    """Is a chunk as others are."""
    sent = [chunk({}), chunk({}), last()]
    for one, text in zip(sent, ("It ", "is"), strict=False):
        one["choices"][0] = {"index": 0, name: text}
    headers = {"content-type": "text/event-stream"}
    far_end.answers = [http.Response(200, content=events(*sent), headers=headers)]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    (choice,) = traces[0].data.spans[0].outputs["choices"]
    assert choice["message"] == {"role": "assistant", "content": "It is"}


def test_a_function_call_of_old(far_end: FarEnd) -> None:
    """Its name may come in pieces too."""
    sent = [{"name": "get_", "arguments": ""}, {"name": "x"}, {"arguments": "{}"}, {"name": ""}]
    found = message(*({"function_call": one} for one in sent))
    assert found["function_call"] == {"name": "get_x", "arguments": "{}"}


def test_reasoning_details_of_two_types() -> None:
    """OpenRouter numbers both 0; text goes on, what is encrypted stands beside it."""
    text = {"type": "reasoning.text", "index": 0, "format": "x"}
    sealed = {"type": "reasoning.encrypted", "data": "abc", "id": "r-1", "index": 0}
    found = message(
        {"reasoning_details": [{**text, "text": "Let "}]},
        {"reasoning_details": [{**text, "text": "me."}]},
        {"reasoning_details": [sealed]},
    )
    assert found["reasoning_details"] == [{**text, "text": "Let me."}, sealed]


def test_reasoning_details_without_numbers() -> None:
    """Text is continued by text."""
    sent = [{"type": "reasoning.text", "text": text} for text in ("a", "b")]
    found = message(*({"reasoning_details": [one]} for one in sent))
    assert found["reasoning_details"] == [{"type": "reasoning.text", "text": "ab"}]


STREAMED_USAGE = {
    "Groq": [last(), {**chunk({}), "x_groq": {"id": "r", "usage": USAGE}}],
    "Groq, with its id before": [
        {**chunk({}), "x_groq": {"id": "r"}},
        {**chunk({}), "x_groq": {"id": "r", "usage": {**USAGE, "queue_time": 0.1}}},
    ],
    "Kimi": [last(usage=USAGE)],
    "Kimi, with zeros beside": [last(usage=USAGE), {**chunk(None), "usage": ZEROS}],
    "in every chunk": [
        {**chunk({}), "usage": {**USAGE, "completion_tokens": 0, "total_tokens": 23}},
        {**chunk({}), "usage": USAGE},
    ],
    "spread": [
        {**chunk({}), "usage": {"prompt_tokens": 23}},
        {**last(), "usage": {"completion_tokens": 19, "total_tokens": 42}},
    ],
    "null at the end": [{**chunk({}), "usage": USAGE}, {**last(), "usage": None}],
    "zeros at the end": [{**last(), "usage": USAGE}, {**chunk(None), "usage": ZEROS}],
    "zeros in the choice": [last(usage=ZEROS), {**chunk(None), "usage": USAGE}],
    "as fractions": [{**last(), "usage": {key: float(n) for key, n in USAGE.items()}}],
}


@pytest.mark.parametrize("name", STREAMED_USAGE)
def test_usage_of_a_stream(name: str, far_end: FarEnd, traces: CapturedTraces) -> None:
    """Wherever it stands, and however it is cut: later counts hold, zeros and nulls do not."""
    sent = [chunk({"role": "assistant", "content": "Hi"}), *STREAMED_USAGE[name]]
    headers = {"content-type": "text/event-stream"}
    far_end.answers = [http.Response(200, content=events(*sent), headers=headers)]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    assert traces[0].data.spans[0].token_usage == COUNTS
    assert traces[0].info.token_usage == COUNTS


@pytest.mark.parametrize(
    "more",
    [
        {"x_groq": {"usage": USAGE}},
        {"choices": [{**COMPLETION["choices"][0], "usage": USAGE}]},  # type: ignore[index]
        {"usage": ZEROS, "x_groq": {"usage": USAGE}},
        {"usage": {**ZEROS, "input_tokens": 23, "output_tokens": 19, "total_tokens": 42}},
    ],
    ids=["Groq", "Kimi", "zeros beside", "other names beside zeros"],
)
def test_usage_of_an_answer(more: dict[str, Any], far_end: FarEnd, traces: CapturedTraces) -> None:
    """As of a stream."""
    far_end.answers = [http.Response(200, json={**COMPLETION, **more})]
    far_end.client().chat.completions.create(**ASK)
    assert traces[0].data.spans[0].token_usage == COUNTS


def test_usage_that_is_absent(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Is not made up; counts that the answer brings as zeros stay zeros."""
    far_end.answers = [
        http.Response(200, json=COMPLETION),
        http.Response(200, json={**COMPLETION, "usage": ZEROS}),
        http.Response(200, json={**COMPLETION, "usage": {"prompt_tokens": -1}}),
    ]
    for _ in range(3):
        far_end.client().chat.completions.create(**ASK)
    found = [trace.data.spans[0].token_usage for trace in traces]
    assert found == [None, dict.fromkeys(COUNTS, 0), None]


def test_usage_of_two_choices() -> None:
    """Kimi's: they share the prompt; nobody has said a sum."""
    one, other = last(usage=USAGE), last(usage={**USAGE, "completion_tokens": 1})
    other["choices"][0]["index"] = 1
    assert read(one, other).fields["usage"] == {"input_tokens": 23, "output_tokens": 20}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {**USAGE, "prompt_cache_hit_tokens": 16, "prompt_cache_miss_tokens": 7},
            {**COUNTS, "cache_read_input_tokens": 16},
        ),
        ({**USAGE, "cached_tokens": 5}, {**COUNTS, "cache_read_input_tokens": 5}),
        (
            {**USAGE, "reasoning_tokens": 4, "citation_tokens": 9, "num_search_queries": 2},
            {**COUNTS, "reasoning_tokens": 4},
        ),
        (
            {**USAGE, "prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 5},
            {**COUNTS, "cache_read_input_tokens": 5},
        ),
        ({"prompt_tokens": True, "completion_tokens": 0.5, "total_tokens": -1}, {}),
    ],
    ids=["DeepSeek", "Kimi", "Perplexity", "zero beside a count", "no counts"],
)
def test_usage_under_other_names(usage: dict[str, Any], expected: dict[str, int]) -> None:
    """Means the same."""
    assert normalised(usage) == expected


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_reason_erases_none(nothing: str | None) -> None:
    """Some servers send one more chunk after the last."""
    after = chunk({})
    after["choices"][0]["finish_reason"] = nothing
    result = read(chunk({"content": "Hi"}), last(), after)
    assert result.outputs["choices"][0]["finish_reason"] == "stop"
    assert result.fields["finish_reasons"] == ["stop"]
    extractor = Completions()
    for reason in ("stop", nothing):
        choice = {"index": 0, "text": "a", "finish_reason": reason}
        extractor.chunk({"object": "text_completion", "choices": [choice]})
    assert extractor.result(None).fields["finish_reasons"] == ["stop"]


def whole(content: str, delta: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    one = {"index": 0, "message": {"role": "assistant", "content": content, **more}}
    return {**chunk(None), "choices": [one if delta is None else {**one, "delta": delta}]}


@pytest.mark.parametrize(
    "sent",
    [
        [whole("It "), whole("is "), whole("Paris.")],
        [whole("It "), whole("It is "), whole("It is Paris.")],
        [
            whole("It ", {"content": "It "}),
            whole("It is ", {"content": "is "}),
            whole("It is Paris.", {"content": "Paris."}),
        ],
        [chunk({"content": "It is "}), chunk({"content": "Paris."}), whole("It is Paris.")],
    ],
    ids=["parts", "growing", "beside deltas", "at the end"],
)
def test_a_message_in_the_place_of_a_delta(sent: list[dict[str, Any]]) -> None:
    """Is merged, and not taken twice."""
    (choice,) = read(*sent).outputs["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "It is Paris."},
        "finish_reason": None,
    }


def test_a_role_of_null(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Is the assistant's, as in a plain answer."""
    sent = [chunk({"role": None, "content": "Hi"}), chunk({"role": None, "content": "!"}), last()]
    headers = {"content-type": "text/event-stream"}
    far_end.answers = [http.Response(200, content=events(*sent), headers=headers)]
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    (choice,) = traces[0].data.spans[0].outputs["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hi!"}


def test_lists_of_text_are_one_text() -> None:
    """Databricks streams them; with reasoning beside it a list stays a list."""
    text = [{"type": "text", "text": part} for part in ("It ", "is.")]
    assert message(*({"content": [one]} for one in text))["content"] == "It is."
    summary = [{"type": "summary_text", "text": "Hm."}]
    thought = {"type": "reasoning", "summary": summary}
    found = message({"content": [thought]}, *({"content": [one]} for one in text))["content"]
    assert found == [thought, {"type": "text", "text": "It is."}]


def test_json_that_is_asked_for_as_text(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Usage and errors are seen all the same, and the program gets its text."""
    bodies = [{**COMPLETION, "usage": USAGE}, {"id": "1", "error": {"message": "busy"}}]
    for body in bodies:
        content = json.dumps(body, indent=1)
        far_end.answers = [http.Response(200, content=content.encode())]
        assert far_end.client().post("/chat/completions", cast_to=str, body=ASK) == content
    good, bad = (trace.data.spans[0] for trace in traces)
    assert (good.token_usage, good.outputs) == (COUNTS, bodies[0])
    assert (bad.status.status_code, bad.status.description) == ("ERROR", "busy")


def test_a_fragment_is_no_part_of_the_path(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Mistral's own SDK marks its streams so."""
    far_end.client().post("/chat/completions#stream", cast_to=OBJECT, body=ASK)
    assert traces[0].data.spans[0].name == "Completions"


NUMBERS = [float("nan"), float("inf"), 0.5, None]
SHOWN = ["NaN", "Infinity", 0.5, None]


@pytest.mark.parametrize("streamed", [False, True])
def test_numbers_that_json_has_not(streamed: bool, far_end: FarEnd, traces: CapturedTraces) -> None:
    """Python's own JSON has NaN and infinity, and many servers write it: null would be a lie."""
    name = "delta" if streamed else "message"
    choice = {"index": 0, name: {"content": "Hi", "refusal": None}, "scores": NUMBERS}
    body = {**COMPLETION, "choices": [choice]}
    content = events(body) if streamed else json.dumps(body).encode()
    kind = "text/event-stream" if streamed else "application/json"
    far_end.answers = [http.Response(200, content=content, headers={"content-type": kind})]
    answer = far_end.client().chat.completions.create(**ASK, stream=streamed)
    list(answer)
    (choice,) = traces[0].data.spans[0].outputs["choices"]
    assert choice["scores"] == SHOWN


def test_numbers_that_json_has_not_in_a_request(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The client may refuse to send them: then they are what went wrong."""
    with contextlib.suppress(ValueError, openai.APIConnectionError):
        far_end.client().chat.completions.create(**ASK, extra_body={"weights": NUMBERS})
    assert traces[0].data.spans[0].inputs["weights"] == SHOWN


ODD: tuple[Any, ...] = (3, "x", True, [3], {"a": 1}, [[1]])


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_chunk_of_another_shape_takes_no_other_along(odd: Any) -> None:
    """Whatever a server sends in the place of a list or an object."""
    chats, texts, answers = ChatCompletions(), Completions(), ResponseEvents()
    for one in (chunk({"content": "a"}), {**chunk({}), "choices": odd}, chunk({"content": "b"})):
        assert chats.is_head(one) in (True, False)
        chats.chunk(one)
    assert chats.result(None).outputs["choices"][0]["message"]["content"] == "ab"
    for text in ("a", None, "b"):
        choices = odd if text is None else [{"index": 0, "text": text}]
        assert texts.is_head({"choices": choices}) in (True, False)
        texts.chunk({"object": "text_completion", "choices": choices})
    assert "ab" in str(texts.result(None).outputs)
    item = {"type": "message", "content": odd}
    answers.add({"type": "response.output_item.added", "output_index": 0, "item": item})
    for delta in ("a", "b"):
        place = {"output_index": 0, "content_index": 0, "delta": delta}
        answers.add({"type": "response.output_text.delta", **place})
    before = odd if isinstance(odd, str) else ""  # a text there is the part's beginning
    assert answers.response()["output"][0]["content"][0]["text"] == f"{before}ab"


def _streamed(*chunks: dict[str, Any]) -> Any:
    extractor = ChatCompletions()
    for one in chunks:
        extractor.chunk(one)
    return extractor.result(None)


def test_what_a_filter_has_found_stays() -> None:
    """Azure's asynchronous filters speak again after the reason to finish."""

    def filtered(reason: str | None, **found: bool) -> dict[str, Any]:
        results = {kind: {"filtered": is_filtered} for kind, is_filtered in found.items()}
        one = chunk({"content": "x"})
        one["choices"][0].update(finish_reason=reason, content_filter_results=results)
        return one

    result = _streamed(
        filtered(None, hate=False),
        filtered("content_filter", hate=True),
        filtered(None, hate=False, violence=False),
    )
    (choice,) = result.outputs["choices"]
    assert choice["content_filter_results"] == {
        "hate": {"filtered": True},
        "violence": {"filtered": False},
    }
    assert result.error == "content_filter"


def test_groqs_own_error_is_the_calls() -> None:
    """It stands beside the usage, where no SDK looks."""
    result = _streamed(chunk({"content": "Pa"}), chunk({}, x_groq={"error": "over capacity"}))
    assert result.error == "over capacity"
    assert result.outputs["choices"][0]["message"]["content"] == "Pa"


def test_the_text_of_completions_in_a_chat_is_continued() -> None:
    """Some servers stream it so; and it is what the user waits for."""
    parts = [{"id": "1", "choices": [{"index": 0, "text": text}]} for text in ("Pa", "ris")]
    assert _streamed(*parts).outputs["choices"][0]["text"] == "Paris"
    assert not ChatCompletions().is_head(parts[0])


def test_usage_by_geminis_name_is_read() -> None:
    """A gateway passes it on beside the choices."""
    said = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    result = _streamed(chunk({"content": "Hi"}), chunk(None, usageMetadata=said))
    assert result.fields["usage"] == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


def streamed(*chunks: Any) -> dict[str, Any]:
    """The answer that a stream of chunks adds up to."""
    chats = ChatCompletions()
    for one in chunks:
        chats.chunk(one)
    outputs: dict[str, Any] = chats.result(None).outputs
    return outputs


@pytest.mark.parametrize("kind", [str, float])
def test_choices_whose_index_is_not_an_int_are_told_apart(kind: Any) -> None:
    """Two choices are not glued into one."""
    chunks = [
        {"choices": [{"index": kind(place), "delta": {"content": f"{part}{place}"}}]}
        for part in "ab"
        for place in (0, 1)
    ]
    choices = streamed(*chunks)["choices"]
    assert [one["message"]["content"] for one in choices] == ["a0b0", "a1b1"]
    assert [one["index"] for one in choices] == [0, 1]


def test_the_ids_of_vllms_tokens_are_all_kept() -> None:
    """They come with each chunk (``return_token_ids``)."""
    chunks = [{**chunk({"content": "a"})} for _ in range(2)]
    for number, one in enumerate(chunks):
        one["choices"] = [{**one["choices"][0], "token_ids": [number, number + 10]}]
    assert streamed(*chunks)["choices"][0]["token_ids"] == [0, 10, 1, 11]


def test_groqs_tools_come_again_with_their_results() -> None:
    """Their arguments are there once."""
    tool = {"index": 0, "type": "search", "arguments": '{"q": 1}'}
    again = {**tool, "output": "found"}
    (choice,) = streamed(chunk({"executed_tools": [tool]}), chunk({"executed_tools": [again]}))[
        "choices"
    ]
    assert choice["message"]["executed_tools"] == [again]


@pytest.mark.parametrize("repeated", [True, False], ids=["all so far", "only new ones"])
def test_search_results_beside_the_choices_are_all_kept(repeated: bool) -> None:
    """Perplexity repeats those before, Zhipu does not."""
    later = [{"title": "a"}, {"title": "b"}] if repeated else [{"title": "b"}]
    answer = streamed(
        {**chunk({"content": "x"}), "web_search": [{"title": "a"}]},
        {**chunk({"content": "y"}), "web_search": later},
    )
    assert answer["web_search"] == [{"title": "a"}, {"title": "b"}]


def test_the_thoughts_of_litellm_are_blocks_as_in_a_plain_answer() -> None:
    """A signature ends one."""
    pieces = [("a", None), ("b", None), ("", "S1"), ("c", None), ("", "S2")]
    blocks = [{"type": "thinking", "thinking": text, "signature": end} for text, end in pieces]
    (choice,) = streamed(*(chunk({"thinking_blocks": [block]}) for block in blocks))["choices"]
    assert choice["message"]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "ab", "signature": "S1"},
        {"type": "thinking", "thinking": "c", "signature": "S2"},
    ]
