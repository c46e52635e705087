"""A server of chat completions within the process.

The shapes are those of OpenAI's API reference: "The chat completion object", "The chat completion
chunk object".
"""

from __future__ import annotations

import importlib
import json
import typing
from typing import Any

import openai
from openai import AsyncOpenAI, OpenAI

# openai 3 speaks through httpx2, older ones through httpx.
VERSION = tuple(int(part) for part in openai.__version__.split(".")[:2])
http: Any = importlib.import_module("httpx2" if VERSION >= (3, 0) else "httpx")
# For `cast_to`: openai 1.0 knows no `object`, and takes `dict[str, object]` for a class.
OBJECT: Any = typing.Dict[str, object]  # noqa: UP006

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    ],
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def chunk(delta: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    return {**head, "choices": choices, **more}


def events(*chunks: dict[str, Any], done: bool = True) -> bytes:
    body = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in chunks)
    return body + (b"data: [DONE]\n\n" if done else b"")


class FarEnd:
    """The server's side within the process: what came, and what is answered in turn."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else answer
        body = json.loads(request.content or b"{}")
        return stream_answer(body) if body.get("stream") else completion_answer()

    def client(self, **options: Any) -> OpenAI:
        options["http_client"] = http.Client(transport=http.MockTransport(self))
        return OpenAI(api_key="k", base_url="https://far.end/v1", **options)

    def async_client(self) -> AsyncOpenAI:
        client = http.AsyncClient(transport=http.MockTransport(self))
        return AsyncOpenAI(api_key="k", base_url="https://far.end/v1", http_client=client)


def completion_answer() -> Any:
    return http.Response(200, json=COMPLETION, headers={"x-request-id": "req_1"})


def stream_answer(body: dict[str, Any]) -> Any:
    chunks = [chunk({"role": "assistant", "content": "H"}), chunk({"content": "i"})]
    if body.get("stream_options", {}).get("include_usage"):
        chunks.append(chunk(None, usage=USAGE))
    return http.Response(
        200, content=events(*chunks), headers={"content-type": "text/event-stream"}
    )
