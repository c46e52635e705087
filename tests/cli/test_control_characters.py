"""What a terminal would obey never comes from us, whoever said it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from far_end import ASK, COMPLETION, FarEnd, http

import tracetape
import tracetape.cli
from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, save
from tracetape.cli import main
from tracetape.cli.run.report import _say
from tracetape.cli.run.run import Run
from tracetape.diagnostics import logger
from tracetape.exceptions import TracetapeException

_EVIL = "x\x1b]0;title\x07\x9b31m\u202ey"


def _is_clean(text: str) -> bool:
    return not set("\x1b\x07\x9b\u202e") & set(text) and "title" in text


@pytest.mark.parametrize(
    "arguments",
    [
        [_EVIL],
        [f"--{_EVIL}"],
        ["ls", f"--{_EVIL}"],
        ["ls", "--limit", _EVIL],
        ["ls", _EVIL],
        ["run", "--cassette-mode", _EVIL, "a.py"],
        ["ls", "--store", f"mysql://{_EVIL}"],
        ["ls", "--store", f"./{_EVIL}"],
    ],
)
def test_arguments_that_an_error_repeats(arguments: list[str]) -> None:
    """Unknown commands, options, values and stores are named without their control characters."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code in (1, 2)
    assert _is_clean(done.output)


def test_what_run_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Its lines after a run, and an error of its tape, may carry paths."""

    def fails() -> None:
        raise TracetapeException(_EVIL)

    _say(_EVIL)
    assert _is_clean(capsys.readouterr().err)
    assert not Run(None, None, show=False)._told(fails)
    assert _is_clean(capsys.readouterr().err)


def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Messages and tracebacks alike."""
    with caplog.at_level(logging.WARNING, "tracetape"):
        try:
            raise ValueError(_EVIL)
        except ValueError:
            logger.warning("the path %s", _EVIL, exc_info=True)
    assert _is_clean(caplog.records[0].getMessage())
    assert _is_clean(caplog.text)


_FOLDER = "f\x1b[31mo\n#l\x9b2Jd\u202ee\udcffr"


@pytest.fixture
def odd_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory: what has a name in it has one that a terminal would obey."""
    folder = tmp_path / _FOLDER
    (folder / "cassettes").mkdir(parents=True)
    monkeypatch.chdir(folder)
    tracetape.autolog()
    far_end = FarEnd()
    far_end.answers = [http.Response(200, json=COMPLETION)]
    tracetape.configure(store=f"./{_FOLDER}.db")
    with tracetape.start_span(_EVIL) as span:
        span.set_inputs({_EVIL: _EVIL})
        far_end.client().chat.completions.create(**ASK)
    tracetape.flush()
    (folder / "b\x1b\nad.yaml").write_text("[")
    request, headers = "https://x.test/\x1b", [("x-\x9b", "\x1b")]
    answer = Response(200, "\x1b", headers, [Chunk(b"\x1b sk-proj-abcdefghijklmnopqrstuvwxyz0123")])
    save(
        folder / "cassettes" / f"{_FOLDER}.yaml",
        Tape([Interaction(Request("GET", request, [("authorization", "Bearer x")], b""), answer)]),
    )
    yield folder
    tracetape.autolog(disable=True)
    tracetape.configure(store="memory://")


def test_no_command_lets_a_name_steer_the_terminal(odd_folder: Path) -> None:
    """Of a folder, a store, a tape, a trace; a line break in one makes no line of its own."""
    tape, store, bad = f"cassettes/{_FOLDER}.yaml", f"./{_FOLDER}.db", "b\x1b\nad.yaml"
    of_store = [
        ["ls"],
        ["ls", "--json"],
        ["ls", "--filter", "name = 'nothing'"],
        ["show"],
        ["show", "--full"],
        ["show", "--json"],
        ["show", "ffffffffffff"],
        ["tail", "--once"],
        ["doctor"],
        ["export", "--jsonl", f"{_FOLDER}.jsonl"],
        ["export", "--jsonl", store],
        ["export", "--parquet", f"no/{_FOLDER}.parquet"],
        ["import", f"{_FOLDER}.jsonl"],
        ["import", bad],
        ["import", _FOLDER],
        ["cassette", "from-trace", "{id}", "-o", f"{_FOLDER}.yaml", "--test", f"t{_FOLDER}.py"],
        ["cassette", "from-trace", "{id}", "-o", f"{_FOLDER}.yaml"],
        ["cassette", "from-trace", "{id}", "-o", _FOLDER],
        ["prune", "--older-than", "1d", "--optimize"],
        ["delete", "{id}"],
        ["delete", "--filter", f"name = '{_EVIL}'", "--yes"],
        ["ls"],
    ]
    others = [
        ["cassette", "ls"],
        ["cassette", "ls", ".", bad],
        ["cassette", "ls", f"no{_FOLDER}"],
        ["cassette", "show", tape],
        ["cassette", "show", tape, "1"],
        ["cassette", "show", tape, "7"],
        ["cassette", "show", bad],
        ["cassette", "check", "."],
        ["cassette", "migrate", tape],
        ["cassette", "scrub", "."],
        ["ls", "--store", f"no/{_FOLDER}"],
        ["ls", "--store", f"{_FOLDER}.jsonl"],
        ["doctor", "--store", f"{_FOLDER}.jsonl"],
        ["doctor", "--store", f"no/{_FOLDER}"],
        ["ls", "--store", f"{_FOLDER}/"],
        ["run", f"{_FOLDER}.py"],
        ["run", "--cassette", bad, f"{_FOLDER}.py"],
        ["delete", _EVIL],
        ["show", _EVIL],
    ]
    trace_id = str(tracetape.get_last_active_trace_id())
    for arguments in (*([*one, "--store", store] for one in of_store), *others):
        given = [one.replace("{id}", trace_id) for one in arguments]
        done = CliRunner().invoke(main, given, env={"TRACETAPE_STORE": store})
        told = f"{given}: {done.output!r}"
        assert done.exception is None or isinstance(done.exception, SystemExit), told
        assert not set("\x1b\x9b\x07\u202e\udcff") & set(done.output), told
        assert "\n#" not in done.output or "rror: " in done.output or bad in given, told


def test_commands_print_by_one_function() -> None:
    """`cli.output` knows what may be said."""
    sources = Path(str(tracetape.cli.__file__)).parent.glob("*.py")
    printing = {
        path.name
        for path in sources
        if re.search(r"click\.s?echo\(|sys\.std(out|err)\.write", path.read_text())
    }
    assert printing <= {"output.py"}
