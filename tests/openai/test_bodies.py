"""Answers that are not as they should be, or that the user reads in his own way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from far_end import ASK, COMPLETION, VERSION, FarEnd, chunk, events, http
from openai import OpenAI

from tracetape.entities import Span
from tracetape.testing import CapturedTraces

SURROGATE = json.dumps(COMPLETION).replace('"Hi"', '"\\ud83d"').encode()
STREAM = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
has_streaming = pytest.mark.skipif(VERSION < (1, 14), reason="no with_streaming_response")
has_helpers = pytest.mark.skipif(VERSION < (1, 92), reason="no chat.completions.stream")


def only_span(traces: CapturedTraces) -> Span:
    ((span,),) = [trace.data.spans for trace in traces]
    return span


def said(span: Span) -> Any:
    return span.outputs["choices"][0]["message"]["content"]


# -- bodies that are no whole JSON -----------------------------------------------------------------


@has_streaming
def test_of_a_body_that_is_read_in_part_that_part_is_kept(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """As text, since it is no JSON; and the traces beside it are written as ever."""
    body = json.dumps({**COMPLETION, "padding": "x" * 5000}).encode()

    def parts() -> Iterator[bytes]:
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    client = far_end.client()
    far_end.answers = [http.Response(200, content=parts(), headers=JSON)]
    with client.chat.completions.with_streaming_response.create(**ASK) as response:
        next(response.iter_bytes(10))
    client.chat.completions.create(**ASK)
    first, second = (trace.data.spans[0] for trace in traces)
    assert isinstance(first.outputs, str)
    assert first.outputs == body[: len(first.outputs)].decode()
    assert said(second) == "Hi"


@pytest.mark.parametrize("raw", [False, True])
def test_half_a_character_does_not_cost_the_answer(
    raw: bool, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """A lone surrogate is valid JSON and no valid UTF-8: it is kept as its escape."""
    far_end.answers = [http.Response(200, content=SURROGATE, headers=JSON)]
    completions = far_end.client().chat.completions
    if raw:
        answer = completions.with_raw_response.create(**ASK).parse()
    else:
        answer = completions.create(**ASK)
    assert answer.choices[0].message.content == "\ud83d"
    span = only_span(traces)
    assert (said(span), span.model_name) == ("\\ud83d", "m-1")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (events(chunk({"content": "H"}), chunk({"content": "i"})), {}),
        (events(chunk({"content": "H"}), chunk({"content": "i"})).replace(b"\n", b"\r\n"), STREAM),
        (
            events(chunk({"content": "H"}), chunk({"content": "i"})).replace(
                b', "choices"', b',\ndata: "choices"'
            ),
            STREAM,
        ),
        (b"data: {broken\n\n" + events(chunk({"content": "Hi"})), STREAM),
    ],
    ids=["no content type", "CRLF", "lines of one event", "one broken event"],
)
def test_a_stream_that_is_read_raw_is_taken_as_the_sdk_would(
    body: bytes, headers: dict[str, str], far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Server-sent events, by the rules of their specification."""
    far_end.answers = [http.Response(200, content=body, headers=headers)]
    far_end.client().chat.completions.with_raw_response.create(**ASK, stream=True)
    assert said(only_span(traces)) == "Hi"


# -- errors in answers -----------------------------------------------------------------------------


def test_an_error_in_a_stream_that_is_read_raw_is_an_error(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """The SDK, which would raise it, is not asked."""
    error: Any = {"error": {"message": "boom", "code": "c"}}
    body = events(chunk({"content": "H"}), error)
    far_end.answers = [http.Response(200, content=body, headers=STREAM)]
    far_end.client().chat.completions.with_raw_response.create(**ASK, stream=True)
    span = only_span(traces)
    assert (span.status.status_code, span.status.description) == ("ERROR", "c: boom")
    assert said(span) == "H"


def test_an_error_instead_of_choices_is_an_error(far_end: FarEnd, traces: CapturedTraces) -> None:
    """As OpenRouter answers, with status 200."""
    body = {"error": {"message": "overloaded", "code": 503}}
    far_end.answers = [http.Response(200, json=body)]
    far_end.client().chat.completions.create(**ASK)
    span = only_span(traces)
    assert (span.status.status_code, span.status.description) == ("ERROR", "503: overloaded")
    assert span.outputs == body


# -- the helpers -----------------------------------------------------------------------------------


def _helper_answer(is_async: bool) -> Any:
    body = events(chunk({"role": "assistant", "content": "H"}), chunk({"content": "i"}))

    def parts() -> Iterator[bytes]:
        yield from body.splitlines(keepends=True)

    async def async_parts() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    return http.Response(200, content=async_parts() if is_async else parts(), headers=STREAM)


@has_helpers
async def test_leaving_the_helpers_with_ends_the_span(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """It closes the response, not the stream of chunks that it reads; `events` is still there."""
    far_end.answers = [_helper_answer(False), _helper_answer(True)]
    with far_end.client().chat.completions.stream(**ASK) as kept:
        next(iter(kept))
    async with far_end.async_client().chat.completions.stream(**ASK) as kept_too:
        await anext(aiter(kept_too))
    assert len(traces) == 2
    for trace in traces:
        (span,) = trace.data.spans
        assert span.end_time_ns is not None
        assert span.attributes["tracetape.llm.stream_end"] == "closed"
        assert said(span) == "H"


def test_closing_the_response_ends_the_span(far_end: FarEnd, traces: CapturedTraces) -> None:
    """As closing the stream does."""
    far_end.answers = [_helper_answer(False)]
    stream = far_end.client().chat.completions.create(**ASK, stream=True)
    next(iter(stream))
    stream.response.close()
    assert only_span(traces).attributes["tracetape.llm.stream_end"] == "closed"


@has_helpers
def test_the_users_own_serialisers_are_left_alone(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Of a parsed answer the JSON is kept as it came, not what the user's model makes of it."""
    from pydantic import BaseModel, field_serializer

    class Answer(BaseModel):
        a: int

        @field_serializer("a")
        def fails(self, value: int) -> int:
            raise ValueError("never to be called")

    message = {"role": "assistant", "content": '{"a": 1}'}
    body = {**COMPLETION, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    far_end.answers = [http.Response(200, json=body)]
    answer = far_end.client().chat.completions.parse(**ASK, response_format=Answer)
    assert answer.choices[0].message.parsed == Answer(a=1)
    kept = only_span(traces).outputs["choices"][0]["message"]
    assert kept["content"] == '{"a": 1}'
    assert "parsed" not in kept


@has_helpers
def test_an_answer_that_is_too_short_to_parse_is_kept(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """It was paid for."""
    from openai import LengthFinishReasonError
    from pydantic import BaseModel

    class Answer(BaseModel):
        a: int

    message = {"role": "assistant", "content": '{"a'}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    far_end.answers = [http.Response(200, json={**COMPLETION, "choices": [choice], "usage": usage})]
    with pytest.raises(LengthFinishReasonError):
        far_end.client().chat.completions.parse(**ASK, response_format=Answer)
    span = only_span(traces)
    assert span.status.status_code == "ERROR"
    assert said(span) == '{"a'
    assert span.token_usage is not None
    assert span.token_usage["total_tokens"] == 5
    assert span.attributes["tracetape.llm.finish_reasons"] == ["length"]


# -- what is never recorded ------------------------------------------------------------------------


@pytest.mark.skipif(VERSION < (1, 66), reason="no Responses")
def test_credentials_of_mcp_servers_are_not_recorded(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Nor an API key that goes with the body; what is sent has them all."""
    server = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://mcp.example",
        "authorization": "secret-1",
        "headers": {"X-Key": "secret-2"},
    }
    body = {"id": "r", "object": "response", "status": "completed", "output": []}
    far_end.answers = [http.Response(200, json=body)]
    client: OpenAI = far_end.client()
    client.responses.create(
        model="m", input="q", tools=[server], extra_body={"api_key": "secret-3"}
    )  # type: ignore[list-item]
    sent = far_end.requests[0].content.decode()
    assert all(f"secret-{n}" in sent for n in (1, 2, 3))
    span = only_span(traces)
    assert "secret-" not in json.dumps(span.to_dict())
    assert span.inputs["tools"][0]["server_url"] == "https://mcp.example"
    assert span.inputs["tools"][0]["headers"] == {"X-Key": "[REDACTED]"}
