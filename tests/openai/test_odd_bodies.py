"""Bodies that few servers send: half a character, many levels, another kind than their header's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from far_end import ASK, COMPLETION, USAGE, VERSION, FarEnd, chunk, events, http
from openai import OpenAI

from tracetape.entities import SpanStatusCode
from tracetape.testing import CapturedTraces

SSE, JSON, TEXT = "text/event-stream", "application/json", "text/plain"
HALVES = [
    chunk({"role": "assistant", "content": "Hi \ud83d"}),
    chunk({"content": "\ude00!"}),
]
STREAM = events(chunk({"role": "assistant", "content": "H"}), chunk({"content": "i"}))
PLAIN = json.dumps({**COMPLETION, "usage": USAGE}).encode()
Read = Callable[[OpenAI], Any]


def typed(client: OpenAI) -> Any:
    return list(client.chat.completions.create(**ASK, stream=True))


def raw(client: OpenAI) -> Any:
    return client.chat.completions.with_raw_response.create(**ASK, stream=True).http_response.read()


def dictionaries(client: OpenAI) -> Any:
    how: dict[str, Any] = {"cast_to": object, "stream": True, "stream_cls": openai.Stream[object]}
    return list(client.post("/chat/completions", body={**ASK, "stream": True}, **how))


def plain(client: OpenAI) -> Any:
    return client.chat.completions.create(**ASK)


def dictionary(client: OpenAI) -> Any:
    return client.post("/chat/completions", body=ASK, cast_to=object)


def plain_raw(client: OpenAI) -> Any:
    return client.chat.completions.with_raw_response.create(**ASK).http_response.read()


def answer(content: bytes, kind: str) -> Any:
    return http.Response(200, content=content, headers={"content-type": kind})


def said(span: Any) -> Any:
    return span.outputs["choices"][0]["message"]["content"]


@pytest.mark.parametrize("read", [typed, raw, dictionaries])
def test_two_halves_of_a_character_are_that_character(
    read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """A server that cuts its text anywhere cuts an emoji, too."""
    far_end.answers = [answer(events(*HALVES), SSE)]
    read(far_end.client())
    assert said(span()) == "Hi 😀!"


@pytest.mark.parametrize("read", [typed, raw, dictionaries])
@pytest.mark.parametrize("where", ["chunk", "choice", "delta"])
def test_half_a_character_in_a_name_costs_no_chunk(
    where: str, read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """pydantic cannot write such a name of an extra field."""
    odd = chunk({"role": "assistant", "content": "H"}, usage=USAGE)
    choice = odd["choices"][0]
    {"chunk": odd, "choice": choice, "delta": choice["delta"]}[where]["\ud83d"] = "kept"
    far_end.answers = [answer(events(odd, chunk({"content": "i"})), SSE)]
    read(far_end.client())
    assert said(span()) == "Hi"
    assert "kept" in str(span().outputs)
    assert span().token_usage["total_tokens"] == 4


@pytest.mark.parametrize("read", [plain, plain_raw])
def test_half_a_character_in_a_name_costs_no_answer(
    read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """The same of a plain one."""
    message = {**COMPLETION["choices"][0]["message"], "\ud83d": "kept"}  # type: ignore[index]
    body = {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    far_end.answers = [answer(json.dumps(body).encode(), JSON)]
    read(far_end.client())
    assert said(span()) == "Hi"
    assert span().outputs["choices"][0]["message"]["\\ud83d"] == "kept"


@pytest.mark.parametrize("read", [typed, raw, dictionaries])
@pytest.mark.parametrize("levels", [120, 240, 600])
def test_many_levels_cost_no_text(
    levels: int, read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """What stands beside them is kept, and so are they: the deepest as text."""
    deep = json.loads("[" * levels + '"deepest"' + "]" * levels)
    chunks = [
        chunk({"role": "assistant", "content": "H", "own": deep}, usage=USAGE),
        chunk({"content": "i"}, mine=deep),
    ]
    far_end.answers = [answer(events(*chunks), SSE)]
    read(far_end.client())
    assert said(span()) == "Hi"
    assert json.dumps(span().outputs).count("deepest") == 2
    assert span().token_usage["total_tokens"] == 4


def test_many_levels_in_a_plain_answer_cost_nothing_beside_them(
    far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """What cannot be looked through for credentials is left out, and nothing else."""
    deep = '{"a":' * 900 + "1" + "}" * 900
    body = json.dumps({**COMPLETION, "own": "OWN"}).replace('"OWN"', deep)
    far_end.answers = [answer(body.encode(), JSON)]
    plain_raw(far_end.client())
    assert said(span()) == "Hi"
    assert span().outputs["own"] == "[dropped: too many levels to look for credentials]"


# What comes, what it is called, who asks how.
MISNAMED: list[Any] = [
    *[(PLAIN, SSE, read) for read in (typed, raw, dictionaries, plain, plain_raw)],
    *[(PLAIN, TEXT, read) for read in (typed, raw, plain, plain_raw)],
    *[(STREAM, JSON, read) for read in (typed, raw, dictionaries, plain_raw)],
    *[(STREAM, TEXT, read) for read in (typed, raw, plain, plain_raw)],
    *[(b": hello\n\nretry: 5\n" + STREAM, JSON, read) for read in (typed, raw)],
]


@pytest.mark.parametrize(
    ("content", "kind", "read"),
    MISNAMED,
    ids=[f"{read.__name__}, {kind}, {content[:8]!r}" for content, kind, read in MISNAMED],
)
def test_a_body_is_read_as_what_it_is(
    content: bytes, kind: str, read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """Not as what its server calls it."""
    far_end.answers = [answer(content, kind)]
    read(far_end.client())
    assert said(span()) == "Hi"
    assert span().model_name == "m-1"
    assert span().status.status_code is SpanStatusCode.OK


async def test_a_plain_answer_in_the_place_of_an_async_stream(
    far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """Is the answer, though it is called a stream and the program sees no chunk."""
    far_end.answers = [answer(PLAIN, SSE)]
    stream = await far_end.async_client().chat.completions.create(**ASK, stream=True)
    assert [chunk async for chunk in stream] == []
    assert said(span()) == "Hi"
    assert span().token_usage["total_tokens"] == 4


@pytest.mark.skipif(VERSION < (1, 14), reason="this version parses in another place")
async def test_an_answer_that_the_sdk_cannot_parse_is_kept(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The exception stays the program's; the span has what came."""
    cut = PLAIN[:-20]
    far_end.answers = [answer(content, JSON) for content in (STREAM, cut, cut)]
    for _ in range(2):
        with pytest.raises(json.JSONDecodeError):
            far_end.client().chat.completions.create(**ASK)
    with pytest.raises(json.JSONDecodeError):
        await far_end.async_client().chat.completions.create(**ASK)
    spans = sorted((trace.data.spans[0] for trace in traces), key=lambda one: one.start_time_ns)
    assert [one.status.status_code for one in spans] == [SpanStatusCode.ERROR] * 3
    assert said(spans[0]) == "Hi"
    assert [one.outputs for one in spans[1:]] == [cut.decode()] * 2


@pytest.mark.skipif(VERSION < (1, 14), reason="this version parses in another place")
def test_an_empty_body_is_no_answer(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """As proxies send it with status 200: the SDK's exception says why, and no text is made up."""
    far_end.answers = [answer(b"", JSON)]
    with pytest.raises(json.JSONDecodeError):
        far_end.client().chat.completions.create(**ASK)
    assert span().outputs is None
    assert span().status.status_code is SpanStatusCode.ERROR


def test_a_stream_of_remarks_only_is_no_answer(far_end: FarEnd, span: Callable[[], Any]) -> None:
    """Comments and marks, as proxies send them to keep a connection open."""
    far_end.answers = [answer(b": ping\n\nid: 1\n\ndata: [DONE]\n\n", SSE)]
    raw(far_end.client())
    assert span().outputs is None
    assert span().get_attribute("tracetape.llm.stream_end") == "exhausted"


# The first versions take no class but their own for an answer.
READS = [plain, plain_raw, *([dictionary] if VERSION >= (1, 14) else [])]
HAS_RESPONSES = hasattr(OpenAI, "responses")


@pytest.mark.parametrize("read", READS)
def test_a_number_that_no_reader_of_json_keeps_is_text(
    read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """As it is in a chunk of a stream; a number of 64 bits stays one."""
    body = json.dumps({**COMPLETION, "seed": 10**29 + 7, "usage": {**USAGE, "id": 2**64 - 1}})
    far_end.answers = [answer(body.encode(), JSON)]
    read(far_end.client())
    assert span().outputs["seed"] == str(10**29 + 7)
    assert span().outputs["usage"]["id"] == 2**64 - 1


def response(client: OpenAI) -> Any:
    return client.responses.create(model="m", input="Hi")


def moderation(client: OpenAI) -> Any:
    return client.moderations.create(input="Hi")


@pytest.mark.parametrize("read", [*READS, moderation, *([response] if HAS_RESPONSES else [])])
def test_an_answer_that_is_a_list_is_kept_as_it_came(
    read: Read, far_end: FarEnd, span: Callable[[], Any]
) -> None:
    """Google's endpoint wraps an error in one, with status 200."""
    sent = [{"error": {"message": "API key expired", "code": 400, "status": "INVALID_ARGUMENT"}}]
    far_end.answers = [answer(json.dumps(sent).encode(), JSON)]
    read(far_end.client())
    assert span().outputs == sent
    assert span().status.status_code == SpanStatusCode.ERROR
    assert "API key expired" in span().status.description
