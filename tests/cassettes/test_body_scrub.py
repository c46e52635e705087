"""Credentials in bodies of every kind, by name or by value: none gets on a tape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tracetape.cassettes import Tape, check, save
from tracetape.cassettes.file.model import Chunk, Interaction, Request, Response
from tracetape.cassettes.rewrite import scrub
from tracetape.cassettes.scrub import Sent, scrub_body, scrubbed_request, scrubbed_response

KEY = "cnry7Qx2Vb91LmZt4Kd0Wp"
PARTS = (
    b'--b0\r\nContent-Disposition: form-data; name="client_secret"\r\n\r\n%b\r\n'
    b'--b0\r\nContent-Disposition: form-data; name="config"\r\n\r\n{"password": "%b"}\r\n'
    b'--b0\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\xff\x00kept\r\n'
    b"--b0--\r\n"
)
BODIES = [
    ("application/json", b'{"data": {"password": "%b"}, "keep": "kept"}'),
    ("application/json", b'{"auth": {"type": "key", "key": "%b"}, "keep": "kept"}'),
    ("application/x-www-form-urlencoded", b"keep=kept&login%%5Bapi_key%%5D=%b"),
    ("application/x-www-form-urlencoded", b"keep=kept&auth%%5Bkey%%5D=%b"),
    ("application/x-ndjson", b'{"keep": "kept"}\n{"api_key": "%b"}\n'),
    ("text/event-stream", b'data: {"keep": "kept"}\n\ndata: {"access_token": "%b"}\n\n'),
    ("multipart/form-data; boundary=b0", PARTS.replace(b"%b", b"%b")),
]


@pytest.mark.parametrize(("kind", "template"), BODIES, ids=range(len(BODIES)))
def test_fields_named_as_credentials_are_hidden(kind: str, template: bytes) -> None:
    """In what is asked and in what is answered; all else stays."""
    body = template.replace(b"%b", KEY.encode()).replace(b"%%", b"%")
    request = Request("POST", "https://x.test/login", [("content-type", kind)], body)
    kept = scrubbed_request(request).body
    assert KEY.encode() not in kept
    assert b"kept" in kept
    answer = Response(200, "OK", [("content-type", kind)], [Chunk(body)])
    assert KEY.encode() not in scrubbed_response(answer, Sent(request).secrets).body
    assert scrubbed_request(Request("POST", request.url, request.headers, kept)).body == kept


NAMES = [
    *("data.password", "auth.key", "login[api_key]", "auth[key]", "api_key", "access_token"),
    "client_secret",
]


@pytest.mark.parametrize(
    ("kind", "template", "name"), [(*one, name) for one, name in zip(BODIES, NAMES, strict=True)]
)
def test_check_names_the_fields_that_other_tools_have_left(
    kind: str, template: bytes, name: str, tmp_path: Path
) -> None:
    """On either side; never their values, and not what stands for one. `scrub` takes them."""
    path = tmp_path / "tape.yaml"
    headers = [("content-type", kind)]
    body = template.replace(b"%b", KEY.encode()).replace(b"%%", b"%")
    request = Request("POST", "https://x.test/login", headers, body)
    answer = Response(200, "OK", headers, [Chunk(body)])
    save(path, Tape([Interaction(request, answer)]))

    found = check([path])

    assert {(one.kind, one.place) for one in found} >= {
        ("a credential", f"the {side}'s body, field {name}") for side in ("request", "response")
    }
    assert KEY not in " ".join(map(str, found))
    assert scrub(path, {})
    assert check([path]) == []
    hidden = Request("POST", request.url, headers, body.replace(KEY.encode(), b"FILTERED"))
    save(path, Tape([Interaction(hidden, Response(200, "OK", [], []))]))
    assert check([path]) == []  # what others write in their place


def test_a_key_in_pieces_is_hidden_and_the_events_stay() -> None:
    """A stream cuts a text anywhere; the events that have nothing of it stay byte for byte."""
    pieces = ["Your key is ", KEY[:7], KEY[7:15], KEY[15:] + ", right?"]
    events = [json.dumps({"choices": [{"index": 0, "delta": {"content": p}}]}) for p in pieces]
    body = "".join(f"data: {one}\n\n" for one in events) + "data: [DONE]\n\n"
    headers = [("authorization", f"Bearer {KEY}")]
    request = Request("POST", "https://x.test/chat", headers, b"{}")
    answer = Response(200, "OK", [("content-type", "text/event-stream")], [Chunk(body.encode())])
    kept = scrubbed_response(answer, Sent(request).secrets).body.decode()
    said = [json.loads(line[6:]) for line in kept.split("\n\n")[:-2]]
    text = "".join(one["choices"][0]["delta"]["content"] for one in said)
    assert text == "Your key is REDACTED, right?"
    assert kept.endswith("data: [DONE]\n\n")


def test_its_own_key_is_hidden_in_a_request_and_in_a_path() -> None:
    """Whatever the body is, and whatever the key looks like."""
    headers = [("authorization", f"Bearer {KEY}"), ("content-type", "text/plain")]
    request = Request("POST", f"https://x.test/k/{KEY}/v1", headers, f"I am {KEY}".encode())
    kept = scrubbed_request(request)
    assert kept.body == b"I am REDACTED"
    assert kept.url == "https://x.test/k/REDACTED/v1"


def test_bodies_without_credentials_stay_byte_for_byte() -> None:
    """Spelling and order are the sender's."""
    for kind, body in (
        ("application/json", b'{ "a" :1.0, "token": "word", "data": [0.1, 2] }'),
        ("text/event-stream", b'data:{"a" : 1}\r\n\r\ndata: [DONE]\n\n'),
        ("application/x-www-form-urlencoded", b"a=%7e&b=c+d"),
    ):
        answer = Response(200, "OK", [("content-type", kind)], [Chunk(body[:9]), Chunk(body[9:])])
        request = Request("POST", "https://x.test/", [("authorization", f"Bearer {KEY}")])
        assert scrubbed_response(answer, Sent(request).secrets).chunks == answer.chunks


def test_a_body_with_more_levels_than_orjson_writes_is_cleaned() -> None:
    """Its credential goes, all else stays to the byte."""
    deep = b'{"d":' + b"[" * 300 + b"]" * 300 + b',"api_key":"%b"}'
    found: list[str] = []
    cleaned = scrub_body(deep % b"abcdefgh12345678", "application/json", found)
    assert (cleaned, found) == (deep % b"REDACTED", ["abcdefgh12345678"])
