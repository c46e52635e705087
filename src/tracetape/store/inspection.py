"""Looking at a file before it is opened, so that nothing but a tracetape store is ever changed.

SQLite reads it: whoever else opens and closes the file ends all locks that this process has on it
(https://sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
from pathlib import Path

from tracetape.exceptions import StoreError
from tracetape.store.schema import APPLICATION_ID, TABLES, TEXT_TABLES, VERSION

__all__ = ["SQLITE_ERRORS", "NoStoreError", "check_file", "check_schema", "names_us", "reason"]

# Python makes the second of a message that quotes a damaged name.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)

_OUR_INDEX = re.compile(r"USING fts5 \(\s*text, content = '',")
_OTHER = "name another store by tracetape.configure(store=…) or TRACETAPE_STORE"


class NoStoreError(StoreError):
    """There is no file, or nothing in it yet: perhaps a program is about to make its store."""


def check_file(path: Path, read_only: bool) -> None:
    """Refuse what is not a tracetape store, without a change to it.

    Args:
        path: the file; a missing one is not a fault.
        read_only: an empty file is refused, too, as a reader makes no store of it.

    Raises:
        StoreError: it is not a file, it is of another program or a newer version, or it has
            triggers or views.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        file = next((folder for folder in path.parents if os.path.lexists(folder)), path.parent)
        raise StoreError(
            f"the store {path} cannot be made: {file} is a file, not a folder; {_OTHER}"
        ) from error
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(
            f"the store {path} is a folder, not a file: name a file in it, "
            f"such as {path / 'traces.db'}, by --store, tracetape.configure(store=…) or "
            "TRACETAPE_STORE"
        )
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"the store {path} is not a regular file: {_OTHER}")
    if not found.st_size:
        if read_only:
            raise NoStoreError(f"there is no trace store at {path}: the file is empty; {_OTHER}")
        return
    # Where no log lies next to it, SQLite needs no lock and makes no files to read it.
    has_log = any(Path(f"{path}{ending}").exists() for ending in ("-wal", "-journal"))
    mode = "mode=ro" if has_log else "immutable=1"
    try:
        url = f"{path.as_uri()}?{mode}"
        with contextlib.closing(sqlite3.connect(url, timeout=0, uri=True)) as connection:
            check_schema(connection, path, read_only)
    except SQLITE_ERRORS:
        return  # opening waits for a lock, and knows what to do about a damaged file


def check_schema(connection: sqlite3.Connection, path: Path, read_only: bool) -> None:
    """As `check_file`, of a file that is open, and of which nothing was asked yet."""
    connection.execute("BEGIN")  # one state of the file, which another process may be making
    try:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        parts = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        strange = _strange(connection) if 0 < version <= VERSION else []
    finally:
        connection.execute("ROLLBACK")
    if not parts and application in (0, APPLICATION_ID) and version == 0:
        if read_only:
            raise NoStoreError(f"there is no trace store at {path}: it has no tables; {_OTHER}")
        return
    # The first versions of the schema did not name the application.
    old = application == 0 and {("table", "traces"), ("table", "spans")}.issubset(parts)
    empty = not parts and application == 0
    if version <= 0 or not (old or empty or application == APPLICATION_ID):
        raise _foreign(path)
    if version > VERSION:
        raise StoreError(
            f"the store {path} cannot be opened: the store's schema has version {version}, this "
            f"tracetape knows up to {VERSION}: upgrade tracetape, or {_OTHER}"
        )
    for kind, name in (*((k, n) for k, n in parts if k in ("trigger", "view")), *strange):
        raise StoreError(
            f"the store {path} cannot be opened: it has the {kind} {name!r}, which tracetape did "
            f"not make; remove it with `sqlite3 {path.name}`, or {_OTHER}"
        )


def _strange(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Triggers and views that reading our tables would run: kinds and names."""
    virtual = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    strange = [
        ("virtual table", name)
        for name, sql in connection.execute(virtual)
        if name not in TEXT_TABLES or not _OUR_INDEX.search(sql)
    ]
    for table in TABLES:
        for column in connection.execute(f"PRAGMA table_xinfo({table})"):
            if column[-1] in (2, 3):  # hidden: how it is generated
                strange.append(("generated column", f"{table}.{column[1]}"))
    return strange


def names_us(path: Path) -> bool:
    """Whether the header of a file, damaged perhaps, says that it is a tracetape store."""
    for mode in ("immutable=1", "mode=ro"):  # a new store's header is in its log only
        try:
            url = f"{path.as_uri()}?{mode}"
            with contextlib.closing(sqlite3.connect(url, timeout=0, uri=True)) as connection:
                if connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,):
                    return True
        except SQLITE_ERRORS:
            continue
    return False


def reason(error: BaseException) -> str:
    """SQLite's message, also if it quotes bytes that are not text."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.decode(errors="replace")
    return str(error)


def _foreign(path: Path) -> StoreError:
    return StoreError(f"the file {path} is a database of another program: {_OTHER}")
