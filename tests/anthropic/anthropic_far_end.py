"""A server of Anthropic's messages within the process.

Shapes: Anthropic's API reference, "Messages" and "Streaming messages".
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from anthropic import Anthropic, AsyncAnthropic, DefaultHttpxClient

# The library that this version of the SDK sends with: httpx2, or httpx before.
http: Any = importlib.import_module(
    next(name for one in DefaultHttpxClient.__mro__ if (name := one.__module__).startswith("httpx"))
)

USAGE = {"input_tokens": 5, "output_tokens": 7}
TEXT = {"type": "text", "text": "It is Paris.", "citations": None}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-1",
    "content": [TEXT],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
ASK: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Capital of France?"}],
}


def events_of(message: dict[str, Any], cut: Callable[[str], Iterator[str]]) -> list[Any]:
    """What the server sends for a message."""
    start = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"]}}
    start["usage"]["output_tokens"] = 1
    sent: list[Any] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        kind = block["type"]
        text = json.dumps(block["input"]) if kind == "tool_use" else block[kind]
        empty = {**block, "input": {}} if kind == "tool_use" else {**block, kind: ""}
        if kind == "thinking":
            empty["signature"] = ""
        sent.append({"type": "content_block_start", "index": index, "content_block": empty})
        name, key = {
            "tool_use": ("input_json_delta", "partial_json"),
            "text": ("text_delta", "text"),
            "thinking": ("thinking_delta", "thinking"),
        }[kind]
        for piece in cut(text):
            delta = {"type": name, key: piece}
            sent.append({"type": "content_block_delta", "index": index, "delta": delta})
        if kind == "thinking":
            delta = {"type": "signature_delta", "signature": block["signature"]}
            sent.append({"type": "content_block_delta", "index": index, "delta": delta})
        sent.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    sent.append({"type": "message_delta", "delta": stop, "usage": usage})
    return [*sent, {"type": "message_stop"}]


def whole(text: str) -> Iterator[str]:
    yield text


class FarEnd:
    """The server's side within the process."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answers: list[Any] = []

    def __call__(self, request: Any) -> Any:
        self.requests.append(request)
        if self.answers:
            return self.answers.pop(0)
        headers = {"request-id": "req_1"}
        if not json.loads(request.content).get("stream"):
            return http.Response(200, json=MESSAGE, headers=headers)
        headers["content-type"] = "text/event-stream"
        return http.Response(200, content=sse(events_of(MESSAGE, whole)), headers=headers)

    def client(self, **options: Any) -> Anthropic:
        client = http.Client(transport=http.MockTransport(self))
        return Anthropic(api_key="k", http_client=client, **options)

    def async_client(self) -> AsyncAnthropic:
        client = http.AsyncClient(transport=http.MockTransport(self))
        return AsyncAnthropic(api_key="k", http_client=client)


def sse(sent: list[Any]) -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in sent).encode()
