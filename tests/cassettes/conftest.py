"""A server on loopback that stands for the real services while a tape is recorded."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CHUNKS = [
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}\n\n',
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]


def completion(text: str) -> dict[str, Any]:
    """A plain answer of the chat endpoint."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


class Handler(BaseHTTPRequestHandler):
    """Answers by path; knows how often it was asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # else each write waits for the client's acknowledgement
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1234")  # of the body that GET would have
        self.end_headers()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.server.lock:
            self.server.asked.append((self.command, self.path, body))
            asked = len(self.server.asked)
        path = self.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            question = json.loads(body)
            if question.get("stream"):
                return self.stream(CHUNKS)
            return self.plain(completion(f"answer {asked}"))
        route = self.server.routes.get(path)
        if route is None:
            return self.plain({"asked": asked, "path": self.path})
        return route(self)

    def plain(self, value: Any, status: int = 200, headers: Any = ()) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        if not isinstance(value, bytes):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, parts: list[bytes], pause: float = 0.0, headers: Any = ()) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        for part in parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
            time.sleep(pause)
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    """The server, and what it was asked."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str, bytes]] = []
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._stopped = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients leave early, and mean it

    def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.shutdown()
            self.server_close()
            self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    server.routes["/gzip"] = lambda handler: handler.plain(
        gzip.compress(b'{"packed": true}'),
        headers=[("Content-Encoding", "gzip"), ("Content-Type", "application/json")],
    )
    yield server
    server.stop()


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "tape.yaml"


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "DATABRICKS_HOST",
        "DATABRICKS_TOKEN",
        "DATABRICKS_CONFIG_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))


def _httpx_get(name: str) -> Callable[..., Any]:
    def ask(method: str, url: str, **options: Any) -> Any:
        library = pytest.importorskip(name)
        with library.Client(follow_redirects=True, trust_env=False, verify=False) as client:
            return client.request(method, url, **options)

    return ask


def _httpx_async(name: str) -> Callable[..., Any]:
    def ask(method: str, url: str, **options: Any) -> Any:
        import asyncio

        library = pytest.importorskip(name)

        async def main() -> Any:
            async with library.AsyncClient(
                follow_redirects=True, trust_env=False, verify=False
            ) as client:
                return await client.request(method, url, **options)

        return asyncio.run(main())

    return ask


def _requests(method: str, url: str, **options: Any) -> Any:
    requests = pytest.importorskip("requests")
    if "content" in options:
        options["data"] = options.pop("content")
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, **options)


TRANSPORTS = {
    "httpx2": _httpx_get("httpx2"),
    "httpx2-async": _httpx_async("httpx2"),
    "httpx": _httpx_get("httpx"),
    "httpx-async": _httpx_async("httpx"),
    "requests": _requests,
}


@pytest.fixture(params=list(TRANSPORTS))
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A request by each of the libraries: `ask(method, url, json=…)`."""
    ask = TRANSPORTS[request.param]
    ask.library = request.param.partition("-")[0]  # type: ignore[attr-defined]
    return ask
