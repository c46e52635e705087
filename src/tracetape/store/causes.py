"""Why the disk takes nothing: SQLite only says that it does not."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

__all__ = ["cause_of", "remedy_of"]

_DAMAGE = ("image is malformed", "malformed database schema")
_LITTLE = 1_000_000  # bytes that are free on a disk that is as good as full


def cause_of(error: str, path: Path | None) -> str:
    """The cause of an error of writing to `path`, in brackets; empty if it is unknown."""
    if path is None or not any(sign in error for sign in ("disk I/O", "full", "unable to open")):
        return ""
    bound = _largest_file()
    if bound is not None:
        return f" (this process may write files of at most {bound:,} bytes: see `ulimit -f`)"
    free = _free_bytes(path.parent)
    if free is not None and free < _LITTLE:
        return f" (the disk of {path.parent} has {free:,} bytes free)"
    return ""


def remedy_of(error: str, path: Path | None) -> str:
    """The remedy for SQLite's error on a damaged file; empty for other errors."""
    if path is None or not any(sign in error for sign in _DAMAGE):
        return ""
    return (
        f". The file is damaged: `sqlite3 {shlex.quote(str(path))} .recover` may get back what is "
        "in it. Or name another store by --store or TRACETAPE_STORE."
    )


def _largest_file() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    bound, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if bound == resource.RLIM_INFINITY else bound


def _free_bytes(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except (AttributeError, OSError):
        return None
    return found.f_bavail * found.f_frsize
