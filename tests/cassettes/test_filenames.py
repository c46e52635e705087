"""Names of tapes that other file systems take for one, or cannot have."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Tape, cassette, load, save
from tracetape.exceptions import CassetteError, InvalidValueError

httpx = pytest.importorskip("httpx")


def get(url: str) -> None:
    httpx.get(url, trust_env=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.yaml", "A.yaml"),
        ("straße.yaml", "STRASSE.yaml"),
        (unicodedata.normalize("NFC", "é.yaml"), unicodedata.normalize("NFD", "é.yaml")),
        (unicodedata.normalize("NFC", "É.yaml"), unicodedata.normalize("NFD", "é.yaml")),
    ],
)
def test_a_new_tape_is_told_apart_from_those_beside_it(
    one: str, other: str, tmp_path: Path, server: Any
) -> None:
    """Where it would be one file with another it is refused; those that are there are read."""
    with cassette(tmp_path / one):
        get(server.url)
    with (
        pytest.raises(CassetteError, match="would be the same file as"),
        cassette(tmp_path / other),
    ):
        get(server.url)
    assert len(server.asked) == 1
    save(tmp_path / other, Tape([]))
    with cassette(tmp_path / one), cassette(tmp_path / other):
        get(server.url)


@pytest.mark.parametrize(
    "name", ["con", "NUL.yaml", "aux.tape.yaml", "Com1.yaml", "lpt9", "tape.", "tape ", "dots../t"]
)
def test_a_new_tape_has_a_name_that_windows_can_have(name: str, server: Any) -> None:
    """One that is there already is read."""
    with pytest.raises(InvalidValueError, match="Windows"), cassette(name):
        get(server.url)
    assert not server.asked
    save(name, Tape([]))
    with cassette(name):
        pass


@pytest.mark.parametrize("name", ["console.yaml", ".nul", "com10.yaml", "my con.yaml", "../t.yaml"])
def test_names_that_only_look_so_are_fine(name: str, tmp_path: Path, server: Any) -> None:
    """As every other name."""
    (tmp_path / "below").mkdir()
    os.chdir("below")
    with cassette(name):
        get(server.url)
    assert len(load(name).interactions) == 1


@pytest.mark.parametrize("mode", ["once", "none", "all", "new_episodes"])
def test_a_name_that_is_too_long_is_refused_by_name(mode: str, tmp_path: Path) -> None:
    """Before the program runs."""
    with pytest.raises(InvalidValueError, match="256 bytes"):
        with cassette(tmp_path / ("é" * 125 + "x.yaml"), mode=mode):
            raise AssertionError


@pytest.mark.parametrize("modes", [["once", "none"], ["once", "all", "none"]])
def test_the_longest_names_are_written_and_replaced(
    modes: list[str], tmp_path: Path, server: Any
) -> None:
    """Their drafts have other names: pytest-recording makes tapes of 255 bytes."""
    path = tmp_path / ("x" * 250 + ".yaml")
    for mode in modes:
        with cassette(path, mode=mode):
            get(server.url)
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == [path.name]
