"""Ways in which programs call the other endpoints, and more ways to leave a stream."""

from __future__ import annotations

import base64
import gc
import io
import struct
import threading
from typing import Any

import httpx
from far_end import ASK, FarEnd, completion_answer, events, http, stream_answer
from openai import OpenAI
from pydantic import BaseModel
from scenarios import EVENT_STREAM, scenario, seen

PART = {"type": "output_text", "text": '{"city": "Paris"}', "annotations": []}
MESSAGE = {"id": "msg-1", "type": "message", "role": "assistant", "status": "completed"}
RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "created_at": 1,
    "model": "m-1",
    "status": "completed",
    "output": [{**MESSAGE, "content": [PART]}],
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
WHERE = {"output_index": 0, "content_index": 0, "item_id": "msg-1"}
DELTA = {**WHERE, "delta": PART["text"], "logprobs": []}
RESPONSE_EVENTS = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
    {"type": "response.content_part.added", **WHERE, "part": {**PART, "text": ""}},
    {"type": "response.output_text.delta", **DELTA},
    {"type": "response.output_text.done", **WHERE, "text": PART["text"], "logprobs": []},
    {"type": "response.content_part.done", **WHERE, "part": PART},
    {"type": "response.output_item.done", "output_index": 0, "item": RESPONSE["output"][0]},
    {"type": "response.completed", "response": RESPONSE},
]


def response_stream() -> Any:
    numbered = [{**event, "sequence_number": n} for n, event in enumerate(RESPONSE_EVENTS)]
    return http.Response(200, content=events(*numbered, done=False), headers=EVENT_STREAM)


class City(BaseModel):
    city: str


if hasattr(OpenAI, "responses"):

    @scenario
    def responses(far: FarEnd) -> Any:
        far.answers = [http.Response(200, json=RESPONSE)]
        answer = far.client().responses.create(model="m", input="?")
        return seen(answer), answer.output_text

    @scenario
    async def responses_async_parse(far: FarEnd) -> Any:
        far.answers = [http.Response(200, json=RESPONSE)]
        client = far.async_client()
        answer = await client.responses.parse(model="m", input="?", text_format=City)
        return seen(answer), seen(answer.output_parsed)

    @scenario
    def responses_stream(far: FarEnd) -> Any:
        far.answers = [response_stream()]
        with far.client().responses.create(model="m", input="?", stream=True) as stream:
            return type(stream).__mro__[-3].__name__, [seen(event) for event in stream]

    @scenario
    async def responses_stream_helper_async(far: FarEnd) -> Any:
        far.answers = [response_stream()]
        async with far.async_client().responses.stream(
            model="m", input="?", text_format=City
        ) as stream:
            came = [event.type async for event in stream]
            return came, seen(await stream.get_final_response())

    @scenario
    def responses_raw(far: FarEnd) -> Any:
        far.answers = [http.Response(200, json=RESPONSE)]
        raw = far.client().responses.with_raw_response.create(model="m", input="?")
        return raw.content, seen(raw.parse())


def vectors() -> Any:
    vector = base64.b64encode(struct.pack("<2f", 0.5, 1.0)).decode()
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    body = {"object": "list", "model": "e", "data": data, "usage": {"total_tokens": 1}}
    return http.Response(200, json=body)


@scenario
def embeddings(far: FarEnd) -> Any:
    far.answers = [vectors()]
    return seen(far.client().embeddings.create(model="e", input="a"))


@scenario
async def embeddings_in_base64_async(far: FarEnd) -> Any:
    far.answers = [vectors()]
    client = far.async_client()
    return seen(await client.embeddings.create(model="e", input="a", encoding_format="base64"))


@scenario
def completions_stream(far: FarEnd) -> Any:
    head = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
    choice = {"index": 0, "text": "Hi", "finish_reason": "stop", "logprobs": None}
    body = events({**head, "choices": [choice]})
    far.answers = [http.Response(200, content=body, headers=EVENT_STREAM)]
    return [
        seen(one) for one in far.client().completions.create(model="m", prompt="x", stream=True)
    ]


@scenario
def upload(far: FarEnd) -> Any:
    far.answers = [http.Response(200, json={"text": "Hello."})]
    file = io.BytesIO(b"RIFF sound")
    file.name = "a.wav"
    answer = far.client().audio.transcriptions.create(model="a", file=file)
    far.requests[0].headers["content-type"] = "multipart"  # its boundary is random
    body, far.requests[0]._content = far.requests[0].content, b""
    return seen(answer), b"RIFF sound" in body, file.tell(), file.closed


@scenario
def binary(far: FarEnd) -> Any:
    headers = {"content-type": "audio/mpeg"}
    far.answers = [http.Response(200, content=b"ID3 sound", headers=headers)] * 2
    client = far.client()
    whole = client.audio.speech.create(model="s", voice="alloy", input="Hi")
    again = client.audio.speech.create(model="s", voice="alloy", input="Hi")
    return type(whole).__name__, whole.content, b"".join(again.iter_bytes()), again.read()


@scenario
async def binary_in_parts_async(far: FarEnd) -> Any:
    headers = {"content-type": "audio/mpeg"}
    far.answers = [http.Response(200, content=b"ID3 sound", headers=headers)]
    speech = far.async_client().audio.speech.with_streaming_response
    async with speech.create(model="s", voice="alloy", input="Hi") as answer:
        return type(answer).__name__, [part async for part in answer.iter_bytes(4)]


@scenario
def legacy_httpx_client(far: FarEnd) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        far.requests.append(request)
        given = completion_answer()
        return httpx.Response(200, content=given.content, headers=dict(given.headers))

    client = httpx.Client(transport=httpx.MockTransport(answer))
    mine = OpenAI(api_key="k", base_url="https://far.end/v1", http_client=client)
    return seen(mine.chat.completions.create(**ASK))


@scenario
def stream_in_another_thread(far: FarEnd) -> Any:
    stream = far.client().chat.completions.create(**ASK, stream=True)
    came: list[Any] = []
    thread = threading.Thread(target=lambda: came.extend(seen(one) for one in stream))
    thread.start()
    thread.join()
    return came


@scenario
def stream_that_is_forgotten(far: FarEnd) -> Any:
    far.answers = [stream_answer({})]
    stream = far.client().chat.completions.create(**ASK, stream=True)
    first = seen(next(stream))
    response = stream.response
    del stream
    gc.collect()
    return first, response.is_closed
