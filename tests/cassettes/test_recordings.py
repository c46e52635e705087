"""Other people's recordings of real traffic: each replays as it was received.

They are other people's data and no part of this project: where they are not there (a folder
`shared/data` beside the project's), nothing is tested.
"""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracetape.cassettes import Interaction, Tape, cassette, load, save

httpx2 = pytest.importorskip("httpx2")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
INDEX = DATA / "index.json"
ROWS = json.loads(INDEX.read_bytes()) if INDEX.exists() else []
FILES = sorted({row["file"] for row in ROWS})
ANYWHERE = "https://api.openai.com/"
pytestmark = pytest.mark.skipif(not FILES, reason="the recordings are not on this machine")


class _Loader(yaml.SafeLoader):
    """ruby's tag for binary is not YAML's."""


_Loader.add_constructor("!binary", yaml.SafeLoader.construct_yaml_binary)


def expected(file: str) -> Iterator[tuple[int, bytes, bool]]:
    """Status, decoded body, and whether that is compared as JSON; read without code of ours."""
    data = (DATA / file).read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    document = json.loads(data) if data[:1] == b"{" else yaml.load(data, _Loader)
    if "responses" in document:
        responses = document["responses"]
    elif "response" in document:
        responses = [document["response"]]
    else:
        pairs = document.get("interactions") or document.get("http_interactions") or []
        responses = [pair["response"] for pair in pairs]
    for response in responses:
        if "status_code" in response:  # vcrpy's first stub for httpx
            yield response["status_code"], response["content"].encode(), False
            continue
        status = response["status"]
        code = status["code"] if isinstance(status, dict) else status
        if "parsed_body" in response:
            yield code, json.dumps(response["parsed_body"]).encode(), True
            continue
        body = response["body"]
        if isinstance(body, dict):
            packed = body.get("base64_string")
            body = base64.b64decode(packed) if packed else body.get("string")
        body = body.encode() if isinstance(body, str) else body or b""
        yield code, unpacked(body, response.get("headers") or {}), False


def unpacked(body: bytes, headers: dict[Any, Any]) -> bytes:
    """Some say that they are packed, and are not."""
    names = {str(name).lower(): value for name, value in headers.items()}
    said = str(names.get("content-encoding", ""))
    try:
        if "gzip" in said:
            return gzip.decompress(body)
        if "br" in said:
            return bytes(importlib.import_module("brotli").decompress(body))
    except (OSError, zlib.error, importlib.import_module("brotli").error):
        pass
    return body


def replayed(tape: Path, interactions: list[Interaction]) -> Iterator[tuple[int, bytes]]:
    """What the SDK's HTTP library receives for each recorded request."""
    has_urls = all(one.request.url.startswith("http") for one in interactions)
    match_on = None if has_urls else ["method", "body"]
    with (
        cassette(tape, mode="none", match_on=match_on) as player,
        httpx2.Client(trust_env=False) as client,
    ):
        for one in interactions:
            response = client.request(
                one.request.method,
                one.request.url if has_urls else ANYWHERE,
                content=one.request.body,
                headers={"content-type": one.request.header("content-type")},
            )
            yield response.status_code, response.content
        assert player.unused == []


@pytest.mark.parametrize("file", FILES)
def test_a_recording_replays_as_it_was_received(file: str, tmp_path: Path) -> None:
    """Status and decoded body, byte for byte; once more from the tape that we make of it."""
    interactions = load(DATA / file).interactions
    assert interactions
    found = [*replayed(DATA / file, interactions)]
    wanted = [*expected(file)]
    assert len(found) == len(wanted)
    for (status, body), (code, text, is_json) in zip(found, wanted, strict=True):
        assert status == code
        assert (json.loads(body) == json.loads(text)) if is_json else (body == text)

    save(tmp_path / "ours.yaml", Tape(interactions))
    again = load(tmp_path / "ours.yaml").interactions
    for (_, body), one in zip(found, again, strict=True):
        assert one.response is not None
        if one.response.body != body:  # JSON is written prettily
            assert json.loads(one.response.body) == json.loads(body)


def test_each_call_of_the_index_is_found_in_its_place() -> None:
    """By file and number: the endpoint, the status, and whether it was streamed."""
    tapes = {file: load(DATA / file).interactions for file in FILES}
    for row in ROWS:
        one = tapes[row["file"]][row["i"]]
        assert one.response is not None
        assert (one.request.method, one.response.status) == (row["method"].upper(), row["status"])
        assert one.response.is_event_stream == (row["content_type"] == "text/event-stream"), row
