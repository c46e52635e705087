"""`make matrix` and `make coexistence` go on where one of their suites hangs or cannot be run."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# What stands in the place of an environment's Python, by the name of the suite.
PYTHONS = {"hangs": "echo begun; sleep 600", "fails": "echo 1 failed; exit 1", "works": "echo 1 ok"}


@pytest.fixture(params=["matrix", "coexistence"])
def script(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The script, with a suite for each of `PYTHONS` and one whose environment cannot be made."""
    monkeypatch.syspath_prepend(SCRIPTS)
    name = f"{request.param}_script"
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{request.param}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)

    def environment(*arguments: Any) -> Path:
        name = getattr(arguments[-1], "name", arguments[-1])
        if name not in PYTHONS:
            raise subprocess.CalledProcessError(1, "pip")
        python = tmp_path / str(name)
        python.write_text(f"#!/bin/sh\n{PYTHONS[name]}\n")
        python.chmod(0o755)
        return python

    names = ["not there", *PYTHONS]
    monkeypatch.setattr(module, "environment", environment)
    monkeypatch.setattr(module, "PATIENCE", 2)
    monkeypatch.setattr(module, "PEERS", dict.fromkeys(names), raising=False)
    if request.param == "matrix":
        monkeypatch.setattr(module, "WORLDS", [module.World(one, (), "tests") for one in names])
        monkeypatch.setattr(module, "pythons", lambda: iter([("3.10", "python")]))
    monkeypatch.setattr(sys, "argv", [f"{request.param}.py"])
    return module


def test_each_suite_has_its_line(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The first cannot be installed, the second hangs and is ended; the others are run."""
    assert script.main() == 1
    printed = capsys.readouterr().out
    assert "its environment cannot be made: Command 'pip'" in printed
    assert "did not end within 2 s" in printed
    assert "begun" in printed
    assert "1 failed" in printed
    assert "works" in printed
    assert printed.endswith("1 ok\n")
