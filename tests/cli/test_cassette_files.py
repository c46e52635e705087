"""`tracetape cassette ls`, `show`, `scrub` and `migrate`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, check, load, save
from tracetape.cli import main

KEY = "sk-" + "a1" * 20  # no real one, but shaped like one
AWS_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of AWS's documentation
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"
URL = "https://acme.example.com/v1/chat/completions"
JSON = [("content-type", "application/json")]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["cassette", *arguments])


def stream(*parts: bytes) -> Interaction:
    chunks = [Chunk(part, 0.5) for part in parts]
    headers = [("content-type", "text/event-stream")]
    return Interaction(Request("POST", URL, JSON, b"{}"), Response(200, "OK", headers, chunks))


def plain(body: bytes, answer: bytes = b"{}") -> Interaction:
    return Interaction(Request("POST", URL, JSON, body), Response(200, "OK", JSON, [Chunk(answer)]))


def vcrpys(body: str) -> dict[str, Any]:
    """A tape as vcrpy 9 writes it."""
    return {
        "version": 1,
        "interactions": [
            {
                "request": {
                    "method": "POST",
                    "uri": URL,
                    "body": body,
                    "headers": {"Authorization": ["Bearer 1"], "Content-Type": JSON[0][1]},
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {"Set-Cookie": ["a=b"], "Content-Type": [JSON[0][1]]},
                    "body": {"string": '{"a": 1}'},
                },
            }
        ],
    }


def test_ls_gives_a_line_a_cassette(tmp_path: Path) -> None:
    """What could not be read is named, and is an error."""
    save(tmp_path / "cassettes" / "a.yaml", Tape([plain(b"{}"), stream(b"data: 1\n\n")]))
    save(tmp_path / "cassettes" / "deep" / "b.yaml", Tape([], incomplete=True))
    done = run("ls")
    assert done.exit_code == 0
    rows = [line.split() for line in done.output.splitlines()]
    assert rows[0] == ["requests", "streams", "kB", "hosts", "cassette"]
    assert rows[1][:2] + rows[1][3:] == ["2", "1", "acme.example.com", "cassettes/a.yaml"]
    assert rows[2][:2] + rows[2][3:] == ["0", "0", "cassettes/deep/b.yaml", "(incomplete)"]

    (tmp_path / "cassettes" / "c.yaml").write_text("{")
    done = run("ls")
    assert done.exit_code == 1
    assert "c.yaml is not a usable cassette" in done.output


def test_show_gives_a_line_a_request_and_one_of_them_whole(tmp_path: Path) -> None:
    """Control characters of a server do not reach the terminal."""
    tape = tmp_path / "a.yaml"
    save(
        tape, Tape([plain(b'{"q":1}', b'{"a":"\x1b[31m"}'), stream(b"data: 1\n\n", b"data: 2\n\n")])
    )
    lines = run("show", str(tape)).output.splitlines()
    assert lines == [
        f"   1  POST {URL} · 200 OK · 13 bytes",
        f"   2  POST {URL} · 200 OK · 18 bytes · 2 chunks in 1.00 s",
    ]
    whole = run("show", str(tape), "1").output
    assert '{\n  "q": 1\n}' in whole
    assert "\x1b" not in whole
    done = run("show", str(tape), "3")
    assert done.exit_code == 1
    assert "has only 2 requests: there is no number 3" in done.output


@pytest.mark.parametrize(
    "secret", [KEY, f'1", "aws_secret_access_key": "{AWS_SECRET}', PEM.replace("\n", "\\n")]
)
def test_scrub_takes_out_what_check_finds(tmp_path: Path, secret: str) -> None:
    """And no more: JSON stays JSON, headers by list, names of one's own on demand."""
    tape = tmp_path / "a.yaml"
    tape.write_text(yaml.safe_dump(vcrpys(f'{{"key": "{secret}", "who": "acme corp"}}')))
    assert check([tape])
    done = run("scrub", "a.yaml", "--replace", "acme=example")
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "a.yaml")
    assert check([tape]) == []
    text = tape.read_text()
    assert not any(part in text for part in ("acme", "Cookie", "Bearer", AWS_SECRET, "MIIE"))
    (one,) = load(tape).interactions
    body = json.loads(one.request.body)
    assert body["who"] == "example corp"
    assert "REDACTED" in body.values()
    assert one.response is not None
    assert json.loads(one.response.body) == {"a": 1}
    assert "0 of 1 cassette rewritten" in run("scrub", "a.yaml", "--replace", "acme=example").output
    assert tape.read_text() == text


def test_scrub_keeps_the_parts_of_a_stream(tmp_path: Path) -> None:
    """Unless what was taken out stood in two of them."""
    whole, broken = f"data: {KEY}\n\n".encode(), f"data: {KEY}\n\n".encode()
    save(
        tmp_path / "a.yaml",
        Tape([stream(b"data: 1\n\n", whole), stream(broken[:20], broken[20:])]),
    )
    assert run("scrub", "a.yaml").exit_code == 0
    first, second = (one.response for one in load(tmp_path / "a.yaml").interactions)
    assert first is not None
    assert [chunk.data for chunk in first.chunks] == [b"data: 1\n\n", b"data: REDACTED\n\n"]
    assert second is not None
    assert second.body == b"data: REDACTED\n\n"


def test_a_replacement_without_a_name_is_refused(tmp_path: Path) -> None:
    """It says how one is written."""
    save(tmp_path / "a.yaml", Tape([]))
    done = run("scrub", "a.yaml", "--replace", "=x")
    assert done.exit_code == 1
    assert "write NAME=OTHER" in done.output


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.yaml.gz"])
def test_migrate_writes_other_peoples_tapes_as_ours(tmp_path: Path, name: str) -> None:
    """YAML is replaced, other files stay; what was there already is not overwritten."""
    document = vcrpys("{}")
    text = json.dumps(document) if "json" in name else yaml.safe_dump(document)
    data = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    source, target = tmp_path / name, tmp_path / "a.yaml"
    source.write_bytes(data)
    done = run("migrate", name)
    assert (done.exit_code, done.output) == (0, f"{name} → a.yaml: 1 request\n")
    assert target.read_text().startswith("version: 1\n")
    assert "Bearer" not in target.read_text()
    (one,) = load(target).interactions
    assert one.response is not None
    assert json.loads(one.response.body) == {"a": 1}
    if source != target:
        assert source.read_bytes() == data
        done = run("migrate", name)
        assert done.exit_code == 1
        assert "a.yaml exists already" in done.output
    written = target.read_bytes()
    assert "a.yaml: unchanged" in run("migrate", "a.yaml").output
    assert target.read_bytes() == written


def test_migrate_leaves_our_own_tapes_byte_for_byte(tmp_path: Path) -> None:
    """One without the mark of the end, one that was edited, one with a header that was kept."""
    path = tmp_path / "ours.yaml"
    answer = Response(200, "OK", [("x-mine", "r1")], [Chunk(b"hello")])
    tape = Tape([Interaction(Request("GET", "https://api.test/a"), answer)])
    save(path, tape, ends=False)
    assert "unchanged" in run("migrate", "ours.yaml").output
    save(path, tape)
    edited = path.read_bytes().replace(b"version: 1\n", b"# mine\nversion: 1\n")
    path.write_bytes(edited)
    assert run("migrate", "ours.yaml").exit_code == 0
    assert path.read_bytes() == edited
    path.write_bytes(edited.replace(b"hello", KEY.encode()))
    assert "ours.yaml → ours.yaml: 1 request\n" in run("migrate", "ours.yaml").output
    assert check(path) == []


def test_migrate_takes_secrets_out(tmp_path: Path) -> None:
    """As `scrub` does, which takes only YAML and says what to do with the rest."""
    (tmp_path / "a.json").write_text(json.dumps(vcrpys(KEY)))
    done = run("scrub", "a.json")
    assert done.exit_code == 1
    assert "`tracetape cassette migrate a.json`" in done.output
    (tmp_path / "z.yaml").write_text(yaml.safe_dump(vcrpys(KEY)))
    done = run("scrub", ".")
    assert done.exit_code == 1
    assert "z.yaml" in done.output
    assert "1 of 2 cassettes rewritten" in done.output
    assert check([tmp_path / "z.yaml"]) == []
    assert run("migrate", "a.json").exit_code == 0
    assert check([tmp_path / "a.yaml"]) == []
    (one,) = load(tmp_path / "a.yaml").interactions
    assert one.request.body == b"REDACTED"


def test_the_hook_of_pre_commit_runs_the_check() -> None:
    """Its entry is a command that there is."""
    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    program, *arguments = hook["entry"].split()
    assert program == "tracetape"
    assert CliRunner().invoke(main, [*arguments, "--help"]).exit_code == 0
