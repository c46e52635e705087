"""One key put in through every way there is: it is in no store, export, tape or log.

The server is a loopback one that sends back whatever it was sent, as rude servers do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cassettes import cassette
from tracetape.cli.main import main
from tracetape.entities import SpanEvent, SpanStatus

CANARY = "cnry-7Qx2Vb91LmZt/4+Kd0Wp"  # of no shape that anybody gives keys
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
CHUNK = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}],
}


class Rude(BaseHTTPRequestHandler):
    """Answers with the headers, the path and the tools that it was asked with."""

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Anything below /fail is refused."""
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        said = f"not known here: {dict(self.headers)} {self.path} {json.dumps(body)}"
        if "fail" in self.path or body.get("model") == "fail":
            error = {"message": said, "type": "invalid_request_error", "code": "invalid_api_key"}
            status, answer = 401, {"error": error, "error_code": "UNAUTHENTICATED", "message": said}
        elif "messages" in self.path:
            status, answer = (
                200,
                {
                    "id": "m1",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude",
                    "content": [{"type": "text", "text": said}],
                    "stop_reason": "end_turn",
                    "usage": {"input_tokens": 1, "output_tokens": 1},
                },
            )
        elif "responses" in self.path:
            status, answer = (
                200,
                {
                    "id": "r1",
                    "object": "response",
                    "created_at": 1,
                    "model": "m",
                    "output": [],
                    "tools": body.get("tools", []),
                    "status": "completed",
                },
            )
        elif body.get("stream"):
            chunk = json.loads(json.dumps(CHUNK))
            chunk["choices"][0]["delta"]["content"] = said
            data = b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode()
            self._send(200, data, "text/event-stream")
            return
        else:
            status, answer = (
                200,
                {
                    "id": "c1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": said},
                        }
                    ],
                },
            )
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(autouse=True)
def autologged() -> Iterator[None]:
    """All is traced, in these tests only."""
    tracetape.autolog()
    yield
    tracetape.autolog(disable=True)


@pytest.fixture
def server() -> Iterator[str]:
    """The server's address."""
    served = ThreadingHTTPServer(("127.0.0.1", 0), Rude)
    thread = threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    served.server_close()
    thread.join()


def plain(url: str) -> None:
    openai.OpenAI(base_url=f"{url}/v1", api_key=CANARY).chat.completions.create(**ASK)


def streamed(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=CANARY)
    for _ in client.chat.completions.create(**ASK, stream=True):
        pass


def raw(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=CANARY)
    client.chat.completions.with_raw_response.create(**ASK).parse()


def failing(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/fail/v1", api_key=CANARY, max_retries=0)
    client.chat.completions.create(**ASK)


def asynchronous(url: str) -> None:
    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=CANARY) as client:
            await client.chat.completions.create(**ASK)
            async for _ in await client.chat.completions.create(**ASK, stream=True):
                pass
        async with openai.AsyncOpenAI(base_url=f"{url}/fail", api_key=CANARY) as client:
            await client.chat.completions.create(**ASK)

    asyncio.run(ask())


def newline(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=f"{CANARY}\n", max_retries=0)
    client.chat.completions.create(**ASK)


def headers(url: str) -> None:
    extra = {"Authorization": f"Bearer {CANARY}", "x-api-key": CANARY, "Cookie": f"sid={CANARY}"}
    client = openai.OpenAI(base_url=f"{url}/fail/v1", api_key="none", max_retries=0)
    client.chat.completions.create(**ASK, extra_headers=extra)


def default_headers(url: str) -> None:
    given = {"api-key": CANARY}
    openai.OpenAI(
        base_url=f"{url}/v1", api_key="none", default_headers=given
    ).chat.completions.create(**ASK)


def query(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/fail/v1", api_key="none", max_retries=0)
    client.chat.completions.create(**ASK, extra_query={"api_key": CANARY})


def extra_body(url: str) -> None:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    client.chat.completions.create(**ASK, extra_body={"authorization": CANARY, "api_key": CANARY})


def user_info(url: str) -> None:
    base = url.replace("://", f"://me:{CANARY.replace('/', '%2F')}@")
    client = openai.OpenAI(base_url=f"{base}/fail/v1", api_key="none", max_retries=0)
    client.chat.completions.create(**ASK)


def path(url: str) -> None:
    key = "sk-proj-" + CANARY.replace("/", "").replace("+", "")
    openai.OpenAI(base_url=f"{url}/k/{key}/v1", api_key="none").chat.completions.create(**ASK)


def azure(url: str) -> None:
    for login in ({"api_key": CANARY}, {"azure_ad_token_provider": lambda: CANARY}):
        client = openai.AzureOpenAI(
            azure_endpoint=f"{url}/fail", api_version="1", max_retries=0, **login
        )
        with suppress(openai.OpenAIError):
            client.chat.completions.create(**ASK)


def mcp(url: str) -> None:
    tool = {
        "type": "mcp",
        "server_label": "s",
        "server_url": f"https://me:{CANARY.replace('/', '%2F')}@x.test/sse?api_key={CANARY}",
        "authorization": CANARY,
        "headers": {"X-Anything": CANARY},
    }
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    client.responses.create(model="m", input="x", tools=[tool])
    client.responses.create(model="fail", input="x", tools=[tool])


def of_anthropic(url: str) -> None:
    client = anthropic.Anthropic(base_url=url, api_key=CANARY, max_retries=0)
    server = {"type": "url", "url": f"https://x?token={CANARY}", "name": "n"}
    client.beta.messages.create(
        **ASK, max_tokens=1, mcp_servers=[{**server, "authorization_token": CANARY}]
    )
    anthropic.Anthropic(base_url=f"{url}/fail", auth_token=CANARY, max_retries=0).messages.create(
        **ASK, max_tokens=1
    )


def databricks(url: str) -> None:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import (
        ChatMessage,
        ChatMessageRole,
        ExternalFunctionRequestHttpMethod,
    )

    client = WorkspaceClient(host=url, token=CANARY)
    with suppress(Exception):
        client.serving_endpoints.http_request(
            conn="c",
            method=ExternalFunctionRequestHttpMethod.POST,
            path=f"/p?api_key={CANARY}",
            headers={"Authorization": f"Bearer {CANARY}"},
            params={"token": CANARY},
            json={"password": CANARY},
        )
    message = ChatMessage(role=ChatMessageRole.USER, content="x")
    client.serving_endpoints.query("fail", messages=[message])


WAYS = [
    *(plain, streamed, raw, failing, asynchronous, newline, headers, default_headers, query),
    *(extra_body, user_info, path, azure, mcp, of_anthropic, databricks),
]


def forms() -> list[bytes]:
    """How the key may be written."""
    squeezed = CANARY.replace("/", "").replace("+", "")
    return [
        CANARY.encode(),
        squeezed.encode(),
        CANARY.replace("/", "%2F").encode(),
        CANARY.replace("/", "%2F").replace("+", "%2B").encode(),
        CANARY.replace("/", "\\/").encode(),
        b64encode(f"me:{CANARY}".encode()),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_nowhere_on_disk(
    way: Callable[[str], None],
    server: str,
    store_path: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither the store nor an export, a tape or a log of ours has it, nor an outer span."""
    caplog.set_level(logging.DEBUG, logger="tracetape")
    tape = tmp_path / "tape.yaml"

    @tracetape.trace
    def outer() -> None:
        way(server)

    with suppress(Exception), cassette(tape, mode="all"):
        outer()
    with suppress(Exception):
        outer()
    assert tracetape.flush(10) == 0
    jsonl = tmp_path / "traces.jsonl"
    result = CliRunner().invoke(main, ["export", "--jsonl", str(jsonl), "--store", str(store_path)])
    assert result.exit_code == 0, result.output
    assert len(jsonl.read_text().splitlines()) == 2
    written = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    ours = "\n".join(record.getMessage() for record in caplog.records if "tracetape" in record.name)
    live = "".join(t.to_json() for t in tracetape.search_traces(return_type="list"))
    for form in forms():
        assert form not in written
        assert form not in ours.encode()
        assert form not in live.encode()


def test_a_key_used_once_is_hidden_in_what_other_spans_say(server: str, store_path: Path) -> None:
    """Environments and errors of the program's own have it too."""
    plain(server)
    with suppress(RuntimeError), tracetape.start_span(f"login {CANARY}") as span:
        span.set_inputs({"environment": {"OPENAI_API_KEY": CANARY}, CANARY: 1})
        tracetape.update_current_trace(tags={"t": CANARY}, metadata={"m": CANARY}, user=CANARY)
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise RuntimeError("cannot log in") from error
    tracetape.log_feedback(trace_id=span.trace_id, value="x", rationale=f"it is {CANARY}")
    assert tracetape.flush(10) == 0
    written = b"".join(one.read_bytes() for one in store_path.parent.rglob("*.db*"))
    assert not [form for form in forms() if form in written]
    assert b"cannot log in" in written


@pytest.mark.parametrize(
    "odd", [None, 7, b"bytes", object(), ["a", {"b": 1}]], ids=lambda odd: type(odd).__name__
)
def test_what_is_no_text_is_recorded_beside_a_known_key(
    odd: Any, server: str, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Names, events and statuses may be anything; looking for a key in them loses no trace."""
    plain(server)
    with tracetape.start_span(odd) as span:
        span.add_event(SpanEvent(odd, attributes={"note": CANARY}))
        span.set_status(SpanStatus("ERROR", odd))
    with tracetape.start_span("next"):
        pass
    assert tracetape.flush(20) == 0
    assert tracetape.stats()["lost"] == 0
    assert query("SELECT count(*) FROM traces") == [(3,)]
