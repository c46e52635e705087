"""What `make packaged` packages: calls, a tape, a thread and a child process, all traced.

It is its own server. Its last line says what came of it; the rest is in its store.
"""

from __future__ import annotations

import os
import sys

# Packages that are not in the program, where a way of packaging leaves them out.
sys.path += filter(None, [os.environ.get("PROGRAM_PATH")])

import asyncio
import json
import multiprocessing
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import tracetape

tracetape.autolog()

import openai  # noqa: E402 - after autolog, and after the path is complete

CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "hello"},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
TEXT = {"type": "output_text", "text": "hello", "annotations": []}
MESSAGE = {"type": "message", "id": "a", "role": "assistant", "status": "completed"}
RESPONSE = {
    "id": "r",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [{**MESSAGE, "content": [TEXT]}],
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [],
}


class Server(BaseHTTPRequestHandler):
    """Answers each call with the same."""

    def do_POST(self) -> None:  # noqa: D102
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(RESPONSE if self.path.endswith("responses") else CHAT).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def ask(client: openai.OpenAI) -> str:
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    return answer.choices[0].message.content or ""


def child() -> None:
    with tracetape.start_span("child") as span:
        span.set_outputs(os.getpid())
    tracetape.flush()


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = {"api_key": "k", "base_url": f"http://127.0.0.1:{server.server_port}/v1"}
    client = openai.OpenAI(**place)
    answers = []

    def in_thread() -> None:
        with tracetape.start_span("thread") as span:
            span.set_outputs(answers.append(ask(client)) or "done")

    with tracetape.start_span("root") as span:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        span.set_outputs(len(answers))

    with tracetape.cassette("tape.yaml", mode="once"):
        answers.append(ask(client))

    async def asynchronous() -> str:
        async with openai.AsyncOpenAI(**place) as other:
            return (await other.responses.create(model="m", input="hi")).output_text

    answers.append(asyncio.run(asynchronous()))
    server.shutdown()
    server.server_close()
    with tracetape.cassette("tape.yaml", mode="none"):
        answers.append(ask(client))  # the tape's

    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
    tracetape.flush()
    print(json.dumps({"answers": answers, "child": process.exitcode}))


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
