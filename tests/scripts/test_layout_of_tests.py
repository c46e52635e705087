"""Tests mirror the code: each room and each integration has a folder of tests with its name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
# What runs in every program that `tracetape run` starts: its tests are those of `run`.
IN_CLI = {"bootstrap"}
# Beside rooms: programs that tests share, and what goes through more than one room.
OTHERS = {
    *("children", "coexistence", "examples", "mlflow", "packaging", "scripts", "soak", "typing"),
}


def test_each_room_has_tests_and_each_folder_of_tests_a_room() -> None:
    """Who changes a room finds what may break."""
    rooms = {each.name for each in (ROOT / "src" / "tracetape").iterdir() if _is_room(each)}
    integrations = {each.name for each in (ROOT / "integrations").iterdir() if _is_room(each)}
    names = {name.removeprefix("tracetape_") for name in integrations}
    tests = {each.name for each in (ROOT / "tests").iterdir() if any(each.glob("*.py"))}
    assert tests - OTHERS == (rooms - IN_CLI) | names


def _is_room(folder: Path) -> bool:
    return folder.name[0].isalpha() and any(folder.glob("*.py"))
