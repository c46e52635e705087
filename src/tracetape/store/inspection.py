"""Looking at a file before it is opened, so that nothing but a store of ours is ever changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

from tracetape.exceptions import StoreError
from tracetape.store.schema import APPLICATION_ID, VERSION

__all__ = ["check_file"]

_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes
_OTHER = "name another store by tracetape.configure(store=…) or TRACETAPE_STORE"


def check_file(path: Path, read_only: bool) -> None:
    """Refuse what is no store of ours, without a change to it.

    Args:
        path: the file; a missing one is no fault.
        read_only: an empty file is refused, too, as a reader makes no store of it.

    Raises:
        StoreError: it is no file, of another program, of a newer version, or has triggers or views.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"the store {path} is no regular file: {_OTHER}")
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if not header:
        if read_only:
            raise StoreError(f"there is no trace store at {path}: the file is empty; {_OTHER}")
        return
    if not header.startswith(_MAGIC):
        return  # SQLite refuses it, and opening decides whether it was a damaged store
    application = int.from_bytes(header[68:72], "big")
    if application not in (0, APPLICATION_ID):
        raise _foreign(path)
    # Where no log lies next to it, SQLite needs no lock and makes no files to read it.
    has_log = any(Path(f"{path}{ending}").exists() for ending in ("-wal", "-journal"))
    mode = "mode=ro" if has_log else "immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)) as connection:
            _check_schema(connection, path, read_only)
    except sqlite3.Error:
        return  # opening finds the same fault, and knows what to do about it


def _check_schema(connection: sqlite3.Connection, path: Path, read_only: bool) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    parts = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
    if not parts and application in (0, APPLICATION_ID) and version == 0:
        if read_only:
            raise StoreError(f"there is no trace store at {path}: it has no tables; {_OTHER}")
        return
    # The first versions of the schema did not name the application.
    old = application == 0 and {("table", "traces"), ("table", "spans")}.issubset(parts)
    if version <= 0 or not (old or application == APPLICATION_ID):
        raise _foreign(path)
    if version > VERSION:
        raise StoreError(
            f"the store {path} cannot be opened: the store's schema has version {version}, this "
            f"tracetape knows up to {VERSION}: upgrade tracetape, or {_OTHER}"
        )
    for kind, name in parts:
        if kind in ("trigger", "view"):
            raise StoreError(
                f"the store {path} cannot be opened: it has the {kind} {name!r}, "
                f"which tracetape did not make; {_OTHER}"
            )


def _foreign(path: Path) -> StoreError:
    return StoreError(f"the file {path} is a database of another program: {_OTHER}")
