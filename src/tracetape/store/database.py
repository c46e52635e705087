"""Opening a store's file: made if need be, set up, migrated; a damaged one set aside."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from tracetape._system import wall_clock_ns
from tracetape.diagnostics import warn_once
from tracetape.exceptions import StoreError
from tracetape.store.causes import cause_of
from tracetape.store.connections import (
    connect,
    patiently,
    use_wal,
)
from tracetape.store.inspection import SQLITE_ERRORS, check_file, check_schema, names_us, reason
from tracetape.store.permissions import close_to_others, prepare_folder
from tracetape.store.schema import migrate
from tracetape.store.sql import add_functions

__all__ = ["is_damage", "open_file", "open_memory", "set_aside"]

_DEFAULT = (".tracetape", "traces.db")
_SIDE_FILES = ("-wal", "-shm", "-journal")


def open_memory() -> sqlite3.Connection:
    """A store in this process's memory."""
    connection = connect(":memory:")
    add_functions(connection)
    migrate(connection)
    return connection


def open_file(path: Path) -> sqlite3.Connection:
    """The store in a file, for writing; made with its folder if need be.

    Raises:
        StoreError: it cannot be opened, is of another program, or of a newer version.
    """
    try:
        try:
            return _open(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not is_damage(error) or not set_aside(path, error):
                raise
        return _open(path)
    except (*SQLITE_ERRORS, OSError) as error:
        cause = cause_of(reason(error), path)
        raise StoreError(
            f"the store {path} cannot be opened: {reason(error)}{cause}. Name a writable file by "
            "tracetape.configure(store=…) or TRACETAPE_STORE."
        ) from error


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that the file is damaged, which no later attempt mends."""
    # "malformed JSON" is of one value only.
    return any(
        sign in reason(error)
        for sign in ("image is malformed", "malformed database schema", "not a database")
    )


def set_aside(path: Path, error: Exception) -> bool:
    """Rename a damaged store, so that a new one can be begun; whether it was one of tracetape's."""
    if path.parts[-2:] != _DEFAULT and not names_us(path):
        return False  # a user's own file, which happens to be there
    now = time.strftime("%Y%m%d-%H%M%S", time.localtime(wall_clock_ns() // 10**9))
    kept = path.with_name(f"{path.name}.damaged-{now}-{os.getpid()}")
    try:
        path.rename(kept)
        for ending in _SIDE_FILES:
            side = Path(f"{path}{ending}")
            if side.exists():
                side.rename(f"{kept}{ending}")
    except OSError:
        return False
    warn_once(
        f"damaged {kept}",
        "tracetape: the store %s is damaged (%s). It was renamed to %s, and a new one is begun; "
        "`sqlite3 %s .recover` may get back what was in it.",
        path,
        reason(error),
        kept.name,
        kept.name,
    )
    return True


def _open(path: Path) -> sqlite3.Connection:
    check_file(path, read_only=False)
    prepare_folder(path)
    connection = connect(str(path))
    try:
        # Again: another process may have had it locked.
        patiently(connection, lambda: check_schema(connection, path, read_only=False))
        connection.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten
        mode = use_wal(connection)
        if mode != "wal":
            warn_once(
                f"wal {path}",
                "tracetape: %s cannot use write-ahead logging (it answered %r); "
                "readers may delay writers. Name a store on a local disk by TRACETAPE_STORE.",
                path,
                mode,
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        # Whoever begins the log again cuts off its end, where something deleted may be.
        connection.execute("PRAGMA journal_size_limit = 0")
        add_functions(connection)
        migrate(connection)
        connection.execute("PRAGMA trusted_schema = OFF")
        close_to_others(path)  # only now is it known to be ours
    except BaseException:
        connection.close()
        raise
    return connection
