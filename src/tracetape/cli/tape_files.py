"""Which tapes a command is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["DEFAULT_FOLDER", "counted", "paths_argument", "tape_files"]

DEFAULT_FOLDER = Path("cassettes")
_SUFFIXES = (".yaml", ".yml", ".json")

paths_argument: Callable[..., Any] = click.argument(
    "paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path)
)


def tape_files(paths: Sequence[Path]) -> list[Path]:
    """The files at `paths`, and those below the folders among them; without any, `cassettes`.

    Raises:
        InvalidValueError: one is not there.
    """
    from tracetape.exceptions import InvalidValueError

    files: dict[Path, None] = {}
    for path in paths or (DEFAULT_FOLDER,):
        if not path.exists():
            raise InvalidValueError(f"there is no {path}: name cassettes, or folders of them")
        inside = sorted(one for one in path.rglob("*") if _is_tape(one) and one.is_file())
        files.update(dict.fromkeys(inside if path.is_dir() else [path]))
    return list(files)


def _is_tape(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(_SUFFIXES)


def counted(number: int, noun: str) -> str:
    """Such as ``1 cassette`` and ``2 cassettes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
