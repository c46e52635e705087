"""What filters look at, kept apart from what is large: made when there is time.

A row of a trace has its previews, one of a span its inputs and outputs: to go through all of them
takes as long as to read the file. Three narrow tables have the rest: ``brief_traces``,
``brief_spans``, and ``holders``, which says in which traces a content stands. Whatever is not in
them yet is read where it is, so that searching is right at any time.

A list of messages counts by its first element: conversations that begin alike are one tree, and
each turn of a long one has one row, not one for each message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson

from tracetape.store.contents import parts_of

__all__ = [
    "BRIEFLESS",
    "brief_some",
    "brief_spans_sql",
    "brief_traces_sql",
    "late_parts_sql",
    "mark_changed",
    "remove_briefs",
    "unbriefed_spans",
]

BRIEFLESS = ("mlflow.traceInputs", "mlflow.traceOutputs")  # previews: not in a brief's metadata
_ROWS = 500  # at a time, which takes some ms
_LONG_ATTRIBUTES, _LONG_TAGS = 300, 1000  # characters; what is longer is not kept twice
_IDS = "(SELECT value FROM json_each(?))"
_TRACE_COLUMNS = "state, start_ns, end_ns, name, client_request_id, experiment_id"
_LESS = ", ".join(f"'$.\"{key}\"'" for key in BRIEFLESS)
_METADATA = f"CASE WHEN json_valid(metadata) THEN json_remove(metadata, {_LESS}) ELSE metadata END"


def _short(column: str, most: int) -> str:
    return f"CASE WHEN length({column}) > {most} THEN 1 ELSE {column} END"


_BRIEF_TRACES = f"""
    INSERT OR REPLACE INTO brief_traces (id, {_TRACE_COLUMNS}, tags, metadata)
    SELECT id, {_TRACE_COLUMNS}, {_short("tags", _LONG_TAGS)},
        {_short(f"({_METADATA})", _LONG_TAGS)}
    FROM traces WHERE """
_KINDS = """
    INSERT OR IGNORE INTO kinds (name, type, status)
    SELECT DISTINCT s.name, s.type, s.status FROM spans s
    WHERE s.end_ns IS NOT NULL AND s.trace > 0 AND """
_BRIEF_SPANS = f"""
    INSERT OR REPLACE INTO brief_spans (id, trace, kind, attributes, fields)
    SELECT s.id, s.trace, k.id, {_short("s.attributes", _LONG_ATTRIBUTES)},
        {_short("s.fields", _LONG_ATTRIBUTES)}
    FROM spans s CROSS JOIN kinds k
        ON k.name = s.name AND k.type = s.type AND k.status = s.status
    WHERE s.end_ns IS NOT NULL AND s.trace > 0 AND """
_HELD = """
    SELECT b.trace, b.kind, s.inputs, s.outputs
    FROM spans s CROSS JOIN brief_spans b ON b.id = s.id
    WHERE (typeof(s.inputs) = 'blob' OR typeof(s.outputs) = 'blob') AND """


def brief_some(connection: sqlite3.Connection, roots: dict[int, int]) -> bool:
    """Take the next rows into the briefs, within a transaction; whether there may be more.

    Args:
        connection: in a transaction.
        roots: the first list of those that were met; what was removed must not be in it.
    """
    return _brief_traces(connection) | _brief_spans(connection, roots)


def _brief_traces(connection: sqlite3.Connection) -> bool:
    late = connection.execute("SELECT trace FROM late_traces LIMIT ?", (_ROWS,)).fetchall()
    if late:
        ids = (orjson.dumps([key for (key,) in late]).decode(),)
        connection.execute(f"{_BRIEF_TRACES} id IN {_IDS}", ids)
        connection.execute(f"DELETE FROM late_traces WHERE trace IN {_IDS}", ids)
    following = _advance(connection, "traces")
    if following:
        connection.execute(f"{_BRIEF_TRACES} id > ? AND id <= ?", following)
    return bool(late or following)


def _brief_spans(connection: sqlite3.Connection, roots: dict[int, int]) -> bool:
    late = connection.execute(
        "SELECT id FROM late_briefs l CROSS JOIN spans s ON s.id = l.span "
        "WHERE s.end_ns IS NOT NULL LIMIT ?",
        (_ROWS,),
    ).fetchall()
    if late:
        ids = (orjson.dumps([key for (key,) in late]).decode(),)
        _take(connection, f"s.id IN {_IDS}", ids, roots)
        connection.execute(f"DELETE FROM late_briefs WHERE span IN {_IDS}", ids)
    following = _advance(connection, "spans")
    if following:
        connection.execute(
            "INSERT OR IGNORE INTO late_briefs "
            "SELECT id FROM spans WHERE id > ? AND id <= ? AND end_ns IS NULL",
            following,
        )
        _take(connection, "s.id > ? AND s.id <= ?", following, roots)
    return bool(late or following)


def _take(
    connection: sqlite3.Connection, which: str, values: tuple[Any, ...], roots: dict[int, int]
) -> None:
    connection.execute(_KINDS + which, values)
    connection.execute(_BRIEF_SPANS + which, values)
    held = _held(connection, connection.execute(_HELD + which, values).fetchall(), roots)
    connection.executemany("INSERT OR IGNORE INTO holders VALUES (?, ?, ?)", held)


def _held(
    connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]], roots: dict[int, int]
) -> list[tuple[int, int, int]]:
    """The rows of ``holders`` for a trace, a kind, inputs and outputs each."""
    found = {
        (part if part > 0 else -_root(connection, -part, roots), kind, trace)
        for trace, kind, *values in rows
        for value in values
        if isinstance(value, bytes)
        for part in parts_of(value)
    }
    return sorted(found)


def _root(connection: sqlite3.Connection, key: int, roots: dict[int, int]) -> int:
    """The first of the lists that this one continues; a damaged one is its own."""
    way = []
    at = key
    while at not in roots:
        way.append(at)
        row = connection.execute("SELECT before FROM lists WHERE id = ?", (at,)).fetchone()
        if row is None or not row[0] or row[0] >= at:  # made later: damaged, perhaps a circle
            break
        at = row[0]
    root = roots.get(at, at)
    roots.update(dict.fromkeys(way, root))
    return root


def mark_changed(connection: sqlite3.Connection, keys: Iterable[int]) -> None:
    """The rows of these traces were changed: their briefs are out of date."""
    connection.execute(
        "INSERT OR IGNORE INTO late_traces SELECT value FROM json_each(?) "
        "WHERE value <= (SELECT id FROM briefed WHERE name = 'traces')",
        (orjson.dumps(list(keys)).decode(),),
    )


def remove_briefs(connection: sqlite3.Connection, traces: str, spans: str) -> None:
    """Remove what is known of traces that are to be removed; both are JSON lists of row ids."""
    rows = connection.execute(f"{_HELD} s.id IN {_IDS}", (spans,)).fetchall()
    connection.executemany(
        "DELETE FROM holders WHERE part = ? AND kind = ? AND trace = ?",
        _held(connection, rows, {}),
    )
    kinds = connection.execute(
        f"SELECT DISTINCT kind FROM brief_spans WHERE id IN {_IDS}", (spans,)
    ).fetchall()
    connection.execute(f"DELETE FROM brief_spans WHERE id IN {_IDS}", (spans,))
    connection.execute(f"DELETE FROM late_briefs WHERE span IN {_IDS}", (spans,))
    connection.executemany(
        "DELETE FROM kinds WHERE id = ? "
        "AND NOT EXISTS (SELECT 1 FROM brief_spans b WHERE b.kind = kinds.id)",
        kinds,
    )
    connection.execute(f"DELETE FROM brief_traces WHERE id IN {_IDS}", (traces,))
    connection.execute(f"DELETE FROM late_traces WHERE trace IN {_IDS}", (traces,))


def unbriefed_spans(connection: sqlite3.Connection) -> int:
    """About how many spans are not in ``brief_spans`` yet."""
    (left,) = connection.execute(
        "SELECT coalesce((SELECT max(id) FROM spans), 0) - coalesce("
        "(SELECT id FROM briefed WHERE name = 'spans'), 0) "
        "+ (SELECT count(*) FROM late_briefs)"
    ).fetchone()
    return max(0, int(left))


def _advance(connection: sqlite3.Connection, table: str) -> tuple[int, int] | None:
    """The next ids: above the first one, up to the second; None: there are none."""
    (done,) = connection.execute("SELECT id FROM briefed WHERE name = ?", (table,)).fetchone()
    (last,) = connection.execute(
        f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?)",
        (done, _ROWS),
    ).fetchone()
    if last is None:
        return None
    connection.execute("UPDATE briefed SET id = ? WHERE name = ?", (last, table))
    return done, last


def _column(name: str, table: str) -> str:
    return (
        f"CASE typeof(b.{name}) WHEN 'integer' "
        f"THEN (SELECT o.{name} FROM {table} o WHERE o.id = b.id) ELSE b.{name} END AS {name}"
    )


_BRIEFS_OF_TRACES = (
    f"SELECT id, {_TRACE_COLUMNS}, {_column('tags', 'traces')}, "
    f"{_column('metadata', 'traces')} FROM brief_traces b"
)
_WHOLE_TRACES = f"SELECT id, {_TRACE_COLUMNS}, tags, metadata FROM traces"


def brief_traces_sql(connection: sqlite3.Connection) -> str:
    """What stands for a table of all traces, without ids, sessions and previews."""
    (late, new) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM late_traces), EXISTS (SELECT 1 FROM traces "
        "WHERE id > (SELECT id FROM briefed WHERE name = 'traces'))"
    ).fetchone()
    if not late and not new:
        return f"({_BRIEFS_OF_TRACES})"
    return f"""(
        {_BRIEFS_OF_TRACES} WHERE b.id NOT IN (SELECT trace FROM late_traces)
        UNION ALL {_WHOLE_TRACES}
            WHERE id > (SELECT id FROM briefed WHERE name = 'traces')
        UNION ALL {_WHOLE_TRACES} WHERE id IN (SELECT trace FROM late_traces)
            AND id <= (SELECT id FROM briefed WHERE name = 'traces')
    )"""


def brief_spans_sql(kinds: str | None, condition: str) -> str:
    """The traces of the briefs that fulfil a condition of a span ``s``.

    Args:
        kinds: only of these, a list in SQL; None: of all.
        condition: on attributes and fields.
    """
    of_kind = "" if kinds is None else f"s.kind IN {kinds} AND "
    columns = f"{_column('attributes', 'spans')}, {_column('fields', 'spans')}"
    return (
        f"SELECT s.trace FROM (SELECT b.id, b.trace, b.kind, {columns} FROM brief_spans b) s "
        f"WHERE {of_kind}{condition}"
    )


def late_parts_sql(condition: str) -> tuple[str, str]:
    """The traces of spans ``s`` that have no brief yet and fulfil a condition: two queries."""
    return (
        "SELECT s.trace FROM spans s "
        "WHERE s.id > (SELECT id FROM briefed WHERE name = 'spans') AND s.trace > 0 "
        f"AND {condition}",
        "SELECT s.trace FROM late_briefs l CROSS JOIN spans s ON s.id = l.span "
        f"WHERE s.trace > 0 AND {condition}",
    )
