"""`tracetape ls --filter` and `tracetape tail`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main


@pytest.fixture
def two_traces() -> None:
    """A good one, and one that failed."""
    with tracetape.start_span("good") as span:
        span.set_inputs("What is a Kalman filter?")
    with pytest.raises(ValueError, match="no"), tracetape.start_span("bad"):
        raise ValueError("no")
    tracetape.flush()


def call(store: Path, *arguments: str) -> str:
    """What a command says."""
    return str(CliRunner().invoke(main, [*arguments, "--store", str(store)]).output)


@pytest.mark.parametrize("command", [["ls"], ["tail", "--once"]])
def test_filters(two_traces: None, store_path: Path, command: list[str]) -> None:
    """Those of search_traces, and words that are searched for."""
    assert "good" in call(store_path, *command)
    assert "bad" in call(store_path, *command)
    for arguments in (["--filter", "status = 'ERROR'"], ["--filter", "name LIKE 'b%'"]):
        said = call(store_path, *command, *arguments)
        assert "bad" in said
        assert "good" not in said
    said = call(store_path, *command, "--text", "kalman")
    assert "good" in said
    assert "bad" not in said
    assert "at 'nonsense' (character 11) of: " in call(
        store_path, *command, "--filter", "status == nonsense"
    )


@pytest.mark.parametrize("command", [["ls"], ["tail", "--once"]])
@pytest.mark.parametrize(("text", "why"), [("\udcff", "half a character"), ("a\0b", "NUL")])
def test_a_text_that_no_store_can_hold(
    two_traces: None, runner: CliRunner, store_path: Path, command: list[str], text: str, why: str
) -> None:
    """Such as a byte of another encoding on the command line."""
    done = runner.invoke(main, [*command, "--text", text, "--store", str(store_path)])
    assert done.exit_code == 1
    assert "Invalid --text: " in done.stderr
    assert why in done.stderr


def test_no_trace_is_like_this(two_traces: None, store_path: Path) -> None:
    """Which is another thing than an empty store."""
    assert " match." in call(store_path, "ls", "--filter", "name = 'x'")


def test_columns_of_tail_are_aligned(two_traces: None, store_path: Path) -> None:
    """Each cell ends under its name, also behind empty ones."""
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    with tracetape.start_span("with tokens", span_type="LLM") as span:
        span.set_attribute("mlflow.chat.tokenUsage", usage)
    tracetape.flush()
    header, *lines = call(store_path, "tail", "--once").splitlines()
    assert header == call(store_path, "tail", "--once", "--limit", "1").splitlines()[0]
    assert header.split() == call(store_path, "ls").splitlines()[0].split()
    good, bad, tokens = lines
    for line, column, cell in [
        (good, "spans", "1"),
        (bad, "spans", "1"),
        (bad, "errors", "1"),
        (tokens, "tokens", "5 → 7"),
    ]:
        assert line[: header.index(column) + len(column)].endswith(f" {cell}")


@pytest.mark.parametrize("command", [["ls"], ["tail", "--once"]])
def test_a_long_name_gives_way(
    store_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 80 columns the name is cut, and no other cell."""
    monkeypatch.setenv("COLUMNS", "80")
    with tracetape.start_span("a name " * 20):
        pass
    tracetape.flush()
    header, line = call(store_path, *command).splitlines()
    assert header.split()[-1] == "errors"
    assert len(line) <= 80
    assert " ago  a name" in line
    assert "…  OK " in line


def test_tail_waits_for_the_store(
    start_python: Callable[..., subprocess.Popen[str]], store_path: Path
) -> None:
    """It says so once, and goes on when a program makes it; another's file is an error."""
    process = start_python(
        "import sys; from tracetape.cli import main; main(sys.argv[1:])",
        "tail", "--store", str(store_path), PYTHONUNBUFFERED="1",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("tracetape: waiting for the first trace in ")
    assert not store_path.exists()
    with tracetape.start_span("first"):
        pass
    tracetape.flush()
    process.stdout.readline()
    assert "first" in process.stdout.readline()


def test_tail_waits_for_no_wrong_store(tmp_path: Path) -> None:
    """A folder, or another program's file, never becomes one."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("no database, but longer than the header of one " * 9)
    assert "is a folder" in call(tmp_path / "folder", "tail")
    assert "not a database" in call(tmp_path / "notes.txt", "tail")


def test_tail_shows_traces_as_they_begin_and_end(
    start_python: Callable[..., subprocess.Popen[str]], store_path: Path
) -> None:
    """A line each time; those before are not shown again."""
    with tracetape.start_span("before"):
        pass
    tracetape.flush()
    process = start_python(
        "import sys; from tracetape.cli import main; main(sys.argv[1:])",
        "tail", "--store", str(store_path), PYTHONUNBUFFERED="1",
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().split()[0] == "id"
    assert "before" in process.stdout.readline()
    with tracetape.start_span("long"):
        line = process.stdout.readline()
        assert "long" in line
        assert "running" in line
    line = process.stdout.readline()
    assert "long" in line
    assert "OK" in line
