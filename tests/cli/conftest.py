"""The command line as a user has it: a process of its own in the test's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tracetape = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tracetape_command(tmp_path: Path) -> Tracetape:
    """Run `tracetape` with these arguments."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
        return subprocess.run(
            [sys.executable, "-m", "tracetape", *arguments],
            cwd=tmp_path,
            env={**inherited, "COLUMNS": "100", **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Write a program, and give its name."""

    def write(source: str, name: str = "app.py") -> str:
        (tmp_path / name).write_text(source)
        return name

    return write
