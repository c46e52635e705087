"""`make check` refuses phrases that readers stumble over."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "plain_english.py"


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, for a checkout of its own."""
    spec = importlib.util.spec_from_file_location("plain_english", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.mark.parametrize(
    "line",
    [
        '"""What users hold."""',
        '"""Nothing is read yet."""',
        "# a text that is no URL",
        "# values that are no strings",
        "# a store of ours is read anew",
        "# what stands in the file",
        "x = 1  # beside the file",
    ],
)
def test_such_a_line_is_refused(script: ModuleType, tmp_path: Path, line: str) -> None:
    """By file and line, with what to write."""
    file = tmp_path / "code.py"
    file.write_text(f"\n{line}\n")
    problems = script._problems(file)
    assert problems
    assert all(each.startswith("code.py:2: ") and ": write " in each for each in problems)


def test_plain_lines_pass(script: ModuleType, tmp_path: Path) -> None:
    """And words that only look like these phrases."""
    file = tmp_path / "code.py"
    file.write_text('"""Whatever a user holds: there is no store, which is no longer open."""\n')
    assert script._problems(file) == []


def test_names_in_the_code_may_have_such_words(script: ModuleType, tmp_path: Path) -> None:
    """Comments and docstrings may not: there they are read as English."""
    file = tmp_path / "code.py"
    file.write_text('stands = beside("a")  # a stand-in\n')
    assert script._problems(file) == []
