"""Removing traces, with all that only they used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tracetape.live.liveness import PROCESS, is_gone
from tracetape.store.attachments import remove_attachments
from tracetape.store.briefs import remove_briefs
from tracetape.store.dedup import parts_of
from tracetape.store.fulltext import unindex_contents, unindex_spans

__all__ = ["live_bytes", "oldest_traces", "remove_traces"]

_DEAD_NS = 86_400 * 10**9  # a trace that runs for longer belongs to a process that is gone
_DONE = (
    ("indexed", "spans"),
    ("indexed", "contents"),
    ("briefed", "traces"),
    ("briefed", "spans"),
)
_IDS = "(SELECT value FROM json_each(?))"


def live_bytes(connection: sqlite3.Connection) -> int:
    """Size of the file less what is free in it."""
    values = [
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    ]
    return int((values[0] - values[1]) * values[2])


def oldest_traces(
    connection: sqlite3.Connection, limit: int, now_ns: int, before_ns: int | None = None
) -> list[int]:
    """Row ids of the oldest traces that no longer run, of those that began before a time."""
    before = now_ns if before_ns is None else before_ns
    left = orjson.dumps(_left_behind(connection, before)).decode()
    rows = connection.execute(
        "SELECT id FROM traces WHERE start_ns < ? AND (state <> 'IN_PROGRESS' OR start_ns < ? "
        f"OR id IN {_IDS}) ORDER BY start_ns LIMIT ?",
        (before, now_ns - _DEAD_NS, left, limit),
    )
    return [key for (key,) in rows]


def _left_behind(connection: sqlite3.Connection, before_ns: int) -> list[int]:
    """Row ids of traces without an end whose processes are gone."""
    running = connection.execute(
        "SELECT id, metadata FROM traces WHERE state = 'IN_PROGRESS' AND start_ns < ?",
        (before_ns,),
    )
    known: dict[str, bool] = {}
    found = []
    for key, metadata in running:
        process = _process(metadata)
        if process not in known:
            known[process] = is_gone(process)
        if known[process]:
            found.append(key)
    return found


def _process(metadata: Any) -> str:
    try:
        return str(orjson.loads(metadata).get(PROCESS, ""))
    except (AttributeError, TypeError, ValueError):  # tracetape cannot have written it
        return ""


def remove_traces(connection: sqlite3.Connection, keys: Sequence[int]) -> None:
    """Remove the traces with these row ids, within a transaction."""
    traces = orjson.dumps(list(keys)).decode()
    # A value that is not a blob refers to nothing, and may not be UTF-8.
    blobs = (f"CASE typeof({name}) WHEN 'blob' THEN {name} END" for name in ("inputs", "outputs"))
    spans = connection.execute(
        f"SELECT id, {', '.join(blobs)} FROM spans WHERE trace IN {_IDS}", (traces,)
    ).fetchall()
    ids = orjson.dumps([key for key, _, _ in spans]).decode()
    used = [
        (part, key)
        for key, *values in spans
        for value in values
        if value is not None
        for part in parts_of(value)
    ]
    unindex_spans(connection, ids)
    remove_briefs(connection, traces, ids)
    connection.executemany("DELETE FROM uses WHERE part = ? AND span = ?", used)
    connection.execute(f"DELETE FROM late_spans WHERE span IN {_IDS}", (ids,))
    connection.execute(f"DELETE FROM assessments WHERE trace IN {_IDS}", (traces,))
    remove_attachments(connection, traces)
    connection.execute(f"DELETE FROM spans WHERE trace IN {_IDS}", (traces,))
    connection.execute(f"DELETE FROM traces WHERE id IN {_IDS}", (traces,))
    _remove_unused(connection, {part for part, _ in used})
    connection.execute(
        "INSERT INTO indexed VALUES ('removed', ?) "
        "ON CONFLICT (name) DO UPDATE SET id = id + excluded.id",
        (len(spans),),
    )
    # Ids that are free again must be indexed when they are given again.
    for done, table in _DONE:
        connection.execute(
            f"UPDATE {done} SET id = min(id, (SELECT coalesce(max(id), 0) FROM {table})) "
            "WHERE name = ?",
            (table,),
        )


def _remove_unused(connection: sqlite3.Connection, parts: Iterable[int]) -> None:
    """Remove what nothing refers to any more, and then what only that referred to."""
    waiting, unused = list(parts), []
    while waiting:
        part = waiting.pop()
        if type(part) is not int:
            continue  # a row that tracetape has not written refers to nothing
        if _any(connection, "uses WHERE part = ?", part):
            continue
        if part > 0:
            if not _any(connection, "lists WHERE content = ?", part):
                unused.append(part)
            continue
        if _any(connection, "lists WHERE before = ?", -part):
            continue
        row = connection.execute(
            "SELECT before, content FROM lists WHERE id = ?", (-part,)
        ).fetchone()
        if row is not None:
            connection.execute("DELETE FROM lists WHERE id = ?", (-part,))
            waiting.append(row[1])
            if row[0] and type(row[0]) is int:
                waiting.append(-row[0])
    ids = orjson.dumps(unused).decode()
    unindex_contents(connection, ids)
    connection.execute(f"DELETE FROM contents WHERE id IN {_IDS}", (ids,))


def _any(connection: sqlite3.Connection, where: str, value: int) -> bool:
    return connection.execute(f"SELECT 1 FROM {where} LIMIT 1", (value,)).fetchone() is not None
