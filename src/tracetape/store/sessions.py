"""Which conversations are the newest, found without going through all traces."""

from __future__ import annotations

import sqlite3

import orjson

from tracetape.store.query import Condition
from tracetape.store.sql import SESSION_OF, condition_sql
from tracetape.store.statements import rows_of

__all__ = ["newest_sessions"]

_LOOKED_THROUGH = 5000  # of the newest traces, before the sessions' own index is gone through
_WALK = f"""
    SELECT {SESSION_OF} FROM traces t WHERE t.start_ns >= ? AND {{where}}
    ORDER BY t.start_ns DESC, t.id DESC
"""
# From each session's first trace in the index to the next session's: one step for each.
_LEAP = f"""
    WITH RECURSIVE names (session) AS (
        SELECT min({SESSION_OF}) FROM traces t WHERE {SESSION_OF} IS NOT NULL
        UNION ALL
        SELECT (SELECT min({SESSION_OF}) FROM traces t WHERE {SESSION_OF} > names.session)
        FROM names WHERE session IS NOT NULL
    ),
    newest (session, trace) AS (
        SELECT session, (
            SELECT t.id FROM traces t WHERE {SESSION_OF} = names.session AND {{where}}
            ORDER BY t.start_ns DESC, t.id DESC LIMIT 1
        )
        FROM names WHERE session IS NOT NULL
    )
    SELECT newest.session FROM newest CROSS JOIN traces t ON t.id = newest.trace
    ORDER BY t.start_ns DESC, t.id DESC LIMIT ?
"""

# The newest of all traces of each: no trace that is meant is newer.
_FIRST = f"""
    SELECT {SESSION_OF}, max(t.start_ns) FROM traces t WHERE {SESSION_OF} IS NOT NULL
    GROUP BY {SESSION_OF} ORDER BY 2 DESC LIMIT ?
"""
_MEANT = f"""
    SELECT sessions.value, t.start_ns FROM json_each(?) sessions CROSS JOIN traces t ON t.id = (
        SELECT t.id FROM traces t WHERE {SESSION_OF} = sessions.value AND {{where}}
        ORDER BY t.start_ns DESC, t.id DESC LIMIT 1
    )
    ORDER BY t.start_ns DESC, t.id DESC
"""


def newest_sessions(connection: sqlite3.Connection, condition: Condition, limit: int) -> list[str]:
    """The ids of at most so many sessions, that of the newest trace first.

    Args:
        connection: in a transaction.
        condition: which traces decide.
        limit: at most so many sessions.
    """
    where, values = condition_sql(condition)
    row = connection.execute(
        "SELECT start_ns FROM traces ORDER BY start_ns DESC LIMIT 1 OFFSET ?", (_LOOKED_THROUGH,)
    ).fetchone()
    since = 0 if row is None else row[0]
    found: dict[str, None] = {}
    for (session,) in rows_of(connection, _WALK.format(where=where), [since, *values]):
        if len(found) == limit:
            break
        if session is not None:
            found[session] = None
    if row is None or len(found) == limit:
        return list(found)
    first = rows_of(connection, _FIRST, [limit + 1])
    if len(first) > limit and all(type(session) is str for session, _ in first):
        names = orjson.dumps([session for session, _ in first[:limit]]).decode()
        meant = rows_of(connection, _MEANT.format(where=where), [names, *values])
        if len(meant) == limit and meant[-1][1] > first[limit][1]:  # no other can come before it
            return [session for session, _ in meant]
    rows = rows_of(connection, _LEAP.format(where=where), [*values, limit])
    return [session for (session,) in rows]
