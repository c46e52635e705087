"""Streams are taped as they come, never held up, and replayed as streams."""

from __future__ import annotations

import asyncio
import gzip
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, cassette, load, save
from tracetape.exceptions import CassetteError

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
requests = pytest.importorskip("requests")

EVENTS = [b'data: {"n": 1}\n\n', b'data: {"n": 2}\n\n', b"data: [DONE]\n\n"]


def read_httpx(library: Any) -> Callable[..., Any]:
    def read(url: Any, until: Any = None) -> Any:
        with (
            library.Client(trust_env=False, verify=False) as client,
            client.stream("GET", url) as r,
        ):
            return taken(r.iter_raw(), until)

    return read


def read_requests(url: Any, until: Any = None) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        with session.get(url, stream=True) as response:
            return taken(response.iter_content(None), until)


def read_requests_raw(url: Any, until: Any = None) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        with session.get(url, stream=True) as response:
            return taken(response.raw.stream(), until)


def taken(parts: Any, until: Any) -> Any:
    """The parts, as they come, until there are as many as wished."""
    found = []
    for part in parts:
        found.append(part)
        if len(found) == until:
            break
    return found


READERS = {
    "httpx2": read_httpx(httpx2),
    "httpx": read_httpx(httpx),
    "requests": read_requests,
    "requests-raw": read_requests_raw,
}


@pytest.fixture(params=list(READERS))
def read(request: pytest.FixtureRequest) -> Any:
    """The parts of a streamed answer: `read(url, until=None)`."""
    return READERS[request.param]


@pytest.fixture
def gated(server: Any) -> Any:
    """A stream whose second part is only sent when the test has seen the first."""
    gate = threading.Event()

    def answer(handler: Any) -> None:
        def parts() -> Iterator[Any]:
            yield EVENTS[0]
            assert gate.wait(60)
            yield from EVENTS[1:]

        handler.stream(parts())

    server.routes["/gated"] = answer
    return gate


@pytest.mark.parametrize("library", [httpx2, httpx], ids=["httpx2", "httpx"])
def test_the_first_part_comes_while_the_server_holds_back_the_second(
    server: Any, tape: Path, gated: Any, library: Any
) -> None:
    """Recording neither reads ahead nor waits: each part is handed over as it arrives."""
    with cassette(tape), library.Client(trust_env=False, verify=False) as client:
        with client.stream("GET", f"{server.url}/gated") as response:
            parts = response.iter_raw()
            assert next(parts) == EVENTS[0]
            gated.set()
            assert list(parts) == EVENTS[1:]


async def test_async_streams_are_not_held_up_either(server: Any, tape: Path, gated: Any) -> None:
    """The same for an async client."""
    async with cassette(tape), httpx2.AsyncClient(trust_env=False, verify=False) as client:
        async with client.stream("GET", f"{server.url}/gated") as response:
            parts = response.aiter_raw()
            assert await anext(parts) == EVENTS[0]
            gated.set()
            assert [part async for part in parts] == EVENTS[1:]


def test_streams_of_requests_are_not_held_up_either(server: Any, tape: Path, gated: Any) -> None:
    """The same for requests."""
    with cassette(tape), requests.Session() as session:
        session.trust_env = False
        with session.get(f"{server.url}/gated", stream=True) as response:
            parts = response.iter_content(None)
            assert next(parts) == EVENTS[0]
            gated.set()
            assert list(parts) == EVENTS[1:]


def test_parts_are_replayed_one_by_one(server: Any, tape: Path, read: Callable[..., Any]) -> None:
    """Replay gives the recorded parts, not one joined body."""
    wait = 0.1  # a busy machine reads a part late
    server.routes["/s"] = lambda handler: handler.stream(EVENTS, wait)
    with cassette(tape):
        assert read(f"{server.url}/s") == EVENTS
    server.stop()
    with cassette(tape, mode="none"):
        assert read(f"{server.url}/s") == EVENTS
    chunks = load(tape).interactions[0].response.chunks
    assert [chunk.data for chunk in chunks] == EVENTS
    assert chunks[1].delay >= 0.015


def test_a_compressed_stream_keeps_its_parts(
    server: Any, tape: Path, read: Callable[..., Any]
) -> None:
    """What each packed part adds to the text is a part of the tape."""
    packer = gzip.zlib.compressobj(wbits=31)
    packed = [packer.compress(e) + packer.flush(gzip.zlib.Z_SYNC_FLUSH) for e in EVENTS]
    packed.append(packer.flush())
    server.routes["/s"] = lambda handler: handler.stream(
        packed, 0.02, [("Content-Encoding", "gzip")]
    )
    with cassette(tape):
        read(f"{server.url}/s")
    assert [c.data for c in load(tape).interactions[0].response.chunks if c.data] == EVENTS
    assert "data: [DONE]" in tape.read_text()


@pytest.mark.parametrize(
    "read_raw",
    [
        pytest.param(lambda raw: list(raw), id="lines"),
        pytest.param(lambda raw: raw.read(decode_content=True), id="read"),
        pytest.param(lambda raw: [raw.read(10), raw.read(1000, decode_content=True)], id="amounts"),
        pytest.param(lambda raw: io.BufferedReader(raw).read(), id="file"),
    ],
)
def test_who_reads_the_raw_response_of_requests_gets_the_same(
    server: Any, tape: Path, read_raw: Any
) -> None:
    """`response.raw` is a file: by lines, by amounts, or through `io`."""
    server.routes["/s"] = lambda handler: handler.plain(b"one\ntwo\nthree, which is longer\n")

    def read() -> Any:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(f"{server.url}/s", stream=True) as response:
                return read_raw(response.raw)

    with cassette(tape):
        first = read()
    server.stop()
    with cassette(tape, mode="none"):
        assert read() == first


def test_replay_at_recorded_speed(
    server: Any, tape: Path, read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`speed=0` does not wait, `speed=1` as long as it took, 4 a quarter of it."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS, 0.1)
    with cassette(tape):
        read(f"{server.url}/s")
    server.stop()
    waits, asked, took = [], {}, {}
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.append(seconds), sleep(seconds)))
    for speed in (0, 1, 4):
        waits.clear()
        with cassette(tape, mode="none", speed=speed):
            began = time.monotonic()
            assert read(f"{server.url}/s") == EVENTS
            took[speed] = time.monotonic() - began
        asked[speed] = sum(waits)
    # How long more than that it takes says how busy the machine is.
    assert asked[0] == 0
    assert took[1] >= asked[1] > 0.18
    assert took[4] >= asked[4] == pytest.approx(asked[1] / 4)


def test_replay_in_other_parts(server: Any, tape: Path, read: Callable[..., Any]) -> None:
    """The same bytes, divided anywhere; the same number divides in the same places."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS * 10)
    with cassette(tape):
        read(f"{server.url}/s")
    text = tape.read_text()
    found = {}
    for seed in (1, 1, 2, 3):
        with cassette(tape, mode="none", rechunk=seed):
            parts = read(f"{server.url}/s")
        assert b"".join(parts) == b"".join(EVENTS * 10)
        assert found.setdefault(seed, parts) == parts
    assert len({tuple(map(len, parts)) for parts in found.values()}) == 3
    assert any(not part.endswith(b"\n\n") for part in found[1])  # also in the midst of an event
    assert tape.read_text() == text


@pytest.mark.parametrize("length", [0, 2])
def test_replay_may_break_a_stream_off(
    server: Any, tape: Path, read: Callable[..., Any], length: Any
) -> None:
    """After so many events, by an error of the HTTP library; the tape is not changed."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS)
    with cassette(tape):
        read(f"{server.url}/s")
    errors = (httpx.ReadError, httpx2.ReadError, requests.RequestException, HTTPError)
    with cassette(tape, mode="none", cut_after=length) as player:
        if length:
            assert read(f"{server.url}/s", until=length) == EVENTS[:length]
        else:
            with pytest.raises(errors, match="cut after 0 events"):
                read(f"{server.url}/s")
    with cassette(tape, mode="none", cut_after=length), pytest.raises(errors, match="cut after"):
        read(f"{server.url}/s")
    assert player.interactions == load(tape).interactions
    with cassette(tape, mode="none", cut_after=len(EVENTS)):
        assert read(f"{server.url}/s") == EVENTS


def test_a_stream_without_known_parts_is_cut_by_events(tape: Path) -> None:
    """As on other tools' tapes; a plain answer is never cut."""
    stream = Response(200, "OK", [("content-type", "text/event-stream")])
    stream.body = b"data: 1\r\n\r\ndata: 2\n\ndata: 3\n\n"
    plain = Response(200, "OK", [("content-type", "application/json")])
    plain.body = b"{}"
    url = "https://example.com/"
    save(
        tape,
        Tape([Interaction(Request("GET", url + n), r) for n, r in (("s", stream), ("p", plain))]),
    )
    with cassette(tape, mode="none", cut_after=2):
        assert read_httpx(httpx)(url + "p") == [b"{}"]
        with pytest.raises(httpx.ReadError):
            read_httpx(httpx)(url + "s")
    with cassette(tape, mode="none", cut_after=2):
        assert read_httpx(httpx)(url + "s", until=1) == [b"data: 1\r\n\r\ndata: 2\n\n"]


@pytest.mark.parametrize(
    "parts",
    [
        [b": hello\n\ndata: 1\n\ndata: 2\n", b"\nda", b"ta: 3\n\n"],
        [b": hello\n\n", b"data", b": 1\n", b"\ndata: 2\n\n", b": ping\n\n", b"data: 3\n\n"],
    ],
)
def test_events_count_not_the_parts_in_which_they_came(tape: Path, parts: Any) -> None:
    """Several in one part, one in several, and comments, which are no events."""
    stream = Response(200, "OK", [("content-type", "text/event-stream")], [*map(Chunk, parts)])
    save(tape, Tape([Interaction(Request("GET", "https://example.com/s"), stream)]))
    got: list[bytes] = []
    with cassette(tape, mode="none", cut_after=2):
        with httpx.stream("GET", "https://example.com/s") as response:
            with pytest.raises(httpx.ReadError, match="cut after 2 events"):
                got.extend(response.iter_bytes())  # a list keeps what came before the error
    assert b"".join(got) == b": hello\n\ndata: 1\n\ndata: 2\n\n"


def test_a_reader_that_leaves_early_leaves_a_cut_recording(
    server: Any, tape: Path, read: Callable[..., Any]
) -> None:
    """What was read is replayed; reading on is an error of the library, not a silent end."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS * 20, 0.01)
    with cassette(tape):
        first = read(f"{server.url}/s", until=1)
    assert load(tape).interactions[0].response.cut
    server.stop()
    with cassette(tape, mode="none"):
        assert read(f"{server.url}/s", until=1) == first
    errors = (httpx.ReadError, httpx2.ReadError, requests.RequestException, Exception)
    with cassette(tape, mode="none"), pytest.raises(errors, match="the recording ends here"):
        read(f"{server.url}/s")


@pytest.mark.parametrize(
    "last",
    [
        b"data: [DONE]\n\n",
        b'event: response.completed\ndata: {"type":"response.completed"}\n\n',
        b'event: response.completed\r\ndata: {"type":"response.completed"}\r\n\r\n',
    ],
)
def test_a_reader_that_leaves_after_the_last_event_missed_nothing(
    server: Any, tape: Path, read: Callable[..., Any], last: Any
) -> None:
    """SDKs stop at the terminator without reading the body's end; such a tape is whole."""
    gate = threading.Event()

    def parts() -> Iterator[Any]:
        yield EVENTS[0] + last
        gate.wait(60)

    server.routes["/s"] = lambda handler: handler.stream(parts())
    with cassette(tape):
        read(f"{server.url}/s", until=1)
    gate.set()
    assert not load(tape).interactions[0].response.cut


def test_a_stream_that_nobody_closes_is_kept_when_the_tape_closes(server: Any, tape: Path) -> None:
    """What had come by then is on the tape, marked as cut."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS * 20, 0.01)
    with httpx2.Client(trust_env=False, verify=False) as client:
        with cassette(tape):
            response = client.send(client.build_request("GET", f"{server.url}/s"), stream=True)
            next(response.iter_raw())
        response.close()
    (kept,) = load(tape).interactions
    assert kept.response.cut
    assert kept.response.body.startswith(EVENTS[0])


def test_a_cancelled_request_leaves_nothing_and_is_named(
    server: Any, tape: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no answer to replay, and a cancellation is no error of the network."""
    gate = threading.Event()
    server.routes["/never"] = lambda handler: gate.wait(60)

    async def main() -> None:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.get(f"{server.url}/never"), 0.1)
            await client.get(f"{server.url}/other")

    with cassette(tape) as recording:
        asyncio.run(main())
    gate.set()
    assert recording.recorded == 1
    assert [one.request.url for one in load(tape).interactions] == [f"{server.url}/other"]
    assert recording.cancelled == {f"GET {server.url}/never": 1}
    assert f"not recorded: GET {server.url}/never" in caplog.text


def test_of_a_request_that_is_cancelled_amid_its_answer_that_part_is_kept(
    server: Any, tape: Path
) -> None:
    """Marked as cut: a reader that goes further in replay gets an error."""
    gate = threading.Event()

    def parts() -> Iterator[bytes]:
        yield from EVENTS[:2]
        gate.wait(60)

    async def main(came: list[bytes]) -> None:
        async def read() -> None:
            async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
                async with client.stream("GET", f"{server.url}/begun") as response:
                    async for part in response.aiter_raw():
                        came.append(part)
                        if b"".join(came) == b"".join(EVENTS[:2]):
                            arrived.set()

        arrived = asyncio.Event()
        task = asyncio.create_task(read())
        await arrived.wait()
        task.cancel()
        await task

    server.routes["/begun"] = lambda handler: handler.stream(parts())
    with cassette(tape) as recording, pytest.raises(asyncio.CancelledError):
        asyncio.run(main([]))
    gate.set()
    server.stop()
    assert (recording.recorded, recording.cancelled) == (1, {})

    replayed: list[bytes] = []
    with cassette(tape, mode="none"), pytest.raises(httpx2.ReadError, match="stopped early"):
        asyncio.run(main(replayed))
    assert b"".join(replayed) == b"".join(EVENTS[:2])


def test_a_scrubber_that_fails_does_not_harm_the_stream(
    server: Any, tape: Path, read: Callable[..., Any]
) -> None:
    """The reader gets all parts; the tape's end says what went wrong."""
    server.routes["/s"] = lambda handler: handler.stream(EVENTS)
    with pytest.raises(CassetteError, match="ZeroDivisionError"):
        with cassette(tape, scrub=lambda interaction: 1 / 0):
            parts = read(f"{server.url}/s")
    assert b"".join(parts) == b"".join(EVENTS)
    assert not tape.exists()
