"""A loopback workspace whose answers each test gives, and the SDK's real client for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config


class Workspace(ThreadingHTTPServer):
    """Answers by path, or by a list of answers one after the other; what was asked is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Workspace

    def _respond(self) -> None:
        text = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = json.loads(text) if text.startswith(b"{") else text.decode()
        self.server.asked.append((self.command, self.path, dict(self.headers), asked))
        answer = self.server.answers.get(self.path, (404, NOT_FOUND))
        if isinstance(answer, list):
            answer = answer.pop(0)
        status, body, *headers = answer if isinstance(answer, tuple) else (200, answer)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _respond  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


# Databricks' REST reference, "Error handling".
NOT_FOUND = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "It does not exist."}


class NoWait:
    """The SDK's clock (`databricks.sdk.clock.Clock`), which waits for nothing."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """The far end."""
    server = Workspace()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(workspace: Workspace) -> Iterator[WorkspaceClient]:
    """The SDK's client; it waits for nothing between its attempts."""
    config = Config(host=workspace.url, token="dapi-secret", clock=NoWait())
    found = WorkspaceClient(config=config)
    yield found
    found.api_client._api_client._session.close()
