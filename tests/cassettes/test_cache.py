"""Large tapes are parsed once: what came of it is kept, as JSON, under the hash of the file."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tracetape.cassettes import (
    Chunk,
    Interaction,
    RecordedError,
    Request,
    Response,
    Tape,
    load,
    save,
)
from tracetape.cassettes.file import save as tape_module

LARGE = b"x" * (1 << 20)
HEADERS = [("content-type", "text/event-stream"), ("content-type", "twice")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the entries are."""
    monkeypatch.setenv("TRACETAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cassettes"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A tape with all that there may be on one."""
    chunks = [Chunk(b"data: 1\n\n", 0.5), Chunk("data: é\n\n".encode(), 0.25), Chunk(LARGE)]
    cut = Response(200, "OK", HEADERS, chunks, [("content-length", "9")], cut=True)
    binary = Response(200, "", [("content-type", "audio/mpeg")], [Chunk(b"\xff\x00")])
    request = Request("POST", "https://example.com/", [("accept", "*/*")], b'{"a":1}')
    tape = Tape(
        [
            Interaction(request, cut),
            Interaction(request, binary, RecordedError("ReadError", "é")),
            Interaction(request, None, RecordedError("ConnectError", "")),
            Interaction(request, Response(204)),
        ],
        incomplete=True,
    )
    save(tmp_path / "large.yaml", tape)
    return tmp_path / "large.yaml"


def test_a_large_tape_is_parsed_once(
    folder: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time all is as it was the first time; changing it changes nothing for others."""
    first = load(large)
    monkeypatch.delattr(tape_module, "parsed")
    second = load(large)
    assert second.interactions == first.interactions
    assert second.incomplete is True
    second.interactions[0].request.body = b"changed"
    assert load(large).interactions == first.interactions


def test_a_changed_tape_is_parsed_anew(folder: Path, large: Path) -> None:
    """What counts is the file's content, not its name or time."""
    load(large)
    large.write_text(large.read_text().replace("audio/mpeg", "audio/opus"))
    response = load(large).interactions[1].response
    assert response is not None
    assert response.header("content-type") == "audio/opus"
    assert len([*folder.iterdir()]) == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"[1]", b"[false,[[1,2,3]]]", b"\x80\x04K\x01."],
    ids=["empty", "cut", "short", "shorter", "shapes", "pickle"],
)
def test_an_entry_that_makes_no_sense_is_as_good_as_none(
    folder: Path, large: Path, content: bytes
) -> None:
    """It is replaced; nothing in it is executed."""
    expected = load(large).interactions
    (entry,) = folder.iterdir()
    entry.write_bytes(content)
    assert load(large).interactions == expected
    assert json.loads(entry.read_bytes())[0] is True


def test_parts_that_do_not_fit_the_body_make_no_sense(folder: Path, large: Path) -> None:
    """No recording is shortened because of a broken entry."""
    expected = load(large).interactions
    (entry,) = folder.iterdir()
    stored = json.loads(entry.read_bytes())
    stored[1][0][1][5][0] += 1  # the size of the first part
    entry.write_text(json.dumps(stored))
    assert load(large).interactions == expected


def test_small_tapes_and_an_empty_variable_keep_nothing(
    folder: Path, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """YAML of some kilobytes is read at once."""
    save(tmp_path / "small.yaml", Tape([]))
    load(tmp_path / "small.yaml")
    assert not folder.exists()
    monkeypatch.setenv("TRACETAPE_CACHE", "")
    load(large)
    assert not folder.exists()


def test_a_place_that_cannot_be_written_does_no_harm(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tape is parsed each time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRACETAPE_CACHE", str(tmp_path / "file"))
    assert load(large).interactions == load(large).interactions


def test_the_oldest_entries_go(folder: Path, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that only grows fills a disk."""
    monkeypatch.setattr("tracetape.cassettes.file.cache._ENTRIES", 2)
    text = large.read_text()
    entries = []
    for number in range(4):
        large.write_text(text + f"# {number}\n")
        load(large)
        entries.append({path.name for path in folder.iterdir()})
        time.sleep(0.02)  # of file times
    assert [len(names) for names in entries] == [1, 2, 2, 2]
    assert not entries[0] & entries[3]
