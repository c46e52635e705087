"""Loopback fronts of the model server: one like api.openai.com, one like a Databricks workspace.

Both pass bodies through byte for byte, streams as they come, and add what the real services send
and llama.cpp does not: a request id, and the workspace's own paths. Says `ready: URL URL`, and runs
until killed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any, NoReturn

import vector_index
from vector_index import VectorIndex

# The hosts that the recordings are to name, since it is these that the programs are written for.
OPENAI = "https://api.openai.com"
WORKSPACE = "https://example.cloud.databricks.com"

WELL_KNOWN = {
    "oidc_endpoint": f"{WORKSPACE}/oidc",
    "account_id": "00000000-0000-0000-0000-000000000000",
    "workspace_id": "1234567890123456",
    "cloud": "AWS",
}
INVOCATIONS = re.compile(r"/serving-endpoints/(?P<name>[^/]+)/invocations")
# The first of these fields in an invocation's body tells what kind of endpoint is asked.
KINDS = {"messages": "chat/completions", "prompt": "completions", "input": "embeddings"}


@dataclass(frozen=True)
class Forward:
    """Ask the model server for `path`, and answer with `headers` besides its own."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """Answer without the model server."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Router = Callable[[str, str, bytes], Forward | Answer]


def openai(method: str, path: str, body: bytes) -> Forward | Answer:
    headers = {"x-request-id": f"req_{uuid.uuid4().hex}"}
    if path.startswith("/v1/"):
        return Forward(path, headers)
    error = {
        "message": f"Invalid URL ({method} {path})",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    return Answer(404, {"error": error}, headers)


def workspace(method: str, path: str, body: bytes, index: VectorIndex) -> Forward | Answer:
    headers = {"x-request-id": str(uuid.uuid4())}
    if path == f"/api/2.0/vector-search/indexes/{vector_index.NAME}/query":
        return Answer(200, index.query(json.loads(body)), headers)
    if path == "/.well-known/databricks-config":
        return Answer(200, WELL_KNOWN, headers)
    if invocation := INVOCATIONS.fullmatch(path):
        fields = json.loads(body)
        for name, kind in KINDS.items():
            if name in fields:
                return Forward(f"/v1/{kind}", headers | {"served-model-name": invocation["name"]})
        message = f"one of the fields {', '.join(KINDS)} is needed"
        return Answer(400, {"error_code": "BAD_REQUEST", "message": message}, headers)
    if path.startswith("/serving-endpoints/"):
        return Forward(path.replace("/serving-endpoints", "/v1", 1), headers)
    message = f"No API found for '{method} {path}'"
    return Answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": message}, headers)


class Handler(BaseHTTPRequestHandler):
    """One client's connection."""

    server: Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    command = path = "-"  # what the log says of a connection that asked nothing

    def handle_one_request(self) -> None:
        """Answer one request of the connection, if the client stays for it."""
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError) as error:
            # A client may leave a stream early; leaving the model server too ends its work.
            self.log_message("connection lost: %s", error)
            self.close_connection = True

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        route = self.server.router(self.command, self.path, body)
        if isinstance(route, Answer):
            self._answer(route)
        else:
            self._forward(route, body)

    do_GET = do_POST = _respond  # noqa: N815

    def _answer(self, answer: Answer) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _forward(self, route: Forward, body: bytes) -> None:
        # No timeout: a busy machine may take minutes to the first token.
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.model_port)
        try:
            try:
                upstream.request(self.command, route.path, body, {"accept": "*/*"})
                response = upstream.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._answer(Answer(502, {"error": {"message": f"model server: {error!r}"}}))
                return
            self.send_response_only(response.status, response.reason)
            kept = {name: response.getheader(name) for name in ("content-type", "content-length")}
            chunked = kept["content-length"] is None
            kept["transfer-encoding"] = "chunked" if chunked else None
            for name, value in (*route.headers.items(), *kept.items()):
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
            while chunk := response.read1(65536):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        finally:
            upstream.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Name the request; the client is always this machine."""
        print(f"{self.command} {self.path}: {format % args}", file=sys.stderr)


class Front(ThreadingHTTPServer):
    """A front on `port` that sends each request where `router` says."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, router: Router, model_port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.router = router
        self.model_port = model_port


def leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-port", type=int, default=8090)
    parser.add_argument("--openai-port", type=int, default=8091)
    parser.add_argument("--workspace-port", type=int, default=8092)
    options = parser.parse_args()

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    ours = partial(workspace, index=VectorIndex(options.model_port))
    for port, router in ((options.openai_port, openai), (options.workspace_port, ours)):
        front = Front(port, router, options.model_port)
        threading.Thread(target=front.serve_forever, daemon=True).start()
    print(
        f"ready: http://127.0.0.1:{options.openai_port}/v1"
        f" http://127.0.0.1:{options.workspace_port}",
        flush=True,
    )
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
