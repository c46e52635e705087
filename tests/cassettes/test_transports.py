"""Each library is recorded and replayed alike, and nothing of it reaches a server in replay."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracetape.cassettes import cassette, load


def test_answers_are_replayed_without_the_server(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """Status, headers and body come from the tape once the server is gone."""
    with cassette(tape) as recording:
        first = ask("POST", f"{server.url}/things?a=1&b=2", json={"n": 1})
    server.stop()
    with cassette(tape, mode="none") as replaying:
        second = ask("POST", f"{server.url}/things?b=2&a=1", json={"n": 1})

    assert (recording.recorded, recording.played) == (1, 0)
    assert (replaying.recorded, replaying.played, replaying.unused) == (0, 1, [])
    assert second.status_code == first.status_code == 200
    assert second.json() == first.json()
    assert second.headers["content-type"] == "application/json"
    assert int(second.headers["content-length"]) == len(second.content)
    assert second.elapsed is not None
    assert str(second.url).endswith("/things?b=2&a=1")


def test_compressed_answers_are_stored_readable(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """A tape holds the text of a gzip body, and the client unpacks nothing in replay."""
    with cassette(tape):
        first = ask("GET", f"{server.url}/gzip")
    server.stop()
    with cassette(tape, mode="none"):
        second = ask("GET", f"{server.url}/gzip")

    assert first.json() == second.json() == {"packed": True}
    assert '"packed": true' in tape.read_text()
    assert "content-encoding" not in second.headers
    stored = yaml.safe_load(tape.read_text())["interactions"][0]
    assert stored["tracetape"]["encoding"]["content-encoding"] == "gzip"


def test_a_body_that_cannot_be_unpacked_fails_in_replay_too(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """Which error it is depends on the library; it must be the same one."""
    server.routes["/broken"] = lambda handler: handler.plain(
        b"notgzip", 200, [("Content-Encoding", "gzip")]
    )
    with cassette(tape), pytest.raises(Exception) as first:
        ask("GET", f"{server.url}/broken")
    server.stop()
    with cassette(tape, mode="none"), pytest.raises(Exception) as second:
        ask("GET", f"{server.url}/broken")

    assert type(second.value) is type(first.value)


def test_redirects_are_two_interactions(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """Each step of a redirect is on the tape, and the client follows it in replay."""
    server.routes["/from"] = lambda handler: handler.plain(
        b"", 302, [("Location", f"{server.url}/to")]
    )
    with cassette(tape):
        first = ask("GET", f"{server.url}/from")
    server.stop()
    with cassette(tape, mode="none") as replaying:
        second = ask("GET", f"{server.url}/from")

    assert first.json() == second.json()
    assert replaying.played == 2
    assert [one.response.status for one in load(tape).interactions] == [302, 200]


def test_repeated_headers_stay_repeated(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """A header that comes twice is replayed twice."""
    pair = [("X-RateLimit-Policy", "10;w=1"), ("X-RateLimit-Policy", "50;w=60")]
    server.routes["/twice"] = lambda handler: handler.plain({}, headers=pair)
    with cassette(tape):
        ask("GET", f"{server.url}/twice")
    server.stop()
    with cassette(tape, mode="none"):
        replayed = ask("GET", f"{server.url}/twice")

    assert replayed.headers["x-ratelimit-policy"] == "10;w=1, 50;w=60"


def test_what_a_client_goes_on_by_is_kept(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """The challenge of a login, and the links to other pages, without the keys in them."""
    link = '<{}/list?page=2&api_key=swordfish99>; rel="next"'
    challenge = 'Digest realm="r", nonce="abc", qop="auth", algorithm=MD5'
    asked = []

    def answer(handler: Any) -> None:
        asked.append(handler.path)
        if "Digest" in handler.headers.get("Authorization", ""):
            handler.plain(b"in", headers=[("Link", link.format(server.url))])
        else:
            handler.plain(b"out", status=401, headers=[("WWW-Authenticate", challenge)])

    server.routes["/list"] = answer
    library = pytest.importorskip(ask.library)
    auth = getattr(library, "DigestAuth", None) or library.auth.HTTPDigestAuth
    found = []
    for mode in ("once", "none"):
        with cassette(tape, mode=mode) as player:
            last = ask("GET", f"{server.url}/list", auth=auth("user", "password-1"))
            found.append((last.status_code, last.content, last.headers["link"].partition("&")[0]))
    assert player.played == len(asked) == 2
    assert found[0] == found[1] == (200, b"in", f"<{server.url}/list?page=2")
    assert "api_key=REDACTED" in last.headers["link"]
    assert not [secret for secret in ("swordfish99", "password-1") if secret in tape.read_text()]


def test_headers_beyond_ascii_are_sent_again(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """As the bytes that they were; those that vcrpy has kept as text, in UTF-8."""
    server.routes["/file"] = lambda handler: handler.plain(
        b"x", headers=[("Content-Disposition", 'attachment; filename="grün"')]
    )
    found = []
    for mode in ("once", "none"):
        with cassette(tape, mode=mode):
            found.append(ask("GET", f"{server.url}/file").headers["content-disposition"])
    assert found[0] == found[1] == 'attachment; filename="grün"'
    tape.write_text(tape.read_text().replace("grün", "€"))
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/file").headers["content-disposition"].endswith('€"')


def test_a_redirect_to_nowhere_is_recorded(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """What a server sends may be no URL: the client fails as it did."""
    server.routes["/moved"] = lambda handler: handler.plain(
        b"", status=302, headers=[("Location", "http://[::bad")]
    )
    with cassette(tape) as recording, pytest.raises(Exception) as first:
        ask("GET", f"{server.url}/moved")
    with cassette(tape, mode="none") as replaying, pytest.raises(type(first.value)):
        ask("GET", f"{server.url}/moved")
    assert recording.recorded == replaying.played == 1


def test_binary_answers_are_replayed_byte_for_byte(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """What is no text is stored as binary."""
    speech = bytes(range(256)) * 3
    server.routes["/speech"] = lambda handler: handler.plain(
        speech, headers=[("Content-Type", "audio/mpeg")]
    )
    with cassette(tape):
        ask("GET", f"{server.url}/speech")
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/speech").content == speech


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":123456789012345678901234567890}',
        b'{"n":1e400}',
        '{"text":"zero\\u0000 \U0001f600 \u2028 \u00e9","empty":[],"none":null}'.encode(),
        b'{"embedding":[0.1,-2.5e-7,3],"nested":[[1,2],[3]]}',
        b'"[\\n  1,\\n  2\\n]"',
        b"no JSON at all",
        b"",
    ],
)
def test_json_answers_are_replayed_equal(
    server: Any, tape: Path, ask: Callable[..., Any], body: Any
) -> None:
    """Pretty-printing a body changes no value in it."""
    server.routes["/json"] = lambda handler: handler.plain(
        body, headers=[("Content-Type", "application/json")]
    )
    with cassette(tape):
        first = ask("GET", f"{server.url}/json")
    server.stop()
    with cassette(tape, mode="none"):
        second = ask("GET", f"{server.url}/json")

    if body.startswith((b"{", b'"')):
        assert second.json() == first.json()
    else:
        assert second.content == body


@pytest.mark.parametrize("ask", ["httpx2", "httpx", "requests"], indirect=True)
def test_bodies_from_generators_are_read_once(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """A request's body that comes from a generator is read for the tape and still sent."""

    def parts() -> Iterator[Any]:
        yield b"one "
        yield b"two"

    with cassette(tape):
        ask("POST", f"{server.url}/upload", content=parts())
    assert server.asked[-1][2] == b"one two"
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("POST", f"{server.url}/upload", content=parts()).status_code == 200


def test_the_libraries_are_put_back_exactly(server: Any, tape: Path) -> None:
    """While a tape is open one method of each library is ours; then none is."""
    httpx = pytest.importorskip("httpx")
    httpx2 = pytest.importorskip("httpx2")
    adapters = pytest.importorskip("requests.adapters")
    import socket

    owners = [
        *(
            getattr(lib, n)
            for lib in (httpx, httpx2)
            for n in ("HTTPTransport", "AsyncHTTPTransport")
        ),
        adapters.HTTPAdapter,
        socket.socket,
    ]
    before = [dict(vars(owner)) for owner in owners]
    lookup = socket.getaddrinfo
    with cassette(tape):
        with cassette(tape.with_name("inner.yaml")):
            pass
        assert [dict(vars(owner)) for owner in owners] != before
    assert [dict(vars(owner)) for owner in owners] == before
    assert socket.getaddrinfo is lookup


def test_of_head_the_length_of_the_missing_body_is_kept(
    server: Any, tape: Path, ask: Callable[..., Any]
) -> None:
    """Programs ask for just that."""
    with cassette(tape):
        ask("HEAD", f"{server.url}/big")
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("HEAD", f"{server.url}/big").headers["content-length"] == "1234"


def test_a_download_by_requests_raw_is_unpacked_if_asked_for(server: Any, tape: Path) -> None:
    """`response.raw.decode_content = True`, then `shutil.copyfileobj`, as the manual has it."""
    requests = pytest.importorskip("requests")

    def download() -> Any:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(f"{server.url}/gzip", stream=True)
            response.raw.decode_content = True
            file = io.BytesIO()
            shutil.copyfileobj(response.raw, file)
            return json.loads(file.getvalue())

    with cassette(tape):
        assert download() == {"packed": True}
    server.stop()
    with cassette(tape, mode="none"):
        assert download() == {"packed": True}


def test_a_packed_answer_that_requests_reads_in_part_is_cut(server: Any, tape: Path) -> None:
    """Its length on the wire says nothing of how much was read."""
    requests = pytest.importorskip("requests")
    packed = gzip.compress(b"a" * 100_000)
    server.routes["/big"] = lambda handler: handler.plain(
        packed, headers=[("Content-Encoding", "gzip")]
    )
    with requests.Session() as session:
        session.trust_env = False
        with cassette(tape):
            response = session.get(f"{server.url}/big", stream=True)
            next(response.iter_content(4096))
            response.close()
        server.stop()
        with cassette(tape, mode="none"), pytest.raises(requests.RequestException):
            _ = session.get(f"{server.url}/big").content


def test_json_lines_stay_lines(server: Any, tape: Path, ask: Callable[..., Any]) -> None:
    """Even a single one, which is JSON too."""
    line = b'{"message": "Hi", "done": true}\n'
    server.routes["/lines"] = lambda handler: handler.plain(
        line, headers=[("Content-Type", "application/x-ndjson")]
    )
    with cassette(tape):
        ask("GET", f"{server.url}/lines")
    server.stop()
    with cassette(tape, mode="none"):
        assert ask("GET", f"{server.url}/lines").content == line
