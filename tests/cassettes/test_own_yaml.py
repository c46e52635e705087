"""What tracetape has written is read without a YAML parser, and as that would read it."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml

from tracetape.cassettes import Chunk, Interaction, RecordedError, Request, Response, Tape, load
from tracetape.cassettes.file import own_yaml
from tracetape.cassettes.file.load import parsed
from tracetape.cassettes.file.save import rendered, save
from tracetape.exceptions import CassetteFormatError

# Letters and signs that mean something in YAML or in JSON, or nothing anywhere.
SIGNS = [*"ab 0'\"\\:#|\t\r{}[],&*!%@`~?/=-\x00\x7f\x85é\u2028\ufeff😀", "\n", "\n\n", ": ", "- "]
LINES = ["# a comment", "---", "...", "", "  ", "      ", "    x: y", "- a", "%YAML 1.1", "\tx: y"]
TYPES = ["application/json", "text/event-stream", "text/plain", "audio/mpeg"]


def text(chance: random.Random, most: int) -> str:
    return "".join(chance.choices([*SIGNS, "null", "yes", "1.5"], k=chance.randrange(most)))


def body(chance: random.Random) -> bytes:
    value = chance.choice(["data: {}\n\n", '{{"a": "{}", "b": [1, 2]}}', "{}", "line\n  {}\n"])
    plain = (value.replace("{}", text(chance, 20)) * chance.randrange(3)).encode()
    return chance.choice([plain, plain, chance.randbytes(90)])


def interaction(chance: random.Random) -> Interaction:
    url = f"https://x.test/{chance.choice(['a', 'b?c=d', 'ü', 'a#b', 'a b'])}"
    headers = [("content-type", chance.choice(TYPES)), ("x-id", text(chance, 6))]
    request = Request(chance.choice(["GET", "POST"]), url, headers, body(chance))
    if chance.random() < 0.1:
        return Interaction(request, None, RecordedError("ReadError", text(chance, 20)))
    data = body(chance)
    half = len(data) // 2
    chunks = [Chunk(part, 0.01) for part in (data[:half], data[half:]) if part]
    length = [("content-length", str(len(data)))]
    return Interaction(request, Response(200, text(chance, 4), headers, chunks, length))


def file_of(chance: random.Random) -> str:
    tape = Tape([interaction(chance) for _ in range(chance.randrange(1, 4))])
    return rendered(tape, ends=chance.random() < 0.8)


def edited(chance: random.Random, source: str) -> str:
    at = chance.randrange(len(source))
    line = source.rfind("\n", 0, at) + 1
    return chance.choice(
        [
            source[:at] + chance.choice(SIGNS) + source[at:],
            source[:at] + source[at + chance.randrange(1, 4) :],
            f"{source[:line]}{chance.choice(LINES)}\n{source[line:]}",
        ]
    )


def outcome(data: bytes) -> Any:
    try:
        return parsed(data)
    except CassetteFormatError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_edited", [False, True], ids=["as written", "edited"])
def test_a_file_is_read_as_a_yaml_parser_reads_it(
    seed: int, is_edited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an editor did to it: the same interactions, or the same error."""
    chance = random.Random(seed)
    sources = [file_of(chance) for _ in range(200)]
    if is_edited:
        sources = [edited(chance, one) for one in sources]
    files = [one.encode("utf-8", "replace") for one in sources]
    read = [own_yaml.document(one) is not None for one in files]
    assert sum(read) > 20
    assert is_edited or all(read)
    ours = [outcome(one) for one in files]
    monkeypatch.setattr(own_yaml, "document", lambda data: None)
    for one, found in zip(files, ours, strict=True):
        assert found == outcome(one), one


@pytest.mark.parametrize(
    "value",
    [
        *(
            "|+\n\n",
            "|\n\n      a",
            "|\n       a",
            "|-\n     a",
            "|\n      a\n     b",
            "a\n      b",
        ),
        *(
            "!!binary |\n       aGk=\n      aGk=",
            "!!binary |\n      aGk=\n     aGk=",
            "!!binary |\n",
        ),
    ],
)
def test_a_block_that_we_would_not_write_is_left_to_the_parser(value: str) -> None:
    """An empty one, one that is indented otherwise, a text of two lines."""
    source = file_of(random.Random(1)).replace("    method: GET\n", f"    method: {value}\n")
    assert own_yaml.document(source.replace("method: POST", f"method: {value}").encode()) is None


def test_no_yaml_parser_is_asked(tape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes most of the time of a replay; also base64 is read without one."""
    answers = [
        Response(200, "OK", [("content-type", "audio/mpeg")], [Chunk(b"\xff" * 1000)]),
        Response(200, "OK", [("content-type", "application/json")], [Chunk(b'{"a": "\xc3\xa9"}')]),
        Response(200, "OK", [("content-type", "text/event-stream")], [Chunk(b"data: 1\n\n")]),
    ]
    request = Request("POST", "https://x.test/", [("content-type", "application/json")], b"{}")
    save(tape, Tape([Interaction(request, one) for one in answers]))

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a YAML parser was asked")

    monkeypatch.setattr(yaml, "load", refuse)
    monkeypatch.setattr(yaml, "parse", refuse)
    assert [one.response.body for one in load(tape).interactions] == [
        b"\xff" * 1000,
        b'{\n  "a": "\xc3\xa9"\n}',
        b"data: 1\n\n",
    ]


def test_what_is_nested_deeply_is_left_to_the_parser_that_has_a_limit() -> None:
    """No file makes this reader call itself without end."""
    deep = "".join(f"{'  ' * level}a:\n" for level in range(1000))
    assert own_yaml.document(f"{deep}{'  ' * 1000}b: c\n".encode()) is None
