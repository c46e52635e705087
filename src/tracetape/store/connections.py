"""Connections to SQLite files: opened when first needed, by one thread at a time."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from tracetape._system import pause, perf_counter

__all__ = ["BUSY_SECONDS", "Connection", "connect", "prepare_folder", "use_wal"]

BUSY_SECONDS = 5.0


class Connection(AbstractContextManager[sqlite3.Connection]):
    """One connection, opened when first needed and used by one thread at a time."""

    def __init__(self, opener: Callable[[], sqlite3.Connection], path: Path | None) -> None:
        self._opener = opener
        self._path = path
        self._log = None if path is None else Path(f"{path}-wal")
        self._files: tuple[_Identity, _Identity] = (None, None)  # the database, and its log
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            if self._connection is not None and self._files[0] != _identity(self._path):
                self._leave_file()
            if self._connection is None:
                self._connection = self._opener()
            self._files = (_identity(self._path), _identity(self._log))
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def close(self) -> None:
        """Close it; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _leave_file(self) -> None:
        """Somebody deleted or replaced the file: what is there next must not inherit its log."""
        self.close()
        if self._log is not None and _identity(self._log) == self._files[1] is not None:
            for left in (self._log, Path(f"{self._path}-shm")):
                left.unlink(missing_ok=True)


class _SelfClosing(sqlite3.Connection):
    """Python 3.13 warns of connections left open, and a store in memory ends when nobody has it.

    Whoever refers to it may be garbage in the same cycle: it must close itself.
    """

    def __del__(self) -> None:
        self.close()


_Identity: TypeAlias = "tuple[int, int] | None"


def _identity(path: Path | None) -> _Identity:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def connect(database: str, uri: bool = False) -> sqlite3.Connection:
    """A connection that leaves transactions to us and waits for other processes."""
    return sqlite3.connect(
        database,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=uri,
        factory=_SelfClosing,
    )


def use_wal(connection: sqlite3.Connection) -> str:
    """Ask for write-ahead logging; the answer is the mode that the file has."""
    # SQLite does not wait when several processes ask for it in a new file at once.
    deadline = perf_counter() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA page_count").fetchone() == (0,):
                # Pruning gives space back without a vacuum then; later it would be too late.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or perf_counter() > deadline:
                raise
        pause(0.005)


def prepare_folder(path: Path) -> None:
    """Make the file, and the folder if it is missing."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        if path.parent.name == ".tracetape":
            (path.parent / ".gitignore").write_text("*\n")
    # What was said to a model is the user's alone; SQLite gives its side files the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
