"""Permissions of a store: only its owner reads its files, and writes in its folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tracetape._system import this_thread
from tracetape.diagnostics import warn_once
from tracetape.privacy.files import open_private

__all__ = ["close_to_others", "prepare_folder"]

_FOLDER = ".tracetape"


def prepare_folder(path: Path) -> None:
    """Make the file, and the folder if it is missing."""
    _make_folder(path.parent)
    if not path.exists():
        _make_private(path)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above, in which nobody else may write; ours is nobody else's."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    is_ours = folder.name == _FOLDER
    folder.mkdir(0o700 if is_ours else 0o755, exist_ok=True)
    if is_ours:
        with open_private(folder / ".gitignore") as file:
            file.write(b"*\n")


def _make_private(path: Path) -> None:
    """Make an empty file that is its owner's alone; SQLite gives its side files the same mode.

    It is opened and closed under another name: closing it under its own would end all locks that
    this process has on it by then (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    made = path.with_name(f"{path.name}.new-{os.getpid()}-{this_thread()}")
    os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.link(made, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.rename(made, path)
            return
    made.unlink(missing_ok=True)


def close_to_others(path: Path) -> None:
    """Take away what others may do with a store's files; where that cannot be done, say so."""
    if os.name != "posix":
        return
    real = path.resolve()  # where SQLite has its side files
    wanted = [(path, 0o077), *((Path(f"{real}{ending}"), 0o077) for ending in ("-wal", "-shm"))]
    wanted += [(folder, 0o022) for folder in path.parents if folder.name == _FOLDER]
    told = False
    for one, open_to_others in wanted:
        try:
            mode = stat.S_IMODE(os.stat(one).st_mode)
        except OSError:
            continue
        if not mode & open_to_others:
            continue
        if one.name == _FOLDER and one.is_symlink():  # a folder of the user's, for more than this
            warn_once(f"mode {one}", "tracetape: others can write to %s (mode %o)", one, mode)
            continue
        try:
            os.chmod(one, mode & ~open_to_others)
            done = "it is closed to them now"
        except OSError as error:
            done = f"it could not be closed to them ({error})"
            told = False
        if told and one != path and one.name != _FOLDER:  # SQLite gave it the mode of the store
            continue
        told = True
        warn_once(f"mode {one}", "tracetape: others could open %s (mode %o): %s", one, mode, done)
