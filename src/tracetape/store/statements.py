"""Carrying out statements whose JSON may be damaged, and that may take too long."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from time import thread_time
from typing import Any

from tracetape.exceptions import InvalidValueError

__all__ = ["checked_rows", "each_row", "rows_in_time", "rows_of"]

_JSON = re.compile(r"\b(json_(?:each|extract|type)\()([tsa]\.\w+)")  # of columns, in our words
_STEPS = 200  # of SQLite's machine between two looks at the clock
# What SQLite says of a query beyond its limits, whatever is in the store.
_TOO_MUCH = ("too large", "stack overflow", "too many", "too complex", "too big", "too deep")


def rows_of(connection: sqlite3.Connection, text: str, values: Sequence[Any]) -> list[Any]:
    """All rows of a statement, whatever is in the columns that should hold JSON."""
    try:
        return connection.execute(text, values).fetchall()
    except sqlite3.OperationalError as error:
        if "malformed JSON" not in str(error):
            raise
        return connection.execute(_guarded(text), values).fetchall()


def checked_rows(connection: sqlite3.Connection, text: str, values: Sequence[Any]) -> list[Any]:
    """As `rows_of`.

    Raises:
        InvalidValueError: the filter is beyond SQLite's limits.
    """
    try:
        return rows_of(connection, text, values)
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        raise _told(error) from None


def _told(error: sqlite3.Error) -> Exception:
    """The message for an error: the filter may be to blame."""
    if not any(sign in str(error) for sign in _TOO_MUCH):
        return error
    return InvalidValueError(f"Invalid filter: it is too large for SQLite ({error}).")


def each_row(
    connection: sqlite3.Connection,
    text: str,
    values: Sequence[Any],
    take: Callable[[Iterable[Any]], None],
) -> None:
    """As `checked_rows`, of what may be too much to have at once; the same rows may come twice."""
    try:
        try:
            take(connection.execute(text, values))
        except sqlite3.OperationalError as error:
            if "malformed JSON" not in str(error):
                raise
            take(connection.execute(_guarded(text), values))
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        raise _told(error) from None


def rows_in_time(
    connection: sqlite3.Connection,
    text: str,
    values: Sequence[Any],
    seconds: float,
    most: float = 0.0,
    wanted: int = 0,
) -> list[Any] | None:
    """As `checked_rows`, or None if it takes more of the processor than that.

    Args:
        connection: to the store.
        text: a statement.
        values: its parameters.
        seconds: so long in any case.
        most: so long, if the rows come fast enough for all that are wanted by then.
        wanted: rows.
    """
    found: list[Any] = []
    begin = thread_time()

    def is_late() -> bool:
        taken = thread_time() - begin
        return taken > seconds and (taken > most or taken * wanted > most * len(found))

    def take(rows: Iterable[Any]) -> None:
        found.clear()
        found.extend(rows)

    connection.set_progress_handler(is_late, _STEPS)
    try:
        each_row(connection, text, values, take)
    except sqlite3.OperationalError as error:
        # By Ctrl-C, say.
        if str(error) != "interrupted" or thread_time() - begin <= seconds:
            raise
        return None
    finally:
        connection.set_progress_handler(None, 0)
    return found


def _guarded(text: str) -> str:
    """A statement that takes what should be JSON, and is not, for NULL; slower."""
    return _JSON.sub(r"\1CASE WHEN json_valid(\2) THEN \2 END", text)
