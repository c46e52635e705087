"""Sessions over WebSockets, with a real server on loopback: one span for each response.

The events have the shapes of OpenAI's API reference, "Streaming events" of responses and "Server
events" of realtime sessions.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces
from tracetape.tracing.attachments import get_attachment

pytest.importorskip("websockets.sync.server")
if not hasattr(getattr(OpenAI, "realtime", None), "func"):
    pytest.skip(f"openai {openai.__version__} has no realtime", allow_module_level=True)

from websockets.sync.server import ServerConnection, serve

# The SDK connects in a way that new versions of websockets advise against.
pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")

USAGE = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
TEXT = {"type": "output_text", "text": "Hi", "annotations": []}
ITEM = {"id": "i", "type": "message", "role": "assistant", "content": [TEXT]}


class Server:
    """Answers each event of the client by what the script says."""

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {}
        self.came: list[Any] = []
        self._server = serve(self._talk, "127.0.0.1", 0)
        port = self._server.socket.getsockname()[1]
        # Some versions make a wss:// of any base URL.
        url = f"127.0.0.1:{port}/v1"
        self.client: dict[str, Any] = {
            "api_key": "k",
            "base_url": f"http://{url}",
            "websocket_base_url": f"ws://{url}",
        }
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _talk(self, connection: ServerConnection) -> None:
        for message in connection:
            event = json.loads(message)
            self.came.append(event)
            for answer in self.script.get(event["type"], []):
                if answer is None:
                    connection.close()
                    return
                connection.send(json.dumps(answer))

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.stop()


def response(number: int = 1, **more: Any) -> dict[str, Any]:
    head = {"id": f"resp-{number}", "object": "response", "created_at": 1, "model": "m-1"}
    return {**head, "status": "in_progress", "output": [], **more}


def done(number: int = 1) -> dict[str, Any]:
    return response(number, status="completed", output=[ITEM], usage=USAGE)


def answer(number: int = 1) -> list[dict[str, Any]]:
    where = {"output_index": 0, "content_index": 0, "item_id": "i"}
    return [
        {"type": "response.created", "response": response(number)},
        {"type": "response.output_text.delta", **where, "delta": "Hi", "logprobs": []},
        {"type": "response.completed", "response": done(number)},
    ]


needs_responses = pytest.mark.skipif(
    not hasattr(OpenAI(api_key="k").responses, "connect"), reason="no responses over WebSockets"
)


@needs_responses
def test_responses_over_a_websocket(server: Server, traces: CapturedTraces) -> None:
    """Each `response.create` is one span, under the span that was open when it was sent."""
    server.script["response.create"] = answer()
    client = OpenAI(**server.client)
    with client.responses.connect() as connection, tracetape.start_span("chain") as chain:
        for question in ("One?", "Two?"):
            connection.response.create(model="m", input=question)
            types = [connection.recv().type for _ in range(3)]
            assert types[-1] == "response.completed"
            assert tracetape.get_current_active_span() is chain

    _, *calls = traces[0].data.spans
    assert [call.name for call in calls] == ["Responses", "Responses"]
    assert {call.parent_id for call in calls} == {chain.span_id}
    assert {call.span_type for call in calls} == {SpanType.CHAT_MODEL}
    assert [call.inputs for call in calls] == [
        {"model": "m", "input": "One?"},
        {"model": "m", "input": "Two?"},
    ]
    for call in calls:
        assert call.outputs == done()
        assert call.token_usage == USAGE
        assert call.get_attribute("tracetape.llm.chunk_count") == 3
        assert call.get_attribute("tracetape.llm.base_url").startswith("https://127.0.0.1:")
        assert call.time_to_first_token_ns > 0


@needs_responses
async def test_async_responses_over_a_websocket(server: Server, span: Callable[[], Any]) -> None:
    """As with the sync ones; iterating is the same as `recv`."""
    server.script["response.create"] = answer()
    client = AsyncOpenAI(**server.client)
    async with client.responses.connect() as connection:
        await connection.response.create(model="m", input="One?")
        async for event in connection:
            if event.type == "response.completed":
                break
    assert span().name == "AsyncResponses"
    assert span().outputs == done()


@needs_responses
def test_an_error_event_ends_the_response(server: Server, span: Callable[[], Any]) -> None:
    """ERROR, with the reason; the user gets the event."""
    error = {"code": "previous_response_not_found", "message": "Gone."}
    server.script["response.create"] = [{"type": "error", "status": 400, "error": error}]
    with OpenAI(**server.client).responses.connect() as connection:
        connection.response.create(model="m", input="One?")
        assert connection.recv().type == "error"
    assert span().status.status_code is SpanStatusCode.ERROR
    assert span().status.description == "previous_response_not_found: Gone."


@needs_responses
@pytest.mark.parametrize("how", ["closed", "lost"])
def test_a_session_that_ends_before_its_response(
    how: str, server: Server, span: Callable[[], Any]
) -> None:
    """What came is kept, and how it ended is said."""
    server.script["response.create"] = [*answer()[:2], *([None] if how == "lost" else [])]
    with OpenAI(**server.client).responses.connect() as connection:
        connection.response.create(model="m", input="One?")
        for _ in connection:
            if how == "closed" and _.type.endswith("delta"):
                break
    assert span().outputs["output"][0]["content"] == [{"type": "output_text", "text": "Hi"}]
    assert span().get_attribute("tracetape.llm.stream_end") == "closed"


SOUND = b"a question"
SPOKEN = {"type": "input_audio", "audio": base64.b64encode(SOUND).decode()}
REALTIME = {"id": "resp-1", "object": "realtime.response", "output": []}
SAID = {"type": "output_audio", "transcript": "Hi"}
REALTIME_USAGE = {
    **USAGE,
    "input_token_details": {"cached_tokens": 1, "audio_tokens": 4},
    "output_token_details": {"audio_tokens": 6},
}
WHERE = {"response_id": "resp-1", "item_id": "i", "output_index": 0, "content_index": 0}


def realtime_answer(status: str = "completed", **details: Any) -> list[dict[str, Any]]:
    said = {"id": "i", "type": "message", "role": "assistant", "content": [SAID]}
    last = {**REALTIME, "status": status, "status_details": details or None, "output": [said]}
    return [
        {"type": "response.created", "response": {**REALTIME, "status": "in_progress"}},
        {"type": "response.output_audio.delta", **WHERE, "delta": base64.b64encode(b"x").decode()},
        {"type": "response.output_audio_transcript.delta", **WHERE, "delta": "Hi"},
        {"type": "response.done", "response": {**last, "usage": REALTIME_USAGE}},
    ]


def test_a_realtime_session(server: Server, span: Callable[[], Any]) -> None:
    """The items that were added are the inputs; the sound that was said is an attachment."""
    server.script["session.update"] = [{"type": "session.updated", "session": {}}]
    server.script["response.create"] = realtime_answer()
    client = OpenAI(**server.client)
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        assert connection.recv().type == "session.updated"
        item: Any = {"type": "message", "role": "user", "content": [SPOKEN]}
        connection.conversation.item.create(item=item)
        connection.response.create(response={"instructions": "Answer."})
        for event in connection:
            if event.type == "response.done":
                break

    assert (span().name, span().span_type) == ("Realtime", SpanType.CHAT_MODEL)
    assert span().inputs["model"] == "gpt-realtime"
    assert span().inputs["instructions"] == "Answer."
    (sent,) = span().inputs["items"]
    assert get_attachment(sent["content"][0]["audio"]).content_bytes == SOUND
    assert span().outputs["output"][0]["content"] == [SAID]
    assert span().token_usage == {
        **USAGE,
        "cache_read_input_tokens": 1,
        "input_audio_tokens": 4,
        "output_audio_tokens": 6,
    }
    assert server.came[1]["item"]["content"] == [SPOKEN]


async def test_a_response_that_the_server_begins(server: Server, span: Callable[[], Any]) -> None:
    """It heard that the user has finished speaking; cut off by him it is no error."""
    server.script["input_audio_buffer.append"] = realtime_answer(
        "cancelled", type="cancelled", reason="turn_detected"
    )
    client = AsyncOpenAI(**server.client)
    async with client.realtime.connect(model="gpt-realtime") as connection:
        await connection.input_audio_buffer.append(audio=SPOKEN["audio"])
        async for event in connection:
            if event.type == "response.done":
                break
    assert span().name == "AsyncRealtime"
    assert span().status.status_code is SpanStatusCode.OK
    assert span().get_attribute("tracetape.llm.finish_reasons") == ["turn_detected"]


def test_a_realtime_response_that_failed(server: Server, span: Callable[[], Any]) -> None:
    """ERROR, with the reason."""
    error = {"type": "server_error", "code": "rate_limit", "message": "Slow down."}
    server.script["response.create"] = realtime_answer("failed", type="failed", error=error)
    with OpenAI(**server.client).realtime.connect(model="m") as connection:
        connection.response.create()
        for event in connection:
            if event.type == "response.done":
                break
    assert span().status.description == "failed: rate_limit: Slow down."


def test_switched_off_the_connections_are_as_they_were() -> None:
    """No wrapper stays."""
    from openai.resources.realtime.realtime import AsyncRealtimeConnection, RealtimeConnection

    methods = ("send", "recv_bytes", "close")
    owners = (RealtimeConnection, AsyncRealtimeConnection)

    def now() -> list[Any]:
        return [getattr(owner, method) for owner in owners for method in methods]

    tracetape.autolog(disable=True)
    before = now()
    tracetape.autolog()
    assert not set(before) & set(now())
    tracetape.autolog(disable=True)
    assert now() == before


def test_a_mock_in_the_place_of_a_socket_is_used_as_it_is(traces: CapturedTraces) -> None:
    """It answers any question about its request, and with nothing that could be read."""
    from openai.resources.realtime.realtime import RealtimeConnection

    socket = Mock()
    socket.recv.return_value = json.dumps({"type": "response.output_text.delta", "delta": "a"})
    assert RealtimeConnection(socket).recv_bytes() == socket.recv.return_value
