"""Narrow tables for filters, apart from large contents, made in idle time.

A row of a trace has its previews, one of a span its inputs and outputs: to go through all of them
takes as long as to read the file. Three narrow tables have the rest: ``brief_traces``,
``brief_spans``, and ``holders``, which says in which traces a content is. Whatever is not in
them yet is read where it is, so that searching is right at any time.

A list of messages counts by its first element: conversations that begin alike are one tree, and
each turn of a long one has one row, not one for each message.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import orjson

from tracetape.formats import names as wire
from tracetape.store.dedup import parts_of

__all__ = [
    "BRIEFLESS",
    "all_traces_sql",
    "brief_some",
    "brief_spans_sql",
    "brief_traces_sql",
    "late_parts_sql",
    "mark_changed",
    "next_ids",
    "other_traces_sql",
    "remove_briefs",
    "unbriefed_spans",
    "unsure_traces_sql",
    "wide_spans_sql",
]

BRIEFLESS = ("mlflow.traceInputs", "mlflow.traceOutputs")  # previews: not in a brief's metadata
_ROWS = 500  # at a time, which takes some ms
_LONG_ATTRIBUTES, _LONG_TAGS = 300, 1000  # characters; what is longer is not kept twice
_WIDE = 1  # in place of what is not kept twice
_IDS = "(SELECT value FROM json_each(?))"
# Texts as blobs: SQLite's need not be in UTF-8.
_READ_TRACES = """
    SELECT id, CAST(start_ns AS INTEGER), CAST(end_ns AS INTEGER), CAST(state AS BLOB),
        CAST(name AS BLOB), CAST(client_request_id AS BLOB), CAST(experiment_id AS BLOB),
        CAST(tags AS BLOB), CAST(metadata AS BLOB)
    FROM traces WHERE """
_WRITE_TRACE = """
    INSERT OR REPLACE INTO brief_traces (
        id, start_ns, end_ns, state, name, client_request_id, experiment_id, tags, metadata
    ) VALUES (?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)
"""
_KINDS = """
    INSERT OR IGNORE INTO kinds (name, type, status)
    SELECT DISTINCT s.name, s.type, s.status FROM spans s
    WHERE s.end_ns IS NOT NULL AND typeof(s.trace) = 'integer' AND s.trace > 0 AND """
_READ_SPANS = """
    SELECT s.id, s.trace, k.id, CAST(s.attributes AS BLOB), CAST(s.fields AS BLOB)
    FROM spans s CROSS JOIN kinds k
        ON k.name = s.name AND k.type = s.type AND k.status = s.status
    WHERE s.end_ns IS NOT NULL AND typeof(s.trace) = 'integer' AND s.trace > 0 AND """
_HELD = """
    SELECT b.trace, b.kind, s.inputs, s.outputs
    FROM spans s CROSS JOIN brief_spans b ON b.id = s.id
    WHERE (typeof(s.inputs) = 'blob' OR typeof(s.outputs) = 'blob') AND """
_WIDE_TRACES = "SELECT id FROM brief_traces WHERE tags = 1 OR metadata = 1"
_WIDE_SPANS = "SELECT id FROM brief_spans WHERE attributes = 1 OR fields = 1"


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
        _take_traces(connection, f"id IN {_IDS}", ids)
        connection.execute(f"DELETE FROM late_traces WHERE trace IN {_IDS}", ids)
    following = next_ids(connection, "briefed", "traces", _ROWS)
    if following:
        _take_traces(connection, "id > ? AND id <= ?", following)
    return bool(late or following)


def _take_traces(connection: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> None:
    rows = []
    for *row, name, request, experiment, tags, metadata in connection.execute(
        _READ_TRACES + which, values
    ):
        of_tags, of_metadata = _exact(tags), _exact(metadata)
        named = None if of_tags is None else of_tags.get(wire.TRACE_NAME)
        if of_metadata is not None:
            for key in BRIEFLESS:
                of_metadata.pop(key, None)
        rows.append(
            (
                *row,
                named if isinstance(named, str) else name,
                request,
                experiment,
                _brief(tags, of_tags, _LONG_TAGS),
                _brief(metadata, of_metadata, _LONG_TAGS),
            )
        )
    connection.executemany(_WRITE_TRACE, rows)


def _exact(text: bytes | None) -> dict[str, Any] | None:
    """The object that a JSON text is, if it is written as orjson writes it."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
        is_exact = isinstance(value, dict) and orjson.dumps(value) == text
    except (ValueError, TypeError, RecursionError):
        return None
    return value if is_exact else None


def _brief(text: bytes | None, value: dict[str, Any] | None, most: int) -> str | int | None:
    """The brief of a JSON object: all of it or nothing."""
    if text is None:
        return None
    brief = "" if value is None else orjson.dumps(value).decode()
    return _WIDE if value is None or len(brief) > most else brief


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
    following = next_ids(connection, "briefed", "spans", _ROWS)
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
    rows = [
        (*row, *(_brief(text, _exact(text), _LONG_ATTRIBUTES) for text in (attributes, fields)))
        for *row, attributes, fields in connection.execute(_READ_SPANS + which, values)
    ]
    connection.executemany("INSERT OR REPLACE INTO brief_spans VALUES (?, ?, ?, ?, ?)", rows)
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
        if row is None or type(row[0]) is not int or not 0 < row[0] < at:  # the first, or damaged
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
        f"+ (SELECT count(*) FROM late_briefs WHERE span >= {-(1 << 63)})"
    ).fetchone()
    return max(0, int(left))


def next_ids(
    connection: sqlite3.Connection, progress: str, table: str, most: int
) -> tuple[int, int] | None:
    """The next ids of a table to work on: above the first one, up to the second; None: none.

    The table `progress` holds how far each table is done, and is brought up to date.
    """
    row = connection.execute(f"SELECT id FROM {progress} WHERE name = ?", (table,)).fetchone()
    if row is None or type(row[0]) is not int:
        return None  # somebody has removed it: searches compare what they find one by one
    (done,) = row
    (last,) = connection.execute(
        f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?)",
        (done, most),
    ).fetchone()
    if last is None:
        return None
    connection.execute(f"UPDATE {progress} SET id = ? WHERE name = ?", (last, table))
    return done, last


def brief_traces_sql(condition: str) -> str:
    """The traces of the briefs ``t`` that fulfil a condition; see `unsure_traces_sql`."""
    return f"SELECT t.id FROM brief_traces t WHERE {condition}"


def unsure_traces_sql() -> str:
    """The traces whose briefs are out of date, or lack something."""
    return f"SELECT trace FROM late_traces UNION ALL {_WIDE_TRACES}"


def other_traces_sql(connection: sqlite3.Connection, condition: str) -> list[str]:
    """Queries for the traces ``t`` that have no brief that is whole and up to date."""
    return [
        f"SELECT t.id FROM traces t WHERE {which} AND {condition}" for which in _others(connection)
    ]


def _others(connection: sqlite3.Connection) -> list[str]:
    done = "(SELECT id FROM briefed WHERE name = 'traces')"
    (wide, late, new) = connection.execute(
        f"SELECT EXISTS ({_WIDE_TRACES}), EXISTS (SELECT 1 FROM late_traces), "
        f"EXISTS (SELECT 1 FROM traces WHERE id > {done})"
    ).fetchone()
    return [
        *([f"t.id IN ({_WIDE_TRACES})"] if wide else []),
        *(["t.id IN (SELECT trace FROM late_traces)"] if late else []),
        *([f"t.id > {done}"] if new else []),
    ]


def all_traces_sql(connection: sqlite3.Connection, name: str) -> str:
    """A narrow source of all traces for sorting, without ids, sessions and previews.

    Args:
        connection: in a transaction.
        name: SQL for the name of a row ``t`` of ``traces``.
    """
    columns = "t.id, t.state, t.start_ns, t.end_ns, {}, t.client_request_id, t.experiment_id, "
    columns += "t.tags, t.metadata"
    others = _others(connection)
    brief = f"SELECT {columns.format('t.name')} FROM brief_traces t"
    if not others:
        return f"({brief})"
    whole = f"SELECT {columns.format(f'{name} AS name')} FROM traces t WHERE {' OR '.join(others)}"
    return (
        f"({brief} WHERE t.tags IS NOT {_WIDE} AND t.metadata IS NOT {_WIDE} "
        f"AND t.id NOT IN (SELECT trace FROM late_traces) UNION ALL {whole})"
    )


def brief_spans_sql(kinds: str | None, condition: str, absent: bool) -> str:
    """The traces of the briefs of spans ``s`` that fulfil a condition.

    Args:
        kinds: only of these, a list in SQL; None: of all.
        condition: on attributes and fields.
        absent: it may hold because one is not there.
    """
    of_kind = "" if kinds is None else f"s.kind IN {kinds} AND "
    if absent:
        of_kind += f"s.attributes IS NOT {_WIDE} AND s.fields IS NOT {_WIDE} AND "
    return f"SELECT s.trace FROM brief_spans s WHERE {of_kind}{condition}"


def late_parts_sql(condition: str) -> list[str]:
    """Queries for the traces of spans ``s`` that have no brief yet and fulfil a condition."""
    return [
        "SELECT s.trace FROM spans s "
        "WHERE s.id > (SELECT id FROM briefed WHERE name = 'spans') AND s.trace > 0 "
        f"AND {condition}",
        "SELECT s.trace FROM late_briefs l CROSS JOIN spans s ON s.id = l.span "
        f"WHERE s.trace > 0 AND {condition}",
    ]


def wide_spans_sql(condition: str) -> str:
    """A query for the traces of spans ``s`` whose brief lacks attributes, being too long."""
    return (
        f"SELECT s.trace FROM ({_WIDE_SPANS}) w CROSS JOIN spans s ON s.id = w.id "
        f"WHERE s.trace > 0 AND {condition}"
    )
