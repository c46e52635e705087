"""Runs a command for a script, and ends all that it has started, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Ended(NamedTuple):
    """How a command ended: its code (None: not in time, so it was killed), and what it printed."""

    code: int | None
    out: str
    err: str


def run(
    command: list[str],
    patience: float,
    folder: Path = ROOT,
    env: dict[str, str] | None = None,
    *,
    joined: bool = False,
) -> Ended:
    """Run `command` in `folder` for at most `patience` seconds; `joined`: stderr is in `out`."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joined else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    code = None
    try:
        out, err = process.communicate(timeout=patience)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
            os.killpg(process.pid, signal.SIGKILL)
    return Ended(code, out or "", err or "")


def suite(
    command: list[str],
    patience: float,
    env: dict[str, str] | None = None,
    *,
    verbose: bool = False,
) -> tuple[bool, str]:
    """Whether a suite of pytest's passes, and its last line; what it printed if it fails."""
    code, out, err = run(command, patience, env=env)
    if verbose or code != 0:
        print(out[-6000:], err[-2000:], flush=True)
    if code is None:
        return False, f"did not end within {patience} s"
    lines = [line for line in out.splitlines() if line.strip()]
    return code == 0, lines[-1] if lines else "no output"
