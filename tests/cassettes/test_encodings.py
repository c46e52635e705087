"""Answers as they go over the wire: packed in several ways, and over HTTP/2."""

from __future__ import annotations

import gzip
import importlib
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import cassette, load
from tracetape.cassettes.file.bodies import to_stored

TEXT = json.dumps({"text": "café " * 100}, ensure_ascii=False).encode()
EVENTS = b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n"


def brotli(data: bytes) -> bytes:
    return bytes(pytest.importorskip("brotli").compress(data))


def zstd(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").compress(data))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli,
    "zstd": zstd,
}


def skip_where_unknown(encoding: str, without_us: bytes, text: bytes) -> None:
    """httpx before 0.28 and older requests hand zstd to the program as it came."""
    if encoding == "zstd" and without_us != text:
        pytest.skip("this version of the library does not unpack zstd")


@pytest.mark.parametrize("encoding", PACKERS)
def test_packed_answers_are_recorded_readable(
    server: Any, tape: Path, ask: Any, encoding: str
) -> None:
    """The tape has the text, and the client gets it in replay as it did the first time."""
    packed = PACKERS[encoding](TEXT)
    headers = [("Content-Encoding", encoding), ("Content-Type", "application/json")]
    server.routes["/packed"] = lambda handler: handler.plain(packed, headers=headers)
    skip_where_unknown(encoding, ask("GET", f"{server.url}/packed").content, TEXT)
    with cassette(tape):
        first = ask("GET", f"{server.url}/packed").json()
    server.stop()
    assert "café café" in tape.read_text()
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/packed").json() == first == json.loads(TEXT)


def test_a_body_of_two_frames_is_unpacked_whole(server: Any, tape: Path) -> None:
    """One after the other, as RFC 8878 allows, and the libraries read them."""
    httpx2 = pytest.importorskip("httpx2")
    packed = zstd(b"first ") + zstd(b"second")
    headers = [("Content-Encoding", "zstd"), ("Content-Type", "text/plain")]
    server.routes["/two"] = lambda handler: handler.plain(packed, headers=headers)
    with httpx2.Client(trust_env=False, verify=False) as client:
        with cassette(tape):
            first = client.get(f"{server.url}/two").text
        server.stop()
        with cassette(tape, mode="none"):
            assert client.get(f"{server.url}/two").text == first == "first second"


@pytest.mark.parametrize("encoding", PACKERS)
def test_packed_streams_too(server: Any, tape: Path, ask: Any, encoding: str) -> None:
    """Also where a part of the packed stream is none of the text."""
    packed = PACKERS[encoding](EVENTS)
    parts = [packed[at : at + 5] for at in range(0, len(packed), 5)]
    headers = [("Content-Encoding", encoding)]
    server.routes["/s"] = lambda handler: handler.stream(parts, headers=headers)
    skip_where_unknown(encoding, ask("GET", f"{server.url}/s").content, EVENTS)
    with cassette(tape):
        assert ask("GET", f"{server.url}/s").content == EVENTS
    (one,) = load(tape).interactions
    assert one.response is not None
    assert one.response.body == EVENTS
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/s").content == EVENTS


def test_two_encodings_one_over_the_other(server: Any, tape: Path, ask: Any) -> None:
    """They are undone in turn."""
    packed = gzip.compress(zlib.compress(TEXT))
    headers = [("Content-Encoding", "deflate, gzip"), ("Content-Type", "application/json")]
    server.routes["/packed"] = lambda handler: handler.plain(packed, headers=headers)
    with cassette(tape):
        first = ask("GET", f"{server.url}/packed").content
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/packed").json() == json.loads(first)


@pytest.fixture
def http2_server() -> Iterator[str]:
    """A server that speaks HTTP/2 only, as far as one client needs: each answer has two parts."""
    h2 = pytest.importorskip("h2")
    connection_module = importlib.import_module("h2.connection")
    config = importlib.import_module("h2.config").H2Configuration(client_side=False)
    events = importlib.import_module("h2.events")
    assert h2 is not None

    def serve(peer: socket.socket) -> None:
        state = connection_module.H2Connection(config=config)
        state.initiate_connection()
        peer.sendall(state.data_to_send())
        while data := peer.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, events.StreamEnded):
                    headers = [(":status", "200"), ("content-type", "text/event-stream")]
                    state.send_headers(event.stream_id, headers)
                    state.send_data(event.stream_id, EVENTS[:9])
                    state.send_data(event.stream_id, EVENTS[9:], end_stream=True)
            peer.sendall(state.data_to_send())
        peer.close()

    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                try:
                    serve(peer)
                except OSError:
                    pass  # the client has left

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_answers_over_http2(http2_server: str, tape: Path, library: str) -> None:
    """Recorded like all others; replay needs neither the server nor HTTP/2."""
    module = pytest.importorskip(library)
    for mode in ("once", "none"):
        with (
            cassette(tape, mode=mode) as player,
            module.Client(http1=mode == "none", http2=mode == "once", trust_env=False) as client,
        ):
            response = client.post(http2_server, json={"a": 1})
            assert response.http_version == ("HTTP/2" if mode == "once" else "HTTP/1.1")
            assert response.content == EVENTS
        assert (player.recorded, player.played) == ((1, 0) if mode == "once" else (0, 1))


def test_json_that_is_too_deep_to_be_laid_out_is_kept() -> None:
    """As text, byte for byte."""
    deep = b'{"x":' + b"[" * 900 + b"]" * 900 + b"}"
    assert to_stored(deep, "application/json") == deep.decode()
