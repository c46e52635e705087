"""The file: readable in a diff, read by vcrpy, reading vcrpy's and its kin's, and safe to read."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetape.cassettes import (
    Chunk,
    Interaction,
    RecordedError,
    Request,
    Response,
    Tape,
    cassette,
    load,
    save,
)
from tracetape.exceptions import CassetteError, CassetteFormatError, InvalidValueError

brotli = pytest.importorskip("brotli")
httpx2 = pytest.importorskip("httpx2")
httpx = pytest.importorskip("httpx")
vcr = pytest.importorskip("vcr")

URL = "https://x.test/v1/a"
JSON = [("content-type", "application/json")]
SSE = [("content-type", "text/event-stream")]


def one(body: Any = b"{}", headers: Any = JSON, **more: Any) -> Interaction:
    """A tape's only interaction."""
    response = Response(200, "OK", list(headers), [Chunk(body)])
    return Interaction(Request("POST", URL, list(JSON), b'{"q":1}'), response, **more)


def get(url: Any = URL, body: Any = b'{"q":1}') -> Any:
    with httpx2.Client(verify=False) as client:
        return client.post(url, content=body, headers={"content-type": "application/json"})


def written(tape: Path, *interactions: Any) -> Any:
    save(tape, Tape(list(interactions)))
    return tape.read_text(encoding="utf-8")


def test_a_tape_reads_well(tape: Path) -> None:
    """JSON is indented, events stand one a block, numbers of an embedding on one line."""
    stream = b'data: {"n": 1}\n\ndata: {"n": 2}\n\n'
    vector = b'{"text":"caf\xc3\xa9 \xf0\x9f\x98\x80","embedding":[0.5,-1.5e-07]}'
    text = written(tape, one(vector), one(stream, SSE), one(b"a\r\nb\n", ()))
    assert (
        text
        == """\
version: 1
tracetape:
  end: true
interactions:
- request:
    method: POST
    uri: https://x.test/v1/a
    headers:
      content-type:
      - application/json
    body: |-
      {
        "q": 1
      }
  response:
    status:
      code: 200
      message: OK
    headers:
      content-type:
      - application/json
    body:
      string: |-
        {
          "text": "café 😀",
          "embedding": [0.5, -1.5e-7]
        }
- request:
    method: POST
    uri: https://x.test/v1/a
    headers:
      content-type:
      - application/json
    body: |-
      {
        "q": 1
      }
  response:
    status:
      code: 200
      message: OK
    headers:
      content-type:
      - text/event-stream
    body:
      string: |+
        data: {"n": 1}

        data: {"n": 2}

  tracetape:
    chunks: "32+0"
- request:
    method: POST
    uri: https://x.test/v1/a
    headers:
      content-type:
      - application/json
    body: |-
      {
        "q": 1
      }
  response:
    status:
      code: 200
      message: OK
    headers: {}
    body:
      string: "a\\r\\n\\
        b\\n"
tracetape_end: true
"""
    )


TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from("\n \t\r:#-\"'\\{}[]|>&*!%@`?~\x00\x7f\x85\u2028\ufeff\ufffe😀é019."),
        st.characters(codec="utf-8"),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(body=st.one_of(TEXT.map(str.encode), st.binary(max_size=60)), header=TEXT, message=TEXT)
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, body: Any, header: Any, message: Any
) -> None:
    """Any bytes, headers and messages, by both of the YAML library's readers."""
    tape = tmp_path_factory.mktemp("tapes") / "tape.yaml"
    headers = [("x-header", header)]
    saved = one(body, headers, error=RecordedError("ReadError", message))
    text = written(tape, saved)
    (loaded,) = load(tape).interactions
    assert loaded.response.body == body
    assert loaded.response.headers == headers
    assert loaded.error == saved.error
    assert yaml.load(text, Loader=yaml.SafeLoader) == yaml.load(text, Loader=yaml.CSafeLoader)


def test_vcrpy_replays_our_tapes(server: Any, tape: Path) -> None:
    """Also one with an error, a cut stream and chunk times on it."""
    server.routes["/s"] = lambda handler: handler.stream([b"data: 1\n\n"] * 50, 0.01)
    with cassette(tape), httpx.Client(trust_env=False, verify=False) as client:
        first = client.post(f"{server.url}/a", json={"n": 1}).json()
        gzipped = client.get(f"{server.url}/gzip").json()
        with client.stream("GET", f"{server.url}/s") as stream:
            next(stream.iter_raw())
        with pytest.raises(httpx.ConnectError):
            client.get("http://127.0.0.1:1/")
    server.stop()
    with vcr.use_cassette(str(tape), record_mode="none") as theirs:
        with httpx.Client(trust_env=False, verify=False) as client:
            assert client.post(f"{server.url}/a", json={"n": 1}).json() == first
            assert client.get(f"{server.url}/gzip").json() == gzipped
            assert client.get(f"{server.url}/s").text.startswith("data: 1\n\n")
    assert theirs.play_count == 3


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_we_replay_vcrpys_tapes(server: Any, tape: Path, serializer: Any) -> None:
    """As vcrpy wrote them, compressed answers and all, byte for byte."""
    server.routes["/odd"] = lambda handler: handler.plain(b'{"a":  1}\r\n  ')
    with vcr.use_cassette(str(tape), serializer=serializer):
        with httpx.Client(trust_env=False, verify=False) as client:
            first = client.post(f"{server.url}/odd", json={"text": "\U0001f600"})
            if serializer == "yaml":  # its JSON holds no binary
                assert client.get(f"{server.url}/gzip").json() == {"packed": True}
    server.stop()
    with cassette(tape, mode="none"):
        with httpx2.Client(trust_env=False, verify=False) as client:
            second = client.post(f"{server.url}/odd", json={"text": "\U0001f600"})
            assert second.content == first.content
            if serializer == "yaml":
                assert client.get(f"{server.url}/gzip").json() == {"packed": True}


PLAIN = b'{"a": "caf\xc3\xa9"}'
BODIES = {
    "text": ({"string": PLAIN.decode()}, {}),
    "binary": ({"string": PLAIN}, {}),
    "gzip": ({"string": gzip.compress(PLAIN)}, {"Content-Encoding": ["gzip"]}),
    "brotli": ({"string": brotli.compress(PLAIN)}, {"content-encoding": ["br"]}),
    "deflate": ({"string": zlib.compress(PLAIN)}, {"content-encoding": ["deflate"]}),
    "raw deflate": ({"string": zlib.compress(PLAIN)[2:-4]}, {"content-encoding": ["deflate"]}),
    "header over a plain body": ({"string": PLAIN}, {"content-encoding": ["gzip"]}),
    "unknown encoding": ({"string": PLAIN}, {"content-encoding": ["rot13"]}),
    "base64": ({"base64_string": base64.b64encode(PLAIN).decode()}, {}),
    "parsed beside": (None, {}),
    "parsed inside": ({"parsed_body": json.loads(PLAIN)}, {}),
}

if importlib.util.find_spec("zstandard"):
    zstd = importlib.import_module("zstandard").compress(PLAIN)
    BODIES["zstd"] = ({"string": zstd}, {"content-encoding": ["zstd"]})


@pytest.mark.parametrize(("body", "headers"), BODIES.values(), ids=BODIES)
def test_the_forms_of_a_body_on_other_peoples_tapes(tape: Path, body: Any, headers: Any) -> None:
    """Text, binary, compressed, base64, or the JSON itself."""
    response = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": body}
    if body is None:
        response["parsed_body"] = json.loads(PLAIN)
    request = {"method": "POST", "uri": URL, "headers": {}, "body": '{"q": 1}'}
    document = {"version": 1, "interactions": [{"request": request, "response": response}]}
    tape.write_text(yaml.dump(document))
    with cassette(tape, mode="none"):
        assert get().json() == json.loads(PLAIN)


REQUEST = {"method": "post", "uri": URL, "body": '{"q": 1}', "headers": {}}
RESPONSE = {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "{}"}}
SHAPES = {
    "ruby": {"http_interactions": [{"request": REQUEST, "response": RESPONSE}]},
    "langchain": {"requests": [REQUEST], "responses": [RESPONSE]},
    "one pair": {
        "request": {"method": "POST", "url": URL, "body": '{"q": 1}', "headers": {}},
        "response": {"status": {"code": 200}, "headers": {}, "body": "{}"},
    },
    "old httpx stub": {
        "interactions": [
            {
                "request": REQUEST,
                "response": {
                    "status_code": 200,
                    "http_version": "1",
                    "headers": {},
                    "content": "{}",
                },
            }
        ]
    },
}


@pytest.mark.parametrize("document", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
def test_the_shapes_of_other_peoples_tapes(tape: Path, document: Any, packed: Any) -> None:
    """ruby's VCR, LangChain's two lists, Datadog's pairs; plain or packed by gzip."""
    data = yaml.dump(document).encode()
    tape.write_bytes(gzip.compress(data) if packed else data)
    with cassette(tape, mode="none"):
        assert get().json() == {}


def test_rubys_binary_is_read(tape: Path) -> None:
    """It has a tag of its own for it."""
    document = {"http_interactions": [{"request": REQUEST, "response": RESPONSE}]}
    text = yaml.dump(document).replace("'{}'", "!binary |-\n          e30=")
    assert "!binary" in text
    tape.write_text(text)
    with cassette(tape, mode="none"):
        assert get().content == b"{}"


def test_a_tape_without_urls_is_matched_by_the_rest(tape: Path) -> None:
    """LangChain blanks the URLs: `match_on` says what is left to compare."""
    request = {**REQUEST, "uri": "**REDACTED**"}
    tape.write_text(yaml.dump({"requests": [request], "responses": [RESPONSE]}))
    with cassette(tape, mode="none", match_on=["method", "body"]):
        assert get().json() == {}


def test_a_stream_edited_by_hand_is_replayed_as_edited(tape: Path) -> None:
    """The text counts; the sizes of its parts are forgotten when they no longer fit."""
    text = written(tape, one(b"data: 1\n\ndata: 2\n\n", SSE))
    tape.write_text(text.replace("data: 2", "data: twenty"))
    with cassette(tape, mode="none"):
        assert get().text == "data: 1\n\ndata: twenty\n\n"


@pytest.mark.parametrize("sizes", ["1+0", "9+0 9+-5", "18+inf", "18+nan", "x", "[[18, 0]]"])
def test_sizes_that_make_no_sense_are_forgotten(tape: Path, sizes: Any) -> None:
    """The body is replayed as one part."""
    body = b"data: 1\n\ndata: 2\n\n"
    written(tape, one(body, SSE))
    tape.write_text(tape.read_text().replace("18+0", sizes))
    (loaded,) = load(tape).interactions
    assert [chunk.data for chunk in loaded.response.chunks] == [body]


NOT_ONE = "interactions: [{response: null}]"
NESTED = "version: 1\ninteractions: " + "[" * 50_000
ALIASES = "a: &a [x, x]\nb: &b [*a, *a]\nversion: 1\ninteractions: []\n"
LINE = "{request: {method: GET, uri: 'http://x/', headers: {}}, response: %s}"
BAD = {
    "empty": ("", "it is empty; delete it"),
    "blank": (" \n\n", "it is empty"),
    "not YAML": ("a: [", "not YAML that can be read safely"),
    "a text": ("hello", "it holds a str where a mapping with `interactions` should be"),
    "null": ("~", "it holds nothing where"),
    "a list": ("- 1", "vcrpy before version 1"),
    "no interactions": ("version: 1", "it has no list of `interactions`"),
    "another version": ("version: 2\ninteractions: []", "it has version 2, but only version 1"),
    "python objects": (
        "version: 1\ninteractions: [!!python/object/apply:os.system ['true']]",
        "could not determine a constructor for the tag",
    ),
    "deep": (NESTED, "nested more than 200 levels deep"),
    "a little too deep": (f"interactions: {'[' * 200}{']' * 200}", "nested more than 200 levels"),
    "deep mappings": ("interactions: " + "{a: " * 3000, "nested more than 200 levels deep"),
    "deep blocks": ("interactions:\n" + "- " * 3000 + "a", "nested more than 200 levels deep"),
    "deep within quotes": ("interactions: '" + "[" * 3000 + "'", "it has no list of"),
    "deep JSON": ('{"a": ' * 5000, "nested more than 200 levels deep"),
    "aliases of aliases": (ALIASES, "aliases inside a part that an alias repeats"),
    "an interaction that is none": (
        "interactions: [3]",
        "interaction 1 is malformed: it is not a mapping",
    ),
    "no request": (NOT_ONE, "interaction 1 is malformed: 'request' is missing"),
    "no response": (f"interactions: [{LINE % 'null'}]", "neither a response nor an error"),
    "no status": (f"interactions: [{LINE % '{headers: {}}'}]", "'status_code' is missing"),
    "a body that is a number": (
        f"interactions: [{LINE % '{status: 200, body: 5}'}]",
        "a body must be text or binary, not int",
    ),
    "a body that is no base64": (
        "interactions: [" + LINE % "{status: 200, body: {base64_string: 'aGk!'}}" + "]",
        "a base64_string is not valid base64",
    ),
    "a binary that is no base64": (
        "interactions: [" + LINE % "{status: 200, body: {string: !!binary 'aGk@@='}}" + "]",
        "a binary is not valid base64",
    ),
    "a binary that was cut": (
        f"interactions: [{LINE % '{status: 200, body: {string: !binary aGkg1}}'}]",
        "a binary is not valid base64",
    ),
    "headers that are no mapping": (
        f"interactions: [{LINE % '{status: 200, headers: [[a, b]]}'}]",
        "headers must be a mapping, not list",
    ),
    "a URL that is none": (
        "interactions: [{request: {method: GET, uri: 'http://[x/'}, response: null}]",
        "interaction 1 is malformed",
    ),
    "unequal lists": ("requests: [1]\nresponses: []", "it has 1 requests and 0 responses"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_tape_is_a_clear_error(tape: Path, text: Any, message: Any) -> None:
    """It names the file and says what is wrong; nothing crashes, hangs or is executed."""
    tape.write_text(text)
    with pytest.raises(CassetteFormatError, match=re.escape(message)) as caught:
        with cassette(tape):
            pass
    assert str(caught.value).startswith(f"{tape} is not a usable cassette: ")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "data",
    [b"\x1f\x8b\x08broken", gzip.compress(b"version: 1")[:-6], b"\xff\xfe\x00\x01", b"a: \x00"],
    ids=["broken gzip", "half a gzip", "UTF-16", "control characters"],
)
def test_broken_bytes_are_a_clear_error(tape: Path, data: Any) -> None:
    """Broken gzip, other encodings, control characters."""
    tape.write_bytes(data)
    with pytest.raises(CassetteFormatError, match="is not a usable cassette"):
        load(tape)


def test_bombs_are_refused(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, and a body on it, that would unpack to more than the limit."""
    monkeypatch.setattr("tracetape.cassettes.file.bodies.MAX_BODY", 100_000)
    monkeypatch.setattr("tracetape.cassettes.file.load.MAX_BODY", 100_000)
    bomb = gzip.compress(b"\0" * 1_000_000)
    tape.write_bytes(bomb)
    with pytest.raises(CassetteFormatError, match="larger than 100,000 bytes unpacked"):
        load(tape)
    for name, packed in (("gzip", bomb), ("br", brotli.compress(b"\0" * 1_000_000))):
        response = {**RESPONSE, "headers": {"content-encoding": [name]}, "body": {"string": packed}}
        tape.write_text(yaml.dump({"interactions": [{"request": REQUEST, "response": response}]}))
        with pytest.raises(CassetteFormatError, match="larger than 100,000 bytes unpacked"):
            load(tape)


def test_aliases_that_repeat_too_much_are_refused(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vcrpy writes aliases, so some are fine."""
    monkeypatch.setattr("tracetape.cassettes.file.load.MAX_BODY", 10_000)
    head = f"a: &a [{'x' * 1000}]\nb: [*a, *a]\nversion: 1\ninteractions: []\n"
    tape.write_text(head)
    assert load(tape).interactions == []
    tape.write_text(head.replace("*a, *a", ", ".join(["*a"] * 20)))
    with pytest.raises(CassetteFormatError, match="aliases repeat more than"):
        load(tape)


def test_a_directory_is_no_cassette(tmp_path: Path) -> None:
    """What the system says is passed on."""
    with pytest.raises(CassetteError, match="cannot be read"):
        load(tmp_path)


def test_a_device_is_no_cassette() -> None:
    """It may give zeros for ever."""
    for name in ("/dev/zero", "/dev/null"):
        if Path(name).exists():
            with pytest.raises(CassetteError, match=f"{name} is a device: name a file"):
                load(name)


def test_half_a_character_is_no_name() -> None:
    """No system has such a file; the error says so, not Python's codec."""
    for name in ("\ud800.yaml", "\ud800/a.yaml"):
        with pytest.raises(InvalidValueError, match="has half a character"):
            cassette(name).__enter__()


def test_a_tape_that_was_cut_off_anywhere_is_refused(tape: Path) -> None:
    """Whichever byte a merge or a full disk has ended it at: no body is replayed by half."""
    body = b'{"text": "forty-two"}'
    one = Interaction(
        Request("POST", "https://x.test/v1/a", [], b"ask"),
        Response(200, "OK", [("content-type", "application/json")], [Chunk(body)]),
    )
    save(tape, Tape([one, one], incomplete=True))
    whole = tape.read_bytes()
    for size in range(len(whole) - 1):
        tape.write_bytes(whole[:size])
        with pytest.raises(CassetteFormatError):
            load(tape)
    tape.write_bytes(whole)
    assert load(tape).incomplete


def test_a_tape_that_was_cut_off_says_so(tape: Path) -> None:
    """The error names the file and the line that is missing."""
    save(tape, Tape([]))
    tape.write_text(tape.read_text().replace("tracetape_end: true\n", ""))
    with pytest.raises(CassetteFormatError, match=r"tape\.yaml.*`tracetape_end: true`.*cut off"):
        load(tape)


@pytest.mark.parametrize("body", ["", "body:", "body: {string: }", "body: {}"])
def test_a_response_without_its_body_is_refused(tape: Path, body: Any) -> None:
    """Tapes without a mark of their end, older ones and vcrpy's, may have been cut off as well."""
    tape.write_text(
        "interactions:\n- request: {method: GET, uri: 'http://x.test/', body: null}\n"
        "  response:\n    status: {code: 200, message: OK}\n"
        f"    headers: {{content-type: [text/plain]}}\n    {body}\n"
    )
    with pytest.raises(CassetteFormatError, match=r"interaction 1 is malformed: .*body"):
        load(tape)


@pytest.mark.parametrize("module", ["multidict", "multidict._multidict", "multidict._multidict_py"])
@pytest.mark.parametrize("how", ["apply", "new"])
def test_header_names_of_aiohttp_are_read_as_text(tape: Path, module: Any, how: Any) -> None:
    """vcrpy writes them as objects of multidict's; nothing of it is imported or made."""
    tag = f"!!python/object/{how}:{module}.istr"
    tape.write_text(
        f"interactions:\n- request:\n    headers:\n      ? {tag}\n      - Accept\n"
        "      : - text/plain\n    method: GET\n    uri: http://x.test/\n    body: null\n"
        f"  response:\n    headers:\n      ? {tag}\n        args: [Content-Type]\n"
        "      : [text/plain]\n    status: {code: 200, message: OK}\n"
        "    body: {string: hi}\nversion: 1\n"
    )
    one = load(tape).interactions[0]
    assert one.request.headers == [("accept", "text/plain")]
    assert one.response.headers == [("content-type", "text/plain")]


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:multidict._multidict.istr [a, b]",
        "!!python/object/apply:multidict._multidict.istr [[a]]",
        "!!python/object/apply:multidict._multidict.istr {args: [a], state: b}",
        "!!python/object/apply:multidict._multidict.CIMultiDict [a]",
        "!!python/object/apply:os.getcwd []",
    ],
)
def test_every_other_object_stays_refused(tape: Path, value: Any) -> None:
    """Only the one class that is text, with only its text, is read."""
    tape.write_text(
        "interactions:\n- request: {method: GET, uri: 'http://x.test/', body: null}\n"
        f"  response:\n    headers: {{a: {value}}}\n    status: {{code: 200}}\n"
        "    body: {string: hi}\n"
    )
    with pytest.raises(CassetteFormatError, match="can be read safely"):
        load(tape)
