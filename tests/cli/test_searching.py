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


def test_no_trace_is_like_this(two_traces: None, store_path: Path) -> None:
    """Which is another thing than an empty store."""
    assert " match." in call(store_path, "ls", "--filter", "name = 'x'")


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
    assert "before" in process.stdout.readline()
    with tracetape.start_span("long"):
        line = process.stdout.readline()
        assert "long" in line
        assert "running" in line
    line = process.stdout.readline()
    assert "long" in line
    assert "OK" in line
