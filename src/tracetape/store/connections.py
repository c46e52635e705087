"""Connections to SQLite files: opened when first needed, by one thread at a time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from tracetape._forks import STORES, at_fork
from tracetape._system import lasting_lock, new_lock, pause, perf_counter
from tracetape.exceptions import StoreError
from tracetape.store.deadlines import WatchedConnection
from tracetape.store.descriptors import (
    Identity,
    are_taken,
    descriptors_of,
    identity,
    is_broken,
    keep_for_ever,
)

__all__ = [
    "BUSY_SECONDS",
    "Connection",
    "ForkWaitsError",
    "StoreConnection",
    "begin_writing",
    "connect",
    "giving_up",
    "is_waiting",
    "patiently",
    "use_wal",
]

BUSY_SECONDS = 5.0
_LOOK_MILLISECONDS = 250  # how often who waits for another process looks whether a fork waits
_FORK_SECONDS = 5.0  # for another thread that uses a connection when the process forks

_connections: WeakSet[Connection] = WeakSet()
_opening: set[Connection] = set()
_steps = count()  # one when a connection begins to open, and one when it has ended
_gate = lasting_lock()  # held from before a fork until after it: no connection is made meanwhile
_abandoned: list[Any] = []  # by a fork, in another thread's hands: not even closing is safe
_lost: set[Path] = set()  # the files of those, which this process must not open any more
_taken: set[Path] = set()  # files whose descriptors other files of the program have now
_forks_waiting = 0
_endings = 0  # threads that wait for another to leave its connection alone, for the program ends
_locked_out = 0  # threads that another process makes wait


@contextlib.contextmanager
def giving_up() -> Iterator[None]:
    """Meanwhile who waits for another process soon gives up, as if it had waited for long."""
    global _endings
    _endings += 1
    try:
        yield
    finally:
        _endings -= 1


def is_waiting() -> bool:
    """Whether another process makes a thread of this one wait for a store."""
    return _locked_out > 0


@contextlib.contextmanager
def _short_waits(connection: sqlite3.Connection) -> Iterator[float]:
    """SQLite waits shortly, and we look around in between; gives the time when to give up."""
    connection.execute(f"PRAGMA busy_timeout = {_LOOK_MILLISECONDS}")
    try:
        yield perf_counter() + BUSY_SECONDS
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


class ForkWaitsError(Exception):
    """Begin nothing: leave the connection for a moment, and use it again."""


class Connection(AbstractContextManager[sqlite3.Connection]):
    """One connection, opened when first needed and used by one thread at a time.

    It is closed before a fork: SQLite forbids to carry one into a child, where it would believe to
    hold locks that are the parent's.
    """

    def __init__(self, opener: Callable[[], sqlite3.Connection], path: Path | None) -> None:
        self._opener = opener
        self._path = path
        self._log = None if path is None else Path(f"{path}-wal")
        self._files: tuple[Identity, Identity] = (None, None)  # the database, and its log
        self._descriptors: dict[int, Identity] = {}  # that SQLite has of them
        self._lock = new_lock()
        self._depth = 0  # how often the thread that has the lock is inside
        self._held = False  # by the thread that forks
        self._connection: sqlite3.Connection | None = None
        with _gate:
            _connections.add(self)

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        self._depth += 1
        try:
            if self._path in _lost:
                raise StoreError(f"the store {self._path} was in use when this process was forked")
            if is_broken(self._descriptors):
                self._leave_descriptors()
            if self._path in _taken:
                raise StoreError(f"the program has closed what was open of the store {self._path}")
            if self._connection is not None and self._files[0] != identity(self._path):
                self._leave_file()
            if isinstance(self._connection, StoreConnection) and self._connection.is_outdated():
                self.close()
            if self._connection is None:
                self._connection = self._open()
            self._files = (identity(self._path), identity(self._log))
        except BaseException:
            self.__exit__()
            raise
        return self._connection

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        self._lock.release()

    def _open(self) -> sqlite3.Connection:
        began = next(_steps)
        is_alone = not _opening
        _opening.add(self)
        try:
            before = descriptors_of(self._path, self._log)
            connection = self._opener()
            now = descriptors_of(self._path, self._log)
        finally:
            _opening.discard(self)
            is_alone = next(_steps) == began + 1 and is_alone
        # Where another thread opened one meanwhile, nothing tells whose a new descriptor is.
        new = {one: what for one, what in now.items() if one not in before}
        self._descriptors = new if is_alone else {}
        return connection

    def close(self) -> None:
        """Close it; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._descriptors = {}

    def _leave_descriptors(self) -> None:
        """Let go of descriptors that the program has closed, as daemons and faults do.

        If other files of the program have them now, even closing the connection would write there,
        and SQLite shares what it knows of a file with every other connection of the process.
        """
        taken = are_taken(self._descriptors)
        if taken and self._path is not None:
            _taken.add(self._path)
        for one in [one for one in _connections if one._path == self._path]:
            if one._lock.acquire(False):  # else it is used, and finds out itself
                try:
                    if taken:
                        keep_for_ever(one._connection)
                        one._connection, one._descriptors = None, {}
                    else:
                        one.close()
                finally:
                    one._lock.release()

    def before_fork(self) -> None:
        """Wait until it is not used, close it, and let nobody else use it before the fork."""
        self._held = self._lock.acquire(timeout=_FORK_SECONDS)
        if self._held and not self._depth and self._path is not None:
            self.close()

    def after_fork_in_parent(self) -> None:
        """The next use opens it again."""
        if self._held:
            self._held = False
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start over; what is in another thread's hands is nobody's for ever."""
        _opening.discard(self)
        # Without our hook before the fork, a connection that nobody uses is closed now.
        mine = self._held or self._lock.acquire(False)
        self._held = False
        if mine and not self._depth:
            if self._path is not None:
                self.close()
            self._lock.release()
            return
        if mine:
            self._lock.release()  # the thread that forked is inside, and goes on in the child
        else:
            self._lock, self._depth = new_lock(), 0
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None
            if self._path is not None:
                _lost.add(self._path)

    def _leave_file(self) -> None:
        """Somebody deleted or replaced the file: what is there next must not inherit its log."""
        self.close()
        if self._log is not None and identity(self._log) == self._files[1] is not None:
            for left in (self._log, Path(f"{self._path}-shm")):
                left.unlink(missing_ok=True)


def _each(method: Callable[[Connection], None]) -> None:
    for connection in list(_connections):
        method(connection)


def _before_fork() -> None:
    global _forks_waiting
    _gate.acquire()
    _forks_waiting += 1
    try:
        _each(Connection.before_fork)
    finally:
        _forks_waiting -= 1


def _after_fork_in_parent() -> None:
    _each(Connection.after_fork_in_parent)
    _gate.release()


at_fork(
    STORES,
    before=_before_fork,
    in_parent=_after_fork_in_parent,
    in_child=lambda: _each(Connection.after_fork_in_child),
)


class StoreConnection(WatchedConnection):
    """Python 3.13 warns of connections left open, and a store in memory ends when nobody has it.

    Whoever refers to it may be garbage in the same cycle: it must close itself.

    Attributes:
        is_outdated: whether the file is not what it was when this was opened, and is to be opened
            again.
    """

    is_outdated: Callable[[], bool] = staticmethod(lambda: False)

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001, S110 - never opened; at the interpreter's end no name is left
            pass


_T = TypeVar("_T")


def connect(database: str, uri: bool = False) -> StoreConnection:
    """A connection that leaves transactions to us and waits for other processes."""
    return sqlite3.connect(
        database,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=uri,
        factory=StoreConnection,
    )


def begin_writing(connection: sqlite3.Connection) -> None:
    """Begin a transaction; waits for other processes, but no fork waits for that.

    Raises:
        ForkWaitsError: leave the connection, and try again.
        sqlite3.OperationalError: another process has it locked for too long.
    """
    with _short_waits(connection) as deadline:
        _patiently(lambda: connection.execute("BEGIN IMMEDIATE"), deadline, forks=True)


def _patiently(work: Callable[[], _T], deadline: float, *, forks: bool) -> _T:
    """Run `work` as soon as no other process has locked the file."""
    global _locked_out
    waits = False
    try:
        while True:
            try:
                return work()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or perf_counter() > deadline or _endings:
                    raise
                if forks and _forks_waiting:
                    raise ForkWaitsError from error
            if not waits:
                waits = True
                _locked_out += 1
            if not forks:
                pause(0.005)  # SQLite itself does not always wait there
    finally:
        _locked_out -= waits


def patiently(connection: sqlite3.Connection, work: Callable[[], _T]) -> _T:
    """Run `work` once no other process has locked the file; the program's end waits less.

    Raises:
        sqlite3.OperationalError: another process has it locked for too long.
    """
    with _short_waits(connection) as deadline:
        return _patiently(work, deadline, forks=False)


def use_wal(connection: sqlite3.Connection) -> str:
    """Ask for write-ahead logging; the answer is the mode that the file has."""

    def ask() -> str:
        if connection.execute("PRAGMA page_count").fetchone() == (0,):
            # Pruning gives space back without a vacuum then; later it would be too late.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        return str(mode)

    # SQLite does not wait when several processes ask for it in a new file at once.
    with _short_waits(connection) as deadline:
        return _patiently(ask, deadline, forks=False)
