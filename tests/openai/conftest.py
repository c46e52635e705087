"""The ways in which one chat completion is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from far_end import VERSION, FarEnd
from hypothesis import settings
from openai import AsyncOpenAI, OpenAI
from openai.resources.chat.completions import Completions

from tracetape.testing import CapturedTraces

# A machine under load is no fault of what is tested.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

QUESTION: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 16,
}
OPTIONS = {"stream_options": {"include_usage": True}}
# The argument came with openai 1.26; on the wire it is the same.
USAGE: dict[str, Any] = {
    "stream": True,
    **(OPTIONS if VERSION >= (1, 26) else {"extra_body": OPTIONS}),
}


def create() -> str:
    return OpenAI().chat.completions.create(**QUESTION).choices[0].message.content or ""


def stream() -> str:
    return "".join(_text(chunk) for chunk in OpenAI().chat.completions.create(**QUESTION, **USAGE))


def stream_helper() -> str:
    options = {"stream_options": {"include_usage": True}}
    with OpenAI().chat.completions.stream(**QUESTION, **options) as events:
        return events.get_final_completion().choices[0].message.content or ""


def raw_response() -> str:
    response = OpenAI().chat.completions.with_raw_response.create(**QUESTION)
    return response.parse().choices[0].message.content or ""


def raw_response_stream() -> str:
    response = OpenAI().chat.completions.with_raw_response.create(**QUESTION, **USAGE)
    return "".join(_text(chunk) for chunk in response.parse())


def streaming_response() -> str:
    with OpenAI().chat.completions.with_streaming_response.create(**QUESTION) as response:
        return response.parse().choices[0].message.content or ""


def streaming_response_lines() -> str:
    with OpenAI().chat.completions.with_streaming_response.create(**QUESTION, **USAGE) as response:
        lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""] or "data: [DONE]" in lines
    return "The capital of France is Paris."


async def async_create() -> str:
    async with AsyncOpenAI() as client:
        completion = await client.chat.completions.create(**QUESTION)
    return completion.choices[0].message.content or ""


async def async_stream() -> str:
    async with AsyncOpenAI() as client:
        chunks = await client.chat.completions.create(**QUESTION, **USAGE)
        return "".join([_text(chunk) async for chunk in chunks])


async def async_raw_response() -> str:
    async with AsyncOpenAI() as client:
        response = await client.chat.completions.with_raw_response.create(**QUESTION)
    return response.parse().choices[0].message.content or ""


async def async_streaming_response() -> str:
    async with (
        AsyncOpenAI() as client,
        client.chat.completions.with_streaming_response.create(**QUESTION) as response,
    ):
        completion = await response.parse()
    return completion.choices[0].message.content or ""


def _text(chunk: Any) -> str:
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


WAYS: list[Callable[[], str | Awaitable[str]]] = [
    create,
    stream,
    stream_helper,
    raw_response,
    raw_response_stream,
    streaming_response,
    streaming_response_lines,
    async_create,
    async_stream,
    async_raw_response,
    async_streaming_response,
]


@pytest.fixture
def far_end(monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    """The server's side within the process; the SDK does not wait long before it tries again."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001, raising=False)
    return FarEnd()


NEEDS = {
    stream_helper: "stream",
    streaming_response: "with_streaming_response",
    streaming_response_lines: "with_streaming_response",
    async_streaming_response: "with_streaming_response",
}
WAYS = [way for way in WAYS if hasattr(Completions, NEEDS.get(way, "create"))]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def ask(request: pytest.FixtureRequest) -> Callable[[], Awaitable[str]]:
    """Make the call, and give the answer's text."""

    async def call() -> str:
        answer = request.param()
        return answer if isinstance(answer, str) else await answer

    return call


@pytest.fixture
def span(traces: CapturedTraces) -> Callable[[], Any]:
    """The one span that there is."""

    def only() -> Any:
        ((one,),) = [trace.data.spans for trace in traces]
        return one

    return only
