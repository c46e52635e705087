"""Queries that end: at a deadline, whatever is in the file, and by Ctrl-C."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from tracetape._system import perf_counter
from tracetape.exceptions import StoreError

__all__ = ["QUERY_SECONDS", "WatchedConnection", "watched"]

QUERY_SECONDS = 120.0  # of one reading; a search through 1,000,000 traces takes a tenth of it
_STEPS = 50_000  # of SQLite's machine between two looks, a millisecond or two


class WatchedConnection(sqlite3.Connection):
    """SQLite forgets what is raised in the functions that it calls: this remembers it.

    Attributes:
        raised: in such a function.
    """

    raised: BaseException | None = None
    _end: float | None = None
    _gives_up: Callable[[], Any] | None = None

    def create_function(
        self,
        name: str,
        narg: int,
        func: Callable[..., Any] | None,
        /,
        *,
        deterministic: bool = False,
    ) -> None:
        """As `sqlite3.Connection.create_function`."""

        def remembered(*values: Any) -> Any:
            try:
                return None if func is None else func(*values)
            except BaseException as error:
                self.raised = error
                raise

        super().create_function(name, narg, remembered, deterministic=deterministic)

    def set_progress_handler(self, handler: Callable[[], Any] | None, n: int) -> None:
        """As `sqlite3.Connection.set_progress_handler`; a deadline stays."""
        self._gives_up = handler
        if self._end is None:
            super().set_progress_handler(handler, n)
        else:
            super().set_progress_handler(self._is_over, _STEPS if handler is None else n)

    def watch(self, end: float | None) -> None:
        """End queries after `end`, and by Ctrl-C; None: no longer."""
        self._end = end
        self.set_progress_handler(None, 0)

    def is_late(self) -> bool:
        """Whether the deadline is over."""
        return self._end is not None and perf_counter() > self._end

    def _is_over(self) -> bool:
        try:
            return self.is_late() or (self._gives_up is not None and bool(self._gives_up()))
        except BaseException as error:
            self.raised = error
            raise


@contextlib.contextmanager
def watched(connection: sqlite3.Connection) -> Iterator[None]:
    """Queries in this block end by Ctrl-C, and with an error when they take too long.

    Raises:
        StoreError: they took too long.
        KeyboardInterrupt: Ctrl-C was pressed meanwhile.
    """
    if not isinstance(connection, WatchedConnection):
        yield
        return
    connection.raised = None
    connection.watch(perf_counter() + QUERY_SECONDS)
    try:
        yield
    except sqlite3.Error as error:
        _tell(connection, error)
        raise
    finally:
        connection.watch(None)


def _tell(connection: WatchedConnection, error: sqlite3.Error) -> None:
    """Raise what ended a query, if SQLite does not know it."""
    if not any(sign in str(error) for sign in ("interrupted", "user-defined function")):
        return
    if connection.is_late():
        raise StoreError(
            f"the query was given up after {QUERY_SECONDS:.0f} s: narrow it by a filter or a "
            "limit; if that does not help, the store is damaged (`sqlite3 FILE .recover`)"
        ) from error
    # Ctrl-C may come before the first line of what SQLite calls, where nothing can remember it.
    if connection.raised is None or isinstance(connection.raised, KeyboardInterrupt):
        raise KeyboardInterrupt from error
