"""How commands end that cannot go on: one line, no traceback, a status that tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tracetape

FULL = Path("/dev/full")
Run = Callable[[str], tuple[int, str, str]]
StartGroup = Callable[..., "subprocess.Popen[str]"]
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


@pytest.fixture
def shell(store_path: Path) -> str:
    """What a shell runs as `tracetape`, on a store with one trace."""
    with tracetape.start_span("one"):
        pass
    assert tracetape.flush() == 0
    return f"TRACETAPE_STORE='{store_path}' '{sys.executable}' -m tracetape"


@pytest.fixture
def run(
    run_command: Callable[..., subprocess.CompletedProcess[str]],
) -> Callable[[str], tuple[int, str, str]]:
    """Run a line of a shell; gives status, output and errors."""

    def call(line: str) -> tuple[int, str, str]:
        done = run_command(["sh", "-c", line])
        return done.returncode, done.stdout, done.stderr

    return call


@needs_full
@pytest.mark.parametrize(
    "arguments",
    ["ls", "ls --json", "show", "tail --once", "export --jsonl -", "--help", "ls --help"],
)
@pytest.mark.parametrize("output", ["/dev/full", "&-"])
def test_an_output_that_takes_nothing(shell: str, run: Run, arguments: str, output: str) -> None:
    """Full, or closed; help on a closed output is nobody's loss."""
    status, _, errors = run(f"{shell} {arguments} >{output}")
    if "--help" in arguments and output == "&-":
        assert "Traceback" not in errors
        return
    reason = "No space left on device" if output == "/dev/full" else "Bad file descriptor"
    assert (status, errors) == (1, f"tracetape: error: standard output: {reason}\n")


@needs_full
@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
def test_a_file_that_takes_nothing(shell: str, run: Run, kind: str) -> None:
    """It is named."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    status, _, errors = run(f"{shell} export --{kind} /dev/full")
    assert (status, errors) == (1, "tracetape: error: /dev/full: No space left on device\n")


@pytest.mark.parametrize("command", ["ls", "tail --once"])
def test_more_than_sqlite_can_count(shell: str, run: Run, command: str) -> None:
    """A limit beyond 64 bits is none."""
    status, listed, errors = run(f"{shell} {command} --limit 99999999999999999999")
    assert (status, errors) == (0, "")
    assert "one" in listed


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is no signal there")
def test_ctrl_c_ends_tail(store_path: Path, shell: str, start_group: StartGroup) -> None:
    """With the status that shells give a program that it ends."""
    command = [sys.executable, "-m", "tracetape", "tail", "--store", str(store_path)]
    process = start_group(command, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().split()[0] == "id"
    assert "one" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "\ntracetape: interrupted\n")
