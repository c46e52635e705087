"""Carrying out queries: the newest traces one by one first, where that may be enough."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from time import thread_time
from typing import Any

from tracetape.diagnostics import logger
from tracetape.exceptions import InvalidValueError
from tracetape.store.conditions import select_traces
from tracetape.store.fulltext import unindexed_texts
from tracetape.store.query import Comparison, Condition, Not, TraceQuery

__all__ = ["rows_of", "selected"]

_NEAR = 5000  # traces that are looked at one by one before the index on texts is asked
_NEAR_SECONDS = 0.06  # of the processor, after which the index is asked all the same
_JSON = re.compile(r"\b(json_(?:each|extract|type)\()([tsa]\.\w+)")  # of columns, in our words
_STEPS = 200  # of SQLite's machine between two looks at the clock
# What SQLite says of a query beyond its limits, whatever is in the store.
_TOO_MUCH = ("too large", "stack overflow", "too many", "too complex", "too big", "too deep")


def selected(
    connection: sqlite3.Connection, query: TraceQuery, select: str
) -> tuple[list[Any], int]:
    """The rows of the traces that `query` asks for, `select` being all up to ``FROM traces t``.

    And about how many texts were compared one by one, as they are not in the index yet.

    Raises:
        InvalidValueError: the filter is beyond SQLite's limits.
    """
    wanted = None if query.limit is None else query.limit + query.offset
    has_text = _says(query.condition, _is_text)
    if wanted is None or query.order or not _says(query.condition, _is_of_span):
        rows = _rows(connection, *select_traces(query, select))
        return rows, _scanned(connection) if has_text else 0
    row = connection.execute(
        "SELECT start_ns FROM traces ORDER BY start_ns DESC LIMIT 1 OFFSET ?", (_NEAR,)
    ).fetchone()
    if row is None or wanted < _NEAR:
        near = select_traces(query, select, since_ns=row[0] + 1 if row else -(1 << 63))
        soon = _rows_in_time(connection, *near)
        if soon is not None and (row is None or len(soon) == query.limit):
            return soon, 0
    rows = _rows(connection, *select_traces(query, select))
    return rows, _scanned(connection) if has_text else 0


def _scanned(connection: sqlite3.Connection) -> int:
    """Say how many texts the index lacks."""
    count = unindexed_texts(connection)
    if count:
        logger.info(
            "tracetape: %d texts are not in the text index yet, and were searched one by one; "
            "`tracetape prune --optimize` finishes it",
            count,
        )
    return count


def _is_text(one: Comparison) -> bool:
    return (one.subject, one.key) in (("trace", "text"), ("span", "content"))


def _is_of_span(one: Comparison) -> bool:
    return one.subject in ("span", "attribute") or _is_text(one)


def _says(condition: Condition | None, kind: Callable[[Comparison], bool]) -> bool:
    """Whether `condition` has a comparison of this kind."""
    if condition is None:
        return False
    if isinstance(condition, Not):
        return _says(condition.part, kind)
    if isinstance(condition, Comparison):
        return kind(condition)
    return any(_says(part, kind) for part in condition.parts)


def _rows_in_time(connection: sqlite3.Connection, text: str, values: list[Any]) -> list[Any] | None:
    """The rows, or None if it takes too long to find them."""
    end = thread_time() + _NEAR_SECONDS
    connection.set_progress_handler(lambda: thread_time() > end, _STEPS)
    try:
        return _rows(connection, text, values)
    except sqlite3.OperationalError as error:
        if str(error) != "interrupted" or thread_time() <= end:  # by Ctrl-C, say
            raise
        return None
    finally:
        connection.set_progress_handler(None, 0)


def _guarded(text: str) -> str:
    """A statement that takes what should be JSON, and is none, for NULL; slower."""
    return _JSON.sub(r"\1CASE WHEN json_valid(\2) THEN \2 END", text)


def rows_of(connection: sqlite3.Connection, text: str, values: list[Any]) -> list[Any]:
    """All rows of a statement, whatever stands in the columns that should hold JSON."""
    try:
        return connection.execute(text, values).fetchall()
    except sqlite3.OperationalError as error:
        if "malformed JSON" not in str(error):
            raise
        return connection.execute(_guarded(text), values).fetchall()


def _rows(connection: sqlite3.Connection, text: str, values: list[Any]) -> list[Any]:
    try:
        return rows_of(connection, text, values)
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        if not any(sign in str(error) for sign in _TOO_MUCH):
            raise
        raise InvalidValueError(f"Invalid filter: it is too large for SQLite ({error}).") from None
