"""Opening a store's file for who only reads: nothing is made, changed, or believed unseen."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tracetape.diagnostics import warn_once
from tracetape.exceptions import StoreError
from tracetape.store.causes import remedy_of
from tracetape.store.connections import StoreConnection, connect, patiently
from tracetape.store.inspection import SQLITE_ERRORS, NoStoreError, check_file, check_schema, reason
from tracetape.store.schema import VERSION, read_as_newest, version_of
from tracetape.store.sql import add_functions

__all__ = ["look_into", "require_store"]


def require_store(path: Path) -> None:
    """See that there is a tracetape store.

    Raises:
        StoreError: there is none, or it is of another program, or of a newer version.
    """
    check_file(path, read_only=True)
    if not path.exists():
        raise NoStoreError(
            f"there is no trace store at {path}; run a program with tracetape "
            "first, or name its store by --store or TRACETAPE_STORE"
        )


def look_into(path: Path) -> sqlite3.Connection:
    """The store in a file, to read; the file keeps each byte, whatever version it has.

    Raises:
        StoreError: it cannot be read, is of another program, or of a newer version.
    """
    try:
        require_store(path)
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            # SQLite makes its files for readers in common, and removes them again.
            return _set_up(path, "mode=rw")
        if any(log.exists() for log in _logs(path)):
            try:
                return _set_up(path, "mode=ro")
            except sqlite3.OperationalError as error:
                _warn_of_log(path, error)
        # Where nothing can be written SQLite needs no files next to it.
        return _set_up(path, "immutable=1", _changed(path))
    except (*SQLITE_ERRORS, OSError) as error:
        remedy = ". Name another store by --store or TRACETAPE_STORE."
        raise StoreError(
            f"the store {path} cannot be read: {reason(error)}"
            f"{remedy_of(reason(error), path) or remedy}"
        ) from error


def _set_up(
    path: Path, how: str, is_outdated: Callable[[], bool] | None = None
) -> sqlite3.Connection:
    connection = connect(f"{path.as_uri()}?{how}", uri=True)
    try:
        patiently(connection, lambda: check_schema(connection, path, read_only=True))
        _distrust(connection)
        add_functions(connection)
        version = read_as_newest(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    if is_outdated is not None:
        connection.is_outdated = is_outdated
    elif version < VERSION:  # a writer brings it up to date
        connection.is_outdated = _is_newer_than(connection, version)
    return connection


def _distrust(connection: sqlite3.Connection) -> None:
    """Let nothing run that the file says in its schema; and look at its pages twice."""
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if "unsafe use of json_extract" not in str(error):
            raise
        # An index of version 3, which SQLite 3.38 to 3.40 do not believe; nothing of it is run.
        connection.execute("PRAGMA trusted_schema = ON")


def _is_newer_than(connection: StoreConnection, version: int) -> Callable[[], bool]:
    return lambda: version_of(connection) > version


def _changed(path: Path) -> Callable[[], bool]:
    """Tells whether the file, or a log next to it, was changed from now on."""

    def state() -> list[Any]:
        found: list[Any] = []
        for one in (path, *_logs(path)):
            try:
                status = os.stat(one)
            except OSError:
                found.append(None)
            else:
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return found

    before = state()
    return lambda: state() != before


def _logs(path: Path) -> list[Path]:
    return [Path(f"{path}{ending}") for ending in ("-wal", "-journal")]


def _warn_of_log(path: Path, error: sqlite3.Error) -> None:
    for log in _logs(path):
        try:
            size = os.stat(log).st_size
        except OSError:
            continue
        if size:
            warn_once(
                f"log {path}",
                "tracetape: %s (%d bytes) cannot be read (%s): the newest traces are missing from "
                "what you see. Copy %s and its log to a folder that you can write to.",
                log,
                size,
                error,
                path,
            )
