"""Ways in which programs call the SDK, each with everything that the program can see of it."""

from __future__ import annotations

import asyncio
import copy
import traceback
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
from far_end import ASK, COMPLETION, FarEnd, chunk, events, http
from openai import AsyncOpenAI, AzureOpenAI, OpenAI, Stream
from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

Scenario = Callable[[FarEnd], "Any | Awaitable[Any]"]
SCENARIOS: dict[str, Scenario] = {}
# What old versions of the SDK have not.
NEEDS = {
    "binary": "with_streaming_response",
    "binary_in_parts_async": "with_streaming_response",
    "parse": "parse",
    "stream_in_a_with_block": "with_streaming_response",  # as old as `close` of streams
    "stream_left_by_break": "with_streaming_response",
    "stream_with_an_error_in_the_loop": "with_streaming_response",
    "stream_helper": "stream",
    "stream_helper_async": "stream",
    "stream_raw_lines": "with_streaming_response",
    "with_streaming_response_bytes": "with_streaming_response",
    "with_streaming_response_json": "with_streaming_response",
    "with_streaming_response_unread": "with_streaming_response",
}


def scenario(function: Scenario) -> Scenario:
    if hasattr(Completions, NEEDS.get(function.__name__, "create")):
        SCENARIOS[function.__name__] = function
    return function


def seen(value: Any) -> Any:
    """What a program can see of a value: its type, and its content."""
    if isinstance(value, BaseModel):
        return (
            type(value).__name__,
            value.model_dump_json(warnings=False),
            getattr(value, "_request_id", "-"),
        )
    if isinstance(value, list):
        return [seen(item) for item in value]
    return (type(value).__name__, value)


# -- plain -----------------------------------------------------------------------------------------


@scenario
def create(far: FarEnd) -> Any:
    return seen(far.client().chat.completions.create(**ASK))


@scenario
async def create_async(far: FarEnd) -> Any:
    return seen(await far.async_client().chat.completions.create(**ASK))


class Answer(BaseModel):
    city: str


@scenario
def parse(far: FarEnd) -> Any:
    message = {"role": "assistant", "content": '{"city": "Paris"}'}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    far.answers = [http.Response(200, json={**COMPLETION, "choices": [choice]})]
    answer = far.client().chat.completions.parse(**ASK, response_format=Answer)
    return seen(answer), seen(answer.choices[0].message.parsed)


@scenario
def with_raw_response(far: FarEnd) -> Any:
    raw = far.client().chat.completions.with_raw_response.create(**ASK)
    return type(raw).__name__, raw.status_code, dict(raw.headers), raw.content, seen(raw.parse())


@scenario
async def with_raw_response_async(far: FarEnd) -> Any:
    raw = await far.async_client().chat.completions.with_raw_response.create(**ASK)
    return type(raw).__name__, raw.content, seen(raw.parse())


@scenario
def with_streaming_response_json(far: FarEnd) -> Any:
    with far.client().chat.completions.with_streaming_response.create(**ASK) as response:
        return type(response).__name__, response.json(), response.http_response.is_closed


@scenario
def with_streaming_response_unread(far: FarEnd) -> Any:
    with far.client().chat.completions.with_streaming_response.create(**ASK) as response:
        inner = response.http_response
    return inner.is_closed, inner.is_stream_consumed


@scenario
async def with_streaming_response_bytes(far: FarEnd) -> Any:
    calls = far.async_client().chat.completions.with_streaming_response
    async with calls.create(**ASK) as response:
        return b"".join([part async for part in response.iter_bytes()])


@scenario
def low_level_post(far: FarEnd) -> Any:
    path = "/chat/completions"
    return seen(far.client().post(path, cast_to=ChatCompletion, body=copy.deepcopy(ASK)))


@scenario
def low_level_post_as_httpx(far: FarEnd) -> Any:
    answer = far.client().post("/chat/completions", cast_to=http.Response, body=ASK)
    return type(answer).__name__, answer.content


@scenario
def with_options(far: FarEnd) -> Any:
    client = far.client().with_options(timeout=3, max_retries=0)
    return seen(client.chat.completions.create(**ASK))


@scenario
def module_client(far: FarEnd) -> Any:
    openai.api_key = "k"
    openai.base_url = "https://far.end/v1/"
    openai.http_client = http.Client(transport=http.MockTransport(far))
    try:
        return seen(openai.chat.completions.create(**ASK))
    finally:
        openai.api_key = openai.base_url = openai.http_client = None
        openai._reset_client()


@scenario
def azure(far: FarEnd) -> Any:
    client = AzureOpenAI(
        api_key="k",
        api_version="2024-10-21",
        azure_endpoint="https://mine.openai.azure.com",
        http_client=http.Client(transport=http.MockTransport(far)),
    )
    return seen(client.chat.completions.create(**ASK))


class MyOpenAI(OpenAI):
    """A user's own client."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)


@scenario
def users_subclass(far: FarEnd) -> Any:
    transport = http.MockTransport(far)
    client = MyOpenAI(
        api_key="k", base_url="https://far.end/v1", http_client=http.Client(transport=transport)
    )
    return seen(client.chat.completions.create(**ASK))


@scenario
def extras(far: FarEnd) -> Any:
    extra: dict[str, Any] = {
        "extra_headers": {"X-Mine": "1"},
        "extra_query": {"q": "1"},
        "extra_body": {"top_k": 3},
    }
    before = copy.deepcopy(extra)
    answer = seen(far.client().chat.completions.create(**ASK, **extra))
    return answer, extra == before


@scenario
def messages_from_an_iterator(far: FarEnd) -> Any:
    def once() -> Iterator[Any]:
        yield from ASK["messages"]

    messages = once()
    answer = seen(far.client().chat.completions.create(model="m", messages=messages))
    return answer, list(messages)


@scenario
def arguments_are_not_changed(far: FarEnd) -> Any:
    given = copy.deepcopy(ASK)
    answer = far.client().chat.completions.create(**given)
    answer.choices[0].message.content = "changed"
    return given == ASK, given["messages"][0] is not ASK["messages"][0]


@scenario
async def many_at_once(far: FarEnd) -> Any:
    client = far.async_client()
    answers = await asyncio.gather(*(client.chat.completions.create(**ASK) for _ in range(20)))
    return [seen(answer) for answer in answers]


@scenario
def models_list(far: FarEnd) -> Any:
    far.answers = [http.Response(200, json={"object": "list", "data": []})]
    return [model.id for model in far.client().models.list()]


# -- streams ---------------------------------------------------------------------------------------


@scenario
def stream(far: FarEnd) -> Any:
    chunks = far.client().chat.completions.create(**ASK, stream=True)
    kind = chunks.response.headers["content-type"]
    head = isinstance(chunks, Stream), chunks.response.status_code, kind
    return head, [seen(one) for one in chunks], chunks.response.is_closed


@scenario
async def stream_async(far: FarEnd) -> Any:
    chunks = await far.async_client().chat.completions.create(**ASK, stream=True)
    return [seen(one) async for one in chunks], chunks.response.is_closed


@scenario
def stream_helper(far: FarEnd) -> Any:
    with far.client().chat.completions.stream(**ASK) as stream:
        kinds = [event.type for event in stream]
        return kinds, seen(stream.get_final_completion())


@scenario
async def stream_helper_async(far: FarEnd) -> Any:
    async with far.async_client().chat.completions.stream(**ASK) as stream:
        kinds = [event.type async for event in stream]
        return kinds, seen(await stream.get_final_completion())


@scenario
def stream_left_by_break(far: FarEnd) -> Any:
    chunks = far.client().chat.completions.create(**ASK, stream=True)
    for one in chunks:
        first = seen(one)
        break
    closed = chunks.response.is_closed
    chunks.close()
    return first, closed, chunks.response.is_closed


@scenario
def stream_in_a_with_block(far: FarEnd) -> Any:
    with far.client().chat.completions.create(**ASK, stream=True) as chunks:
        first = seen(next(chunks))
    return first, chunks.response.is_closed


@scenario
def stream_with_an_error_in_the_loop(far: FarEnd) -> Any:
    with far.client().chat.completions.create(**ASK, stream=True) as chunks:
        for _ in chunks:
            raise LookupError("mine")


@scenario
def stream_with_an_error_of_the_server(far: FarEnd) -> Any:
    bad = b'data: {"error": {"message": "overloaded", "code": 500}}\n\n'
    far.answers = [sse(events(chunk({"content": "H"}), done=False) + bad)]
    return [seen(one) for one in far.client().chat.completions.create(**ASK, stream=True)]


class Reset(http.SyncByteStream):
    """A connection that ends in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield events(chunk({"content": "H"}), done=False)
        raise http.ReadError("connection reset")


@scenario
def stream_with_a_reset_connection(far: FarEnd) -> Any:
    far.answers = [http.Response(200, stream=Reset(), headers=EVENT_STREAM)]
    return [seen(one) for one in far.client().chat.completions.create(**ASK, stream=True)]


@scenario
def stream_raw_lines(far: FarEnd) -> Any:
    calls = far.client().chat.completions.with_streaming_response
    with calls.create(**ASK, stream=True) as response:
        return list(response.iter_lines())


@scenario
def stream_raw_parsed(far: FarEnd) -> Any:
    raw = far.client().chat.completions.with_raw_response.create(**ASK, stream=True)
    return [seen(one) for one in raw.parse()]


class MyStream(Stream[ChatCompletionChunk]):
    """A user's own class of streams."""


@scenario
def stream_of_the_users_class(far: FarEnd) -> Any:
    answer = far.client().post(
        "/chat/completions",
        cast_to=ChatCompletionChunk,
        body={**ASK, "stream": True},
        stream=True,
        stream_cls=MyStream,
    )
    return type(answer).__name__, [seen(one) for one in answer]


@scenario
async def stream_that_is_cancelled(far: FarEnd) -> Any:
    far.answers = [http.Response(200, stream=Stuck(), headers=EVENT_STREAM)]
    came = []

    async def consume() -> None:
        async for one in await far.async_client().chat.completions.create(**ASK, stream=True):
            came.append(seen(one))

    task = asyncio.create_task(consume())
    while not came:  # noqa: ASYNC110 - an event would have to be set by a chunk
        await asyncio.sleep(0)
    task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return came, type(outcome).__name__


class Stuck(http.AsyncByteStream):
    """A server that says something and then nothing more."""

    async def __aiter__(self) -> Any:
        yield events(chunk({"content": "H"}), done=False)
        await asyncio.sleep(3600)


# -- errors ----------------------------------------------------------------------------------------


@scenario
def bad_request(far: FarEnd) -> Any:
    far.answers = [http.Response(400, json={"error": {"message": "no", "code": "bad"}})]
    far.client().chat.completions.create(**ASK)


@scenario
async def bad_request_async(far: FarEnd) -> Any:
    far.answers = [http.Response(400, json={"error": {"message": "no", "code": "bad"}})]
    await far.async_client().chat.completions.create(**ASK)


@scenario
def no_connection(far: FarEnd) -> Any:
    far.answers = [http.ConnectError("down")] * 3
    far.client().chat.completions.create(**ASK)


@scenario
def time_out(far: FarEnd) -> Any:
    far.answers = [http.ReadTimeout("slow")] * 3
    far.client().chat.completions.create(**ASK)


@scenario
def retried(far: FarEnd) -> Any:
    far.answers = [http.Response(429, headers={"retry-after-ms": "1"})]
    return seen(far.client().chat.completions.create(**ASK)), len(far.requests)


@scenario
def no_json(far: FarEnd) -> Any:
    far.answers = [http.Response(200, content=b"<html>", headers={"content-type": "text/html"})]
    return seen(far.client().chat.completions.create(**ASK))


@scenario
def wrong_argument(far: FarEnd) -> Any:
    far.client().chat.completions.create(messages=[])  # type: ignore[call-overload]


@scenario
def unserialisable_argument(far: FarEnd) -> Any:
    far.client().chat.completions.create(**ASK, extra_body={"odd": object()})


EVENT_STREAM = {"content-type": "text/event-stream"}


def sse(content: bytes) -> http.Response:
    return http.Response(200, content=content, headers=EVENT_STREAM)


async def observe(name: str, far: FarEnd) -> dict[str, Any]:
    """Run a scenario; all that its program, and the server, saw."""
    result: Any = None
    error: Any = None
    try:
        answer = SCENARIOS[name](far)
        result = await answer if isinstance(answer, Awaitable) else answer
    except Exception as caught:  # noqa: BLE001 - what the user would see
        last = traceback.extract_tb(caught.__traceback__)[-1]
        cause = caught.__cause__
        error = (type(caught), str(caught), last.filename, last.name, last.lineno, repr(cause))
    wire = [
        (r.method, str(r.url), r.content, sorted(h for h in r.headers.items() if kept(h[0])))
        for r in far.requests
    ]
    return {"result": result, "error": error, "wire": wire}


def kept(header: str) -> bool:
    # The one that we add, and the one that the SDK makes anew for each call.
    return header not in ("traceparent", "idempotency-key")


__all__ = ["SCENARIOS", "AsyncOpenAI", "observe"]
