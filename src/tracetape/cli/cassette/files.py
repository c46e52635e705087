"""Which tapes a command is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["DEFAULT_FOLDER", "paths_argument", "tape_files"]

DEFAULT_FOLDER = Path("cassettes")

paths_argument: Callable[..., Any] = click.argument(
    "paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path)
)


def tape_files(paths: Sequence[Path]) -> list[Path]:
    """The files at `paths`, and those below the folders among them; without any, `cassettes`.

    Raises:
        InvalidValueError: one is not there.
    """
    from tracetape.cassettes.file.filenames import tapes_at
    from tracetape.exceptions import InvalidValueError

    files: dict[Path, None] = {}
    for path in paths or (DEFAULT_FOLDER,):
        if not path.exists():
            remedy = "name a cassette file or a folder" if paths else "name a file or a folder"
            what = "" if paths else "the default folder "
            raise InvalidValueError(f"{what}{path} does not exist: {remedy}")
        files.update(dict.fromkeys(tapes_at(path)))
    return list(files)
