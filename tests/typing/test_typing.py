"""The tracing API as a type checker sees it: functions keep their signatures and results."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tracetape

SOURCES = Path(tracetape.__file__).parents[1]


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_the_api_under_strict_mypy(
    version: str, run_command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Not one error in `api.py`, which says what each call must give, and what is refused."""
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nmypy_path = {SOURCES}\nfollow_imports = silent\n")
    done = run_command(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *("--python-version", version, "--config-file", str(config)),
            *("--cache-dir", str(tmp_path / "cache"), str(Path(__file__).with_name("api.py"))),
        ]
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_typed() -> None:
    """It says so, as PEP 561 asks."""
    assert Path(tracetape.__file__).with_name("py.typed").exists()
