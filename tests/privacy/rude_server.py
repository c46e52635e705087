"""A loopback server that says again whatever it was sent, in every spelling there is.

It is also a proxy, a workspace of Databricks with its token endpoint, and a collector.
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["RudeServer", "forms_of", "rude_server"]


class RudeServer(ThreadingHTTPServer):
    """Its address, the token that it grants, and the bodies that a collector would keep."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.token = "granted"
        self.collected: list[bytes] = []


@contextmanager
def rude_server() -> Iterator[RudeServer]:
    """The server, as long as the block runs."""
    server = RudeServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def forms_of(key: str) -> list[str]:
    """How a key may be found in what was written."""
    return [
        key,
        "".join(one for one in key if one.isalnum()),
        *(quote(key, safe=safe) for safe in ("", "/")),
        *(key.replace("/", "\\" * depth + "/") for depth in (1, 2, 3)),
        *(b64encode(b"\0" * shift + key.encode()).decode()[4:-4] for shift in range(3)),
    ]


def _spellings(headers: dict[str, str]) -> str:
    values = "|".join(headers.values())
    words = [value.rpartition(" ")[2] for value in headers.values()]
    basic = [
        b64encode(f"{user}:{word}".encode()).decode() for word in words for user in ("a", "ab")
    ]
    quoted = [quote(values), quote(values, safe=""), quote_plus(values)]
    escaped = [values.replace("/", "\\/"), json.dumps(json.dumps({"a": values})), repr(values)]
    return " ".join([values, *quoted, *escaped, *basic])


class _Handler(BaseHTTPRequestHandler):
    server: RudeServer

    def log_message(self, *args: Any) -> None:
        pass

    def do_CONNECT(self) -> None:
        self._send(407, str(dict(self.headers)).encode(), "text/plain")

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(data)
        except ValueError:
            body = {}
        if "collect" in self.path:
            self.server.collected.append(data)
            self._send(200, b"", "application/x-protobuf")
        elif "databricks-config" in self.path:
            self._answer({"oidc_endpoint": f"{self.server.url}/oidc"})
        elif "well-known" in self.path:
            name = f"{self.server.url}/oidc/v1/"
            self._answer({"token_endpoint": f"{name}token", "authorization_endpoint": name})
        elif "/oidc/" in self.path:
            token = {"access_token": self.server.token, "token_type": "Bearer", "expires_in": 900}
            self._answer(token)
        else:
            headers = {name: str(value) for name, value in self.headers.items()}
            said = f"not known: {headers} {self.path} {data.decode('utf-8', 'replace')} "
            self._echo(body if isinstance(body, dict) else {}, said + _spellings(headers))

    def _echo(self, body: dict[str, Any], said: str) -> None:
        if "fail" in self.path or body.get("model") == "fail":
            error = {"message": said, "type": "invalid_request_error", "code": "invalid_api_key"}
            self._answer({"error": error, "error_code": "UNAUTHENTICATED", "message": said}, 401)
        elif body.get("stream"):
            self._stream(said)
        elif "responses" in self.path:
            part = {"type": "output_text", "text": said, "annotations": []}
            message = {"type": "message", "id": "m", "role": "assistant", "content": [part]}
            self._answer(
                {
                    "id": "r1",
                    "object": "response",
                    "created_at": 1,
                    "model": "m",
                    "output": [{**message, "status": "completed"}],
                    "tools": body.get("tools", []),
                    "status": "completed",
                }
            )
        elif "messages" in self.path:
            self._answer(
                {
                    "id": "m1",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude",
                    "content": [{"type": "text", "text": said}],
                    "stop_reason": "end_turn",
                    "usage": {"input_tokens": 1, "output_tokens": 1},
                }
            )
        else:
            choice = {"index": 0, "finish_reason": "stop"}
            message = {"role": "assistant", "content": said}
            self._answer(
                {
                    "id": "c1",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m",
                    "text": said,
                    "choices": [{**choice, "message": message}],
                }
            )

    def _stream(self, said: str) -> None:
        """The text in pieces, and once more as arguments of a tool."""
        said = said[:900]
        text = json.dumps({"said": said})
        call = {"index": 0, "id": "t", "type": "function"}
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": said[at : at + 8]} for at in range(0, len(said), 8)]
        deltas += [{"tool_calls": [{**call, "function": {"name": "f", "arguments": ""}}]}]
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": text[at : at + 9]}}]}
            for at in range(0, len(text), 9)
        ]
        frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [{**frame, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        lines = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
        self._send(200, b"".join([*lines, b"data: [DONE]\n\n"]), "text/event-stream")

    def _answer(self, answer: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(answer).encode(), "application/json")

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
