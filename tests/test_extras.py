"""An extra brings all that its programs need: `make packaging` installs each; this one need not."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
# Runs a program for which only some of the installed distributions are there.
PROGRAM = """
import importlib.abc, importlib.metadata, runpy, sys

brought, command = set(sys.argv[1].split()), sys.argv[2:]
owners = importlib.metadata.packages_distributions()

class Alone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        names = {one.lower().replace("_", "-") for one in owners.get(name, ())}
        if names and not names & brought:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Alone())
sys.argv = ["tracetape", *command]
runpy.run_module("tracetape", run_name="__main__")
"""


def brought_by(extra: str) -> set[str]:
    """Names of the distributions that ``pip install tracetape[extra]`` installs."""
    found: set[str] = set()
    waiting = [("tracetape", extra)]
    while waiting:
        name, extras = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in importlib.metadata.requires(name) or ():
            one = Requirement(text)
            chosen = [{"extra": e} for e in (extras, "")]
            if one.marker is None or any(one.marker.evaluate(e) for e in chosen):
                key = re.sub(r"[-_.]+", "-", one.name).lower()
                waiting.append((key, next(iter(one.extras), "")))
    return found


@pytest.mark.parametrize(
    ("extra", "example"),
    [
        ("", "basic"),
        ("openai", "rag"),
        ("openai", "parallel"),
        ("databricks", "chat"),
        ("databricks", "databricks_rag"),
    ],
)
def test_an_extra_is_enough_for_its_examples(
    extra: str, example: str, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """They replay as if nothing else were installed."""
    tape = ROOT / "cassettes" / "examples" / f"{example}.yaml"
    replay = ["--cassette", str(tape), "--cassette-mode", "none"] if tape.exists() else []
    script = str(ROOT / "examples" / f"{example}.py")
    done = run_command(
        [sys.executable, "-c", PROGRAM, " ".join(brought_by(extra)), "run", *replay, script]
    )
    assert done.returncode == 0, done.stderr
    assert "in .tracetape/traces.db" in done.stderr
