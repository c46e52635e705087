"""`make packaging` says what a command that fails has printed, and how it ended."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
SCRIPT = Path(__file__).parents[2] / "scripts" / "packaging.py"
CASE = "its-case"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, whose environments are this interpreter's."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("packaging_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "packaging_script", module)
    spec.loader.exec_module(module)
    (tmp_path / CASE).mkdir()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(module, "environment", lambda folder: Path(sys.executable))
    monkeypatch.setattr(module, "wheel", lambda newest: tmp_path / "tracetape.whl")
    monkeypatch.setattr(module, "pip", lambda python, *arguments: None)
    monkeypatch.setattr(sys, "argv", ["packaging.py", CASE])
    return module


@pytest.fixture
def main(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the script with one case, whose Python runs these programs."""

    def call(*programs: str) -> int:
        commands = tuple(("-c", program) for program in programs)
        monkeypatch.setattr(script, "CASES", {CASE: script.Case((), commands)})
        code: int = script.main()
        return code

    return call


def test_a_case_that_works(main: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and nothing of what its commands print."""
    assert main("print('one')", "print('two')") == 0
    assert capsys.readouterr().out.startswith("its-case         works (")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ('import sys; print("why"); sys.exit(3)', ["ended with code 3 and printed", "  | why"]),
        ('import sys; sys.exit("on stderr")', ["ended with code 1 and printed", "  | on stderr"]),
        ("import os; os.kill(os.getpid(), 9)", ["ended with code -9 and printed", "  | nothing"]),
    ],
)
def test_a_command_that_fails(
    program: str, said: list[str], main: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The command, its code and its output are there; the next commands are not run."""
    assert main(program, "print('next')") == 1
    printed = capsys.readouterr().out
    assert program in printed
    for text in said:
        assert text in printed
    assert "next" not in printed
    assert "its-case         FAILS (" in printed


def test_a_command_that_hangs(
    script: ModuleType,
    main: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is ended with its children, which hold its output; what it printed is there."""
    monkeypatch.setattr(script, "PATIENCE", 3)
    child = "import subprocess, sys; print('begun', flush=True); "
    child += "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    assert main(child) == 1
    printed = capsys.readouterr().out
    assert "did not end within 3 s and printed" in printed
    assert "  | begun" in printed


def test_an_installation_that_fails(
    script: ModuleType,
    main: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As a command does, and the other cases go on."""
    fails = [sys.executable, "-c", 'raise SystemExit("no such package")']
    monkeypatch.setattr(script, "pip", lambda python, *arguments: script.run(fails))
    assert main("print('never')") == 1
    assert "  | no such package" in capsys.readouterr().out


def test_each_extra_and_group_has_a_case(script: ModuleType) -> None:
    """By a name without blanks, so that `make packaging ONLY="group-dev plain"` can choose it."""
    known = tomllib.loads(PROJECT.read_text("utf-8"))
    extras = set(known["project"]["optional-dependencies"])
    groups = {f"group-{name}" for name in known["dependency-groups"]}
    assert script.CASES.keys() == {"plain"} | extras | groups
