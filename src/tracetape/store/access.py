"""Access to one database: two connections to a file, or one to a store in memory."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from tracetape._system import pause, wall_clock_ns
from tracetape.diagnostics import warn_once
from tracetape.exceptions import StoreError
from tracetape.store.causes import cause_of, remedy_of
from tracetape.store.connections import Connection, ForkWaitsError, begin_writing
from tracetape.store.database import is_damage, open_file, open_memory, set_aside
from tracetape.store.deadlines import watched
from tracetape.store.dedup import ContentWriter
from tracetape.store.inspection import SQLITE_ERRORS, reason
from tracetape.store.readonly import look_into
from tracetape.store.unreadable import Unreadable, text_or_damaged

__all__ = ["DatabaseAccess"]

_T = TypeVar("_T")

_LATELY_SECONDS = 1.0


class DatabaseAccess:
    """Runs work on a database: opened at the first call, opened again if it was damaged."""

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: the database file, or None for a store in this process's memory.
            read_only: for readers, which must not make a file where there is none.
        """
        self._path = path
        self._read_only = read_only
        # Writer and readers take turns only in memory; on disk WAL keeps them apart.
        opener = partial(_open, path, read_only)
        self._writer = Connection(opener, path)
        self._reader = self._writer if path is None else Connection(opener, path)
        self._contents = ContentWriter()
        # What tracetape cannot have written so, and whether someone else tells of it.
        self.unreadable = Unreadable()
        self.reports_unreadable = False
        self.is_watched = False  # whether what changes it ends, too, by Ctrl-C and a deadline

    @property
    def url(self) -> str:
        """``sqlite:///path`` or ``memory://``."""
        return "memory://" if self._path is None else f"sqlite:///{self._path}"

    def others_write(self) -> bool:
        """While this process waits: whether another one has lately written to the file."""
        if self._path is None:
            return False
        try:
            written = max(os.stat(f"{self._path}{end}").st_mtime for end in ("", "-wal"))
            # The clock of the file system, which is this machine's; it may be set.
            return abs(wall_clock_ns() / 1e9 - written) < _LATELY_SECONDS
        except OSError:
            return False

    def exists(self) -> bool:
        """Whether its file has been made."""
        return self._path is not None and os.path.isfile(self._path)  # a bad path is not one

    def open(self) -> None:
        """Open the file now rather than at the first call.

        Raises:
            StoreError: it cannot be opened for writing.
        """
        self._use(self._writer, lambda connection: None)

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[ContentWriter]:
        begin_writing(connection)
        try:
            self._contents.begin(connection)
            yield self._contents
            connection.execute("COMMIT")
        except BaseException:
            self._contents.forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Several queries see the same moment, though another process may be pruning."""

        def transaction(connection: sqlite3.Connection) -> _T:
            connection.execute("BEGIN")
            try:
                with watched(connection):
                    return _read_all(connection, work)
            finally:
                connection.text_factory = str
                if connection.in_transaction:  # SQLite has ended it where memory ran out
                    connection.execute("ROLLBACK")

        before = self.unreadable.count()
        result = self._use(self._reader, transaction)
        if not self.reports_unreadable and self.unreadable.count() > before:
            warn_once(f"unreadable {self.url}", "tracetape: in %s %s", self.url, self.unreadable)
        return result

    def _use(self, connection: Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
        again = True
        while True:
            with connection as opened:
                try:
                    with watched(opened) if self.is_watched else contextlib.nullcontext():
                        return work(opened)
                except ForkWaitsError:
                    pass
                except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
                    raise  # a fault of tracetape: the same call would never succeed
                except SQLITE_ERRORS as error:
                    if not (again and self._begin_anew(error)):
                        said = reason(error)
                        cause = cause_of(said, self._path)
                        remedy = remedy_of(said, self._path)
                        failed = StoreError(f"the store {self.url} failed: {said}{cause}{remedy}")
                        failed.is_locked = "locked" in said
                        raise failed from error
                    again = False
            pause(0.001)  # else the thread that forks may not get its turn

    def _begin_anew(self, error: Exception) -> bool:
        """Whether the file was damaged, and could be set aside."""
        if self._path is None or self._read_only or not is_damage(error):
            return False
        self.close()
        self._contents.forget()
        return set_aside(self._path, error)

    def close(self) -> None:
        """Close the file; a store in memory stays."""
        if self._path is not None:
            self._writer.close()
            self._reader.close()


def _read_all(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
    """Run `work`, also where a text is not in UTF-8."""
    try:
        return work(connection)
    except sqlite3.OperationalError as error:
        if "Could not decode" not in str(error):
            raise
        connection.text_factory = text_or_damaged  # slower: only where there is a reason
        return work(connection)


def _open(path: Path | None, read_only: bool) -> sqlite3.Connection:
    if path is None:
        return open_memory()
    return look_into(path) if read_only else open_file(path)
