"""What is read makes no store, and a program whose place is gone keeps its traces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

READERS = {
    "stats": "print(tracetape.stats()['recorded'])",
    "get_trace": "print(tracetape.get_trace('tr-' + '1' * 32, silent=True))",
    "search_traces": "print(tracetape.search_traces(return_type='list'))",
    "search_sessions": "print(tracetape.search_sessions())",
    "flush": "print(tracetape.flush(1))",
}


@pytest.fixture
def run(run_command: Run) -> Run:
    """Run a program in a folder."""

    def call(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "", "HOME": str(folder), **variables}
        return run_command([sys.executable, "-c", code], environment, folder=folder)

    return call


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("disabled", ["0", "1"])
def test_reading_makes_no_store(reader: str, disabled: str, run: Run, tmp_path: Path) -> None:
    """Neither with tracing on, nor where TRACETAPE_DISABLED patches nothing at all."""
    done = run(f"import tracetape\n{READERS[reader]}", tmp_path, TRACETAPE_DISABLED=disabled)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="where the folder is gone, Python 3.13.0 itself cannot import socket (SystemError)",
)
def test_a_program_whose_folder_is_deleted_keeps_its_traces(run: Run, tmp_path: Path) -> None:
    """In memory, with one warning; `stats` answers."""
    place = tmp_path / "gone"
    place.mkdir()
    code = """
import os, tracetape
os.rmdir(os.getcwd())
with tracetape.start_span("root") as root:
    with tracetape.start_span("step"):
        pass
assert tracetape.flush(30) == 0
print(len(tracetape.get_trace(root.trace_id).data.spans))
stats = tracetape.stats()
print(stats["written"], stats["lost"], stats["store"])
"""
    done = run(code, place)
    assert done.stdout == "2\n2 0 memory://\n"
    assert done.stderr.count("Traces are kept in memory only") == 1
    assert "Traceback" not in done.stderr
