"""Anthropic's streams: the SDK's own objects, their first token, answers that are refused."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.resources.messages import Messages
from anthropic_far_end import ASK, MESSAGE, TEXT, FarEnd, events_of, http, sse, whole

import tracetape
from tracetape.testing import CapturedTraces, capture

HEADERS = {"content-type": "text/event-stream"}


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    """No test leaves the integration on."""
    yield
    tracetape.autolog(disable=True)


def reason(span: Any) -> Any:
    return span.get_attribute("tracetape.llm.stream_end")


async def test_a_stream_is_of_the_sdks_own_class(traces: CapturedTraces) -> None:
    """So that the SDK's own checks hold."""
    far = FarEnd()
    stream = far.client().messages.create(**ASK, stream=True)
    assert type(stream) is anthropic.Stream
    assert isinstance(stream, anthropic.Stream)
    async_stream = await far.async_client().messages.create(**ASK, stream=True)
    assert type(async_stream) is anthropic.AsyncStream
    assert isinstance(async_stream, anthropic.AsyncStream)
    assert [e.type for e in stream] == [e.type async for e in async_stream]
    for trace in traces:
        (span,) = trace.data.spans
        assert (span.outputs, reason(span)) == (MESSAGE, "exhausted")


def test_a_dropped_stream_closes_its_response_as_without_us() -> None:
    """At once: the SDK avoids cycles, and so do we."""
    seen = []
    for on in (False, True):
        with capture():
            tracetape.autolog(disable=not on)
            far = FarEnd()
            body = sse(events_of(MESSAGE, whole))
            far.answers = [http.Response(200, headers=HEADERS, content=iter([body, b""]))]
            gc.collect()
            gc.disable()
            try:
                stream = far.client().messages.create(**ASK, stream=True)
                next(iter(stream))
                response, gone = stream.response, weakref.ref(stream)
                del stream
                seen.append((gone() is None, response.is_closed))
            finally:
                gc.enable()
    assert seen[0] == seen[1]


def test_the_last_event_is_the_end(traces: CapturedTraces) -> None:
    """Who stops there has all of it."""
    with FarEnd().client().messages.create(**ASK, stream=True) as stream:
        for event in stream:
            if event.type == "message_stop":
                break
    ((span,),) = [trace.data.spans for trace in traces]
    assert reason(span) == "exhausted"


FIRST: list[tuple[dict[str, Any], int]] = [
    ({"type": "text", "text": "It"}, 4),
    ({"type": "thinking", "thinking": "Hm", "signature": "s"}, 4),
    ({"type": "tool_use", "id": "t", "name": "weather", "input": {"a": 1}}, 3),
]


@pytest.mark.parametrize(("block", "when"), FIRST, ids=["text", "thinking", "tool"])
def test_the_first_token_is_the_first_that_says_something(
    block: dict[str, Any], when: int, traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool is called from its name on; what announces text or thinking says nothing yet."""
    now = [0]
    monkeypatch.setattr("tracetape.instrument.call.perf_counter_ns", lambda: now[0])

    def slow() -> Iterator[bytes]:
        for event in events_of({**MESSAGE, "content": [block]}, whole):
            now[0] += 1
            yield sse([event])

    far = FarEnd()
    far.answers = [http.Response(200, headers=HEADERS, content=slow())]
    list(far.client().messages.create(**ASK, stream=True))
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.time_to_first_token_ns == when


async def _read_all(helper: Any) -> None:
    async with helper as stream:
        async for _ in stream:
            pass


@pytest.mark.skipif(not hasattr(Messages, "parse"), reason="this version parses no answers")
async def test_an_answer_that_the_users_model_refuses_is_kept(traces: CapturedTraces) -> None:
    """The call is an error, plain or streamed; the answer was paid for."""
    from pydantic import BaseModel, ValidationError

    class Answer(BaseModel):
        a: int

    wrong = {"type": "text", "text": json.dumps({"a": "x"}), "citations": None}
    message = {**MESSAGE, "content": [wrong]}
    far = FarEnd()
    body = sse(events_of(message, whole))
    far.answers = [
        *(http.Response(200, json=message) for _ in range(2)),
        *(http.Response(200, headers=HEADERS, content=body) for _ in range(2)),
    ]
    messages, async_messages = far.client().messages, far.async_client().messages
    with pytest.raises(ValidationError):
        messages.parse(**ASK, output_format=Answer)
    with pytest.raises(ValidationError):
        await async_messages.parse(**ASK, output_format=Answer)
    with messages.stream(**ASK, output_format=Answer) as stream, pytest.raises(ValidationError):
        list(stream)
    with pytest.raises(ValidationError):
        await _read_all(async_messages.stream(**ASK, output_format=Answer))
    assert len(traces) == 4
    for trace in traces:
        (span,) = trace.data.spans
        assert span.status.status_code == "ERROR"
        assert span.outputs["content"][0]["text"] == wrong["text"]
        assert span.model_name == MESSAGE["model"]


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize(
    ("kind", "content", "description", "outputs"),
    [
        (
            "application/json",
            json.dumps(OVERLOADED).encode(),
            "overloaded_error: Overloaded",
            OVERLOADED,
        ),
        ("application/json", b'{"detail": "no model"}', "no model", {"detail": "no model"}),
        (
            "text/html",
            b"<html>blocked</html>",
            "the server sent a page in the place of an answer",
            "<html>blocked</html>",
        ),
    ],
    ids=["error", "detail", "page"],
)
async def test_an_error_in_the_place_of_a_stream(
    kind: str, content: bytes, description: str, outputs: Any, traces: CapturedTraces
) -> None:
    """As the plain answer would be: ERROR with what it says, and what came is kept."""
    far = FarEnd()
    far.answers = [
        http.Response(200, headers={"content-type": kind}, content=content) for _ in range(2)
    ]
    list(far.client().messages.create(**ASK, stream=True))
    async for _ in await far.async_client().messages.create(**ASK, stream=True):
        pass
    assert len(traces) == 2
    for trace in traces:
        (span,) = trace.data.spans
        assert (span.status.status_code, span.status.description) == ("ERROR", description)
        assert span.outputs == outputs


def test_an_event_error_that_is_read_raw(traces: CapturedTraces) -> None:
    """Is the call's error, though no exception is raised; what came before is kept."""
    far = FarEnd()
    for before in (events_of(MESSAGE, whole)[:4], []):
        body = sse([*before, OVERLOADED])
        far.answers = [http.Response(200, headers=HEADERS, content=body)]
        messages = far.client().messages.with_raw_response
        messages.create(**ASK, stream=True).http_response.read()
    kept, alone = sorted((trace.data.spans[0] for trace in traces), key=lambda s: s.start_time_ns)
    for span in (kept, alone):
        assert span.status.status_code == "ERROR"
        assert span.status.description == "overloaded_error: Overloaded"
    assert kept.outputs["content"] == [TEXT]
    assert alone.outputs == OVERLOADED
