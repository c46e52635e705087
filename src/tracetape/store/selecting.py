"""Carrying out queries: the newest traces one by one first, where that may be enough."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from tracetape.diagnostics import logger
from tracetape.formats.names import SESSION
from tracetape.store.finder import Finder, TooWideError
from tracetape.store.fulltext import unindexed_texts
from tracetape.store.query import And, Comparison, Condition, Not, TraceQuery
from tracetape.store.sql import select_traces
from tracetape.store.statements import checked_rows, rows_in_time

__all__ = ["selected"]

_NEAR = 5000  # traces: so many are not looked at one by one, the newest first, before all are asked
_NEAR_SECONDS = 0.03  # of the processor, after which all are asked anyway
_NEAR_MOST = 0.2  # if those that are wanted come that fast


def selected(
    connection: sqlite3.Connection, query: TraceQuery, select: str
) -> tuple[list[Any], int]:
    """The rows of the traces that `query` asks for, `select` being all up to ``FROM traces t``.

    And about how many texts were compared one by one, as they are not in the index yet.

    Raises:
        InvalidValueError: the filter is beyond SQLite's limits.
    """
    if query.condition is None and not query.order:
        return checked_rows(connection, *select_traces(query, select)), 0
    if not query.order and not _names_one(query.condition):
        soon = _near(connection, query, select)
        if soon is not None:
            return soon, 0
    try:
        rows = Finder(connection).rows(query.condition or And(()), query, select)
    except TooWideError:
        rows = checked_rows(connection, *select_traces(query, select))
    return rows, _scanned(connection) if _says(query.condition, _is_text) else 0


def _near(connection: sqlite3.Connection, query: TraceQuery, select: str) -> list[Any] | None:
    """The rows, if they are soon found by looking at one trace after the other."""
    wanted = None if query.limit is None else query.limit + query.offset
    are_many = connection.execute("SELECT 1 FROM traces LIMIT 1 OFFSET ?", (_NEAR,)).fetchone()
    if are_many and (wanted is None or wanted >= _NEAR):
        return None
    near = select_traces(query, select, one_by_one=True)
    # Rows that are passed over are not seen here: nothing tells how fast they come.
    most = 0.0 if query.offset else _NEAR_MOST
    return rows_in_time(connection, *near, _NEAR_SECONDS, most, query.limit or 0)


def _names_one(condition: Condition | None) -> bool:
    """Whether an index leads to the few traces that are meant."""
    if isinstance(condition, And):
        return any(map(_names_one, condition.parts))
    return (
        isinstance(condition, Comparison)
        and (condition.subject, condition.key) in (("trace", "trace_id"), ("metadata", SESSION))
        and condition.operator in ("=", "IN")
    )


def _scanned(connection: sqlite3.Connection) -> int:
    """Say how many texts the index lacks."""
    count = unindexed_texts(connection)
    if count:
        logger.info(
            "tracetape: %d texts are not in the text index yet, and were searched one by one. "
            "`tracetape prune --optimize` finishes the index.",
            count,
        )
    return count


def _is_text(one: Comparison) -> bool:
    return (one.subject, one.key) in (("trace", "text"), ("span", "content"))


def _says(condition: Condition | None, kind: Callable[[Comparison], bool]) -> bool:
    """Whether `condition` has a comparison of this kind."""
    if condition is None:
        return False
    if isinstance(condition, Not):
        return _says(condition.part, kind)
    if isinstance(condition, Comparison):
        return kind(condition)
    return any(_says(part, kind) for part in condition.parts)
