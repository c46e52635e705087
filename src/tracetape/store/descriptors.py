"""Descriptors of a store's files: a program may close what it has not opened, as daemons do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Identity", "are_taken", "descriptors_of", "identity", "is_broken", "keep_for_ever"]

# Device and inode; None: there is no file.
Identity: TypeAlias = "tuple[int, int] | None"

_kept: list[Any] = []


def identity(path: Path | None) -> Identity:
    """The file that has this path."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _identity_of(descriptor: int) -> Identity:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def descriptors_of(*paths: Path | None) -> dict[int, Identity]:
    """This process's descriptors of these files; none where the system does not list them."""
    wanted = {what for path in paths if (what := identity(path)) is not None}
    try:
        numbers = list(map(int, os.listdir("/proc/self/fd"))) if wanted else []
    except OSError:
        return {}
    return {number: what for number in numbers if (what := _identity_of(number)) in wanted}


def is_broken(descriptors: Mapping[int, Identity]) -> bool:
    """Whether one of them is closed, or of another file by now."""
    return any(_identity_of(one) != what for one, what in descriptors.items())


def are_taken(descriptors: Mapping[int, Identity]) -> bool:
    """Whether one of them is of another file by now."""
    return any(_identity_of(one) not in (None, what) for one, what in descriptors.items())


def keep_for_ever(connection: Any) -> None:
    """See that a connection is never closed, not even when the interpreter ends."""
    _kept.append(connection)
    try:
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    except (ImportError, AttributeError):  # another implementation of Python
        pass
