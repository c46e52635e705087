"""Draw the map of the house in CONTRIBUTING.md: rooms by floor, from the code and its rules.

The floors are the layers in pyproject.toml, the words are the first lines of the rooms' docstrings.
A test fails when the map is not the one that this script draws.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- map of the house: drawn by scripts/house_map.py -->", "<!-- end of the map -->"
# The layers say nothing of it: it imports none of them.
APART = "tracetape.cassettes"


def main() -> None:
    """Put the map into CONTRIBUTING.md."""
    PAGE.write_text(with_map(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def with_map(page: str) -> str:
    """`page` with the map as it is now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SystemExit(f"{PAGE.name} lacks the marks of the map: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{draw()}{END}{after}"


def draw() -> str:
    """The table of the rooms, the highest floor first."""
    lines = ["| floor | room | what it is for |", "|---|---|---|"]
    floors = _layers()
    for number, floor in zip(range(len(floors), 0, -1), floors, strict=True):
        for room in re.split(r"\s*[|:]\s*", floor):
            lines.append(f"| {number} | {_shown(room)} | {_first_line(room)} |")
    lines.append(f"| apart | {_shown(APART)} | {_first_line(APART)} |")
    for inner in sorted(_folder(APART).glob("*/__init__.py")):
        name = f"{APART}.{inner.parent.name}"
        lines.append(f"| apart | {_shown(name)} | {_first_line(name)} |")
    return "\n".join(lines) + "\n"


def _layers() -> list[str]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers: list[str] = next(each["layers"] for each in contracts if each["type"] == "layers")
    return layers


def _folder(room: str) -> Path:
    first = room.partition(".")[0]
    return ROOT / ("src" if first == "tracetape" else "integrations") / room.replace(".", "/")


def _shown(room: str) -> str:
    folder = _folder(room)
    path = folder if folder.is_dir() else folder.with_suffix(".py")
    return f"`{path.relative_to(ROOT)}{'/' if folder.is_dir() else ''}`"


def _first_line(room: str) -> str:
    folder = _folder(room)
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return (said or "").partition("\n")[0]


if __name__ == "__main__":
    main()
