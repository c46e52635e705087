"""Errors of the network are recorded, and replayed as the caller's own library would raise them."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, cassette, load, save

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
requests = pytest.importorskip("requests")


@pytest.fixture
def closed_port() -> Any:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_replayed(
    tape: Path, ask: Callable[..., Any], closed_port: Any
) -> None:
    """The same exception class and message, with no attempt to connect."""
    with cassette(tape) as recording, pytest.raises(Exception) as first:
        ask("GET", f"http://127.0.0.1:{closed_port}/")
    with cassette(tape, mode="none") as replaying, pytest.raises(type(first.value)) as second:
        ask("GET", f"http://127.0.0.1:{closed_port}/")

    assert recording.recorded == replaying.played == 1
    assert str(second.value) == str(first.value)
    assert load(tape).interactions[0].response is None


def test_a_timeout_is_replayed_at_once(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """It took its time when it was recorded; replay does not wait."""
    gate = threading.Event()
    server.routes["/slow"] = lambda handler: gate.wait(60)
    with cassette(tape), pytest.raises(Exception) as first:
        ask("GET", f"{server.url}/slow", timeout=0.1)
    gate.set()
    server.stop()
    with cassette(tape, mode="none"), pytest.raises(type(first.value)):
        ask("GET", f"{server.url}/slow", timeout=0.1)
    assert "Timeout" in type(first.value).__name__


def test_a_body_that_breaks_off_breaks_off_again(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """What came before the break is on the tape, and so is the error."""

    def broken(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    server.routes["/broken"] = broken
    with cassette(tape), pytest.raises(Exception) as first:
        ask("GET", f"{server.url}/broken")
    server.stop()
    with cassette(tape, mode="none"), pytest.raises(type(first.value)):
        ask("GET", f"{server.url}/broken")
    (kept,) = load(tape).interactions
    assert kept.response.body in (b"half", b"")  # urllib3 keeps a broken part to itself
    assert kept.error is not None


@pytest.mark.parametrize(
    ("recorded", "replayed_in_httpx", "replayed_in_requests"),
    [
        ("ConnectError", "ConnectError", "ConnectionError"),
        ("ConnectionError", "ConnectError", "ConnectionError"),
        ("ReadTimeout", "ReadTimeout", "ReadTimeout"),
        ("ConnectTimeout", "ConnectTimeout", "ConnectTimeout"),
        ("SSLError", "ConnectError", "SSLError"),
        ("RemoteProtocolError", "RemoteProtocolError", "ConnectionError"),
        ("SomethingNew", "TransportError", "ConnectionError"),
        ("__builtins__", "TransportError", "ConnectionError"),
    ],
)
def test_an_error_of_one_library_is_replayed_in_another(
    tape: Path, recorded: Callable[..., Any], replayed_in_httpx: Any, replayed_in_requests: Any
) -> None:
    """A tape does not belong to the library that recorded it."""
    tape.write_text(
        "version: 1\ninteractions:\n"
        + f"""- request: {{method: GET, uri: "https://x.test/", headers: {{}}, body: null}}
  response: null
  tracetape: {{error: {{type: {recorded}, message: it broke}}}}
"""
        * 3
    )
    with cassette(tape, mode="none"):
        for library in (httpx, httpx2):
            with pytest.raises(getattr(library, replayed_in_httpx), match="it broke"):
                with library.Client(verify=False) as client:
                    client.get("https://x.test/")
        with pytest.raises(
            getattr(requests, replayed_in_requests, None)
            or getattr(requests.exceptions, replayed_in_requests),
            match="it broke",
        ):
            requests.get("https://x.test/")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have notes since Python 3.11")
@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        ("application/json", b'{"a": 1, b}', "its JSON is broken: Expecting property name"),
        ("text/event-stream", b'data: {"a":1}\n\ndata: {"a":\n\n', "its JSON is broken: event 2: "),
    ],
)
def test_an_error_by_broken_json_names_the_file_and_the_interaction(
    tape: Path, content_type: Any, body: Any, problem: Any
) -> None:
    """A note at the error that the program's reader raises; others have none."""
    ours = Response(200, "OK", [("content-type", content_type)], [Chunk(body)])
    fine = Response(200, "OK", [("content-type", "application/json")], [Chunk(b"{}")])
    requests_ = [Request("GET", "https://x.test/" + path) for path in ("fine", "broken")]
    save(tape, Tape([Interaction(requests_[0], fine), Interaction(requests_[1], ours)]))

    def read(path: Any) -> Any:
        with cassette(tape, mode="none"):
            text = httpx.get(f"https://x.test/{path}").text.strip().split("data: ")[-1]
            return json.loads(text)["missing"]

    with pytest.raises(json.JSONDecodeError) as caught:
        read("broken")
    (note,) = caught.value.__notes__
    place = f"the cassette {tape}: the response of interaction 2, GET https://x.test/broken, "
    assert note.startswith(f"tracetape: {place}")
    assert problem in note
    with pytest.raises(KeyError) as other:
        read("fine")
    assert not hasattr(other.value, "__notes__")
