"""Files that hold what was said to a model: their owner's alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

__all__ = ["open_private", "private_mode", "write_private"]

_MODE = 0o600


def open_private(path: Path) -> BinaryIO:
    """Open a file to write it anew; one that is there keeps its mode, a new one has 0600."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, _MODE)

    return cast("BinaryIO", open(path, "wb", opener=opener))


def write_private(path: Path, data: bytes) -> None:
    """Write a file anew, and the folders that it lacks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_private(path) as file:
        file.write(data)


def private_mode(path: Path) -> int:
    """The mode of what is put in the place of `path`: its own, or 0600 if it is not there."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        return _MODE
