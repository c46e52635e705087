"""Stored traces are sent over OTLP, by the command line, to a receiver on loopback."""

from __future__ import annotations

import gzip
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import tracetape
from tracetape.cli import main
from tracetape.exceptions import IntegrationMissingError, InvalidValueError
from tracetape.otlp import otlp_exporter, send, workspace_exporter


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted; `status` is its answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.posts: list[tuple[str, dict[str, str], ExportTraceServiceRequest]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for _, _, message in self.posts
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            data = gzip.decompress(data)
        message = ExportTraceServiceRequest.FromString(data)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((self.path, headers, message))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self) -> None:  # databricks-sdk asks for the host's own description
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The far end."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A store with a trace: a chain with a retriever in it, and a failure."""
    path = tmp_path / "traces.db"
    tracetape.configure(store=str(path))
    try:
        with tracetape.start_span("answer", span_type="CHAIN") as root:
            tracetape.update_current_trace(tags={"team": "a"}, session_id="s1", user="me")
            root.set_inputs({"question": "Where?"})
            root.set_attribute("depth", 3)
            with pytest.raises(LookupError), tracetape.start_span("find", span_type="RETRIEVER"):
                raise LookupError("nothing")
    finally:
        tracetape.configure(store="memory://")
    return path


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", "--store", str(path), *arguments])


def attributes(span: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }


def test_a_collector_gets_every_span(path: Path, receiver: Receiver) -> None:
    """With ids, parents, types, status and events; the root has what is said of the trace."""
    result = run(path, "--otlp", f"{receiver.url}/v1/traces")

    assert result.exit_code == 0, result.output
    assert f"1 trace sent to {receiver.url}/v1/traces." in result.output
    again = run(path, "--otlp", f"{receiver.url}/v1/traces?token=cnry-9Wd3Xc70NpYs1")
    assert "cnry" not in again.output
    del receiver.posts[1:]
    ((where, _, _),) = receiver.posts
    assert where == "/v1/traces"
    spans = {span.name: span for span in receiver.spans}
    root, found = spans["answer"], spans["find"]
    assert found.parent_span_id == root.span_id
    assert found.trace_id == root.trace_id
    assert root.end_time_unix_nano >= found.end_time_unix_nano > found.start_time_unix_nano
    assert found.status.code == 2
    assert found.status.message == "LookupError: nothing"
    assert [event.name for event in found.events] == ["exception"]
    said = attributes(root)
    assert said["mlflow.spanType"] == "CHAIN"
    assert said["mlflow.spanInputs"] == '{"question":"Where?"}'
    assert said["depth"] == 3
    assert said["session.id"] == "s1"
    assert said["user.id"] == "me"
    assert said["mlflow.traceTag.team"] == "a"
    assert "session.id" not in attributes(found)


@pytest.mark.parametrize("table", ["main.agents.chat", "main.agents.chat_otel_spans"])
def test_a_workspace_gets_them_into_a_table(
    table: str, path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address, login and table as Databricks' reference has them."""
    monkeypatch.setenv("DATABRICKS_HOST", receiver.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-loopback")

    result = run(path, "--databricks", table)

    assert result.exit_code == 0, result.output
    ((where, headers, _),) = receiver.posts
    assert where == "/api/2.0/otel/v1/traces"
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["authorization"] == "Bearer dapi-loopback"
    assert headers["x-databricks-uc-table-name"] == "main.agents.chat_otel_spans"
    assert len(receiver.spans) == 2


def test_what_does_not_arrive_is_an_error(path: Path, receiver: Receiver) -> None:
    """With the number of spans; the store has them still."""
    receiver.status = 400

    result = run(path, "--otlp", f"{receiver.url}/v1/traces")

    assert result.exit_code == 1
    assert "did not accept 2 spans" in result.output
    assert run(path, "--jsonl", "-").output.count("\n") >= 1


def test_a_table_has_three_names() -> None:
    """The remedy stands in the error."""
    with pytest.raises(InvalidValueError, match=r"catalog\.schema\.prefix, got 'agents'"):
        workspace_exporter("agents")


def test_one_place_is_said(path: Path) -> None:
    """None and two are errors of usage."""
    assert run(path).exit_code == 2
    assert run(path, "--otlp", "http://127.0.0.1:1", "--databricks", "a.b.c").exit_code == 2


class Telling:
    """An exporter that logs all it knows, as OpenTelemetry's does of an address that fails."""

    _headers: ClassVar = {"api-key": "cnry-9Wd3Xc70NpYs/5+Je1Vq"}
    _endpoint = "https://me:cnry-user@x.test/v1?token=cnry-9Wd3Xc70NpYs1Je1Vq"

    def export(self, batch: Any) -> Any:
        log = logging.getLogger(type(self).__module__)
        log.warning("no way to %s with %s", self._endpoint, dict(self._headers))
        log.error("it says: %s", quote(self._headers["api-key"], safe=""))
        return SimpleNamespace(name="SUCCESS")


def test_what_an_exporter_logs_has_no_login(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither of its address nor of its headers, in whatever form a receiver repeats it."""
    tracetape.configure(store=str(path))
    traces = tracetape.search_traces(return_type="list")
    tracetape.configure(store="memory://")
    assert list(send(traces, Telling())) == [1]  # type: ignore[arg-type]

    log = "\n".join(one.getMessage() for one in caplog.records)
    assert "no way to https://x.test/v1" in log
    assert "cnry" not in log


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("databricks.sdk.core", "databricks-sdk", "databricks,otlp"),
        (
            "opentelemetry.exporter.otlp.proto.http.trace_exporter",
            "opentelemetry-exporter-otlp-proto-http",
            "otlp",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    module: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one style, as that of Parquet."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(IntegrationMissingError) as caught:
        workspace_exporter("a.b.c") if "," in extra else otlp_exporter()
    assert str(caught.value) == (
        f"Sending traces needs the package {package}: `pip install 'tracetape[{extra}]'`"
    )
