"""Tapes of other tools are parsed once, and mean what PyYAML says that they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tracetape.cassettes import load
from tracetape.cassettes.file import load as reading

TAPE = """
interactions:
- request:
    body: '{"model": "m",
      "n": 1}'
    headers:
      accept:
      - '*/*'
    method: POST
    uri: https://api.openai.com/v1/chat/completions
  response:
    body:
      string: !!binary |
        /+8=
    headers:
      content-type:
      - audio/mpeg
    status:
      code: 200
      message: OK
version: 1
"""
# Forms of YAML, with a meaning or without one.
VALUES = """
'it''s'|"\\u00e9\\x41"|~|null|NULL|yes|No|ON|off|y|x|a b|{a: 1, b: [x, 'y']}|[1, 2.5, -3]|0|-0|+1
017|0o7|0x1F|1_000|12:30:45|99999999999999999999|1.|.5|1e5|1.5e3
-1.50|.inf|-.INF|.nan|nan|=|<<
2001-01-01|2001-01-01 10:00:00|!!str 5|!!int 5|!!int x|!!binary aGk=|!!binary a|!binary aGk=
!foo bar|!!python/name:os.system|!!set {a, b}|&x a|*x|{[a]: b}|{{a: 1}: b}|@x|`y`|a: b: c
'a|{a: 1|{<<: {a: 1}}
""".replace("\n", "|").strip("|")


def test_a_tape_of_vcrpys_is_parsed_once(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the look at its events that finds what is nested too deeply, or repeated too often."""
    tape.write_text(TAPE)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the tape was parsed again")

    monkeypatch.setattr(yaml, "load", refuse)
    (one,) = load(tape).interactions
    assert one.request.body == b'{"model": "m", "n": 1}'
    assert one.response is not None
    assert one.response.body == b"\xff\xef"


@pytest.mark.parametrize("value", VALUES.split("|"))
def test_a_value_is_what_pyyaml_makes_of_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the same error; what is seldom on a tape is left to PyYAML itself."""
    data = f"k: {value}\n? {value}\n: l\n- {value}\n".encode()
    for source in (data, f"k: {value}\n".encode(), f"{value}: k\n".encode(), value.encode()):
        ours = _outcome(source)
        with monkeypatch.context() as patch:
            patch.setattr(reading, "_from_events", _unusual)
            assert ours == _outcome(source), source


def _unusual(data: bytes) -> None:
    raise reading._UnusualError


def _outcome(data: bytes) -> str:
    try:
        return repr(reading._document(data))
    except Exception as error:  # noqa: BLE001 - of any kind, as long as it is the same
        return f"{type(error).__name__}: {error}"
