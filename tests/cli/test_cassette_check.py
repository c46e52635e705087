"""`tracetape cassette check`: no secrets in the repository."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracetape.cli import main

KEY = "sk-" + "a1" * 20  # no real one, but shaped like one


def write_tape(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "interactions:\n"
        f"- request: {{method: POST, uri: 'https://example.com/', body: '{body}', headers: {{}}}}\n"
        "  response: {status: {code: 200, message: OK}, headers: {}, body: {string: ''}}\n"
        "version: 1\n"
    )


def test_clean_cassettes_pass(tmp_path: Path) -> None:
    """Without an argument those in `cassettes`, and in the folders below it."""
    write_tape(tmp_path / "cassettes" / "a.yaml", "hello")
    write_tape(tmp_path / "cassettes" / "deep" / "b.yml", "hello")
    (tmp_path / "cassettes" / "README.md").write_text("no cassette")
    done = CliRunner().invoke(main, ["cassette", "check"])
    assert done.exit_code == 0
    assert done.output == "tracetape: 2 cassettes checked, no secrets found\n"


def test_a_secret_fails_the_check_and_is_not_repeated(tmp_path: Path) -> None:
    """Its kind and place are said."""
    write_tape(tmp_path / "a.yaml", f"my key is {KEY}")
    done = CliRunner().invoke(main, ["cassette", "check", "a.yaml"])
    assert done.exit_code == 1
    assert "a.yaml: interaction 1: an OpenAI key in the request's body" in done.output
    assert KEY not in done.output


def test_a_header_is_one_problem_and_the_remedy_is_named(tmp_path: Path) -> None:
    """Whatever its value looks like: a header, a key and a bearer token at once."""
    write_tape(tmp_path / "a.yaml", "hello")
    text = (tmp_path / "a.yaml").read_text()
    text = text.replace("headers: {}}\n  ", f"headers: {{Authorization: Bearer {KEY}}}}}\n  ")
    (tmp_path / "a.yaml").write_text(text)
    done = CliRunner().invoke(main, ["cassette", "check", "a.yaml"])
    first, second, remedy = done.output.splitlines()
    assert first == "a.yaml: interaction 1: an OpenAI key in the request's header authorization"
    assert second == "tracetape: 1 problem in 1 cassette"
    assert "tracetape cassette scrub" in remedy
    assert "tracetape cassette migrate" in remedy


def test_packed_cassettes_are_looked_at_too(tmp_path: Path) -> None:
    """In folders as by name."""
    write_tape(tmp_path / "a.yaml", KEY)
    (tmp_path / "tapes").mkdir()
    packed = gzip.compress((tmp_path / "a.yaml").read_bytes())
    (tmp_path / "tapes" / "a.yaml.gz").write_bytes(packed)
    done = CliRunner().invoke(main, ["cassette", "check", "tapes"])
    assert done.exit_code == 1
    assert "a.yaml.gz: interaction 1: an OpenAI key" in done.output


def test_a_file_that_is_no_cassette_fails_the_check(tmp_path: Path) -> None:
    """The others are looked at all the same."""
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / "a.yaml").write_text("{")
    write_tape(tmp_path / "tapes" / "b.yaml", KEY)
    done = CliRunner().invoke(main, ["cassette", "check", "tapes"])
    assert done.exit_code == 1
    assert "a.yaml" in done.output
    assert "b.yaml: interaction 1" in done.output
    assert "tracetape: 2 problems in 2 cassettes" in done.output


@pytest.mark.parametrize("arguments", [[], ["missing.yaml"]])
def test_what_is_not_there_is_named(arguments: list[str]) -> None:
    """Checking nothing is no success."""
    done = CliRunner().invoke(main, ["cassette", "check", *arguments])
    assert done.exit_code == 1
    assert f"{(arguments or ['cassettes'])[0]} does not exist" in done.output
