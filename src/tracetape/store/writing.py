"""Updates to table rows, a batch at a time: what a batch brings for the first time costs least."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from tracetape.formats.names import SESSION
from tracetape.store.attachments import write_attachments
from tracetape.store.briefs import mark_changed
from tracetape.store.codec import SPANS, TRACES
from tracetape.store.dedup import ContentWriter, parts_of
from tracetape.store.protocol import COST_KINDS, TOKEN_KINDS, TraceUpdate
from tracetape.store.rows import NewTrace, span_rows, update_rows

__all__ = ["insert_traces", "write_trace", "write_updates"]

_Row = tuple[Any, ...]

_ADDED = ("span_count", "error_count")
_MERGED = ("tags", "metadata")  # JSON merge patches (RFC 7396): null removes a key
_OBJECT = "CASE WHEN json_valid({0}) THEN {0} ELSE '{{}}' END"  # a damaged one is begun again
_OF_ROOT = ("end_ns", "name", "request_preview", "response_preview")
_SUMS = ", ".join(
    [f"{c} = traces.{c} + excluded.{c}" for c in _ADDED]
    + [
        f"{c} = CASE WHEN excluded.{c} IS NULL THEN traces.{c} "
        f"ELSE coalesce(traces.{c}, 0) + excluded.{c} END"
        for c in (*TOKEN_KINDS, *COST_KINDS)
    ]
)
# By name: sqlite3 of Python 3.14 refuses numbered parameters of a sequence, 3.12 warns of them.
_MARKS = {column: f":{column}" for column in TRACES.names}
_TAGS, _METADATA = _MARKS["tags"], _MARKS["metadata"]
_SESSION = f"json_extract({{0}}, '$.\"{SESSION}\"')"
_INSERT = f"""
    INSERT INTO traces ({TRACES.select}, session)
    VALUES (
        {", ".join(f"json_patch('{{}}', {m})" if c in _MERGED else m for c, m in _MARKS.items())},
        {_SESSION.format(_METADATA)}
    )
"""
_UPSERT = f"""{_INSERT}
    ON CONFLICT (trace_id) DO UPDATE SET
        start_ns = min(traces.start_ns, excluded.start_ns),
        client_request_id = coalesce(excluded.client_request_id, traces.client_request_id),
        experiment_id = coalesce(excluded.experiment_id, traces.experiment_id),
        tags = json_patch({_OBJECT.format("traces.tags")}, {_TAGS}),
        metadata = json_patch({_OBJECT.format("traces.metadata")}, {_METADATA}),
        session = CASE WHEN json_type({_METADATA}, '$."{SESSION}"') IS NULL THEN traces.session
            ELSE {_SESSION.format(_METADATA)} END,
        {_SUMS},
"""
# Several processes may know parts of one trace; only the one with the root knows its end.
_WRITE_TRACE = f"""{_UPSERT}
        state = CASE excluded.state WHEN 'IN_PROGRESS' THEN traces.state ELSE excluded.state END,
        {", ".join(f"{c} = coalesce(excluded.{c}, traces.{c})" for c in _OF_ROOT)}
    RETURNING id
"""
_WRITE_PART = f"""{_UPSERT}
        {", ".join(f"{c} = coalesce(traces.{c}, excluded.{c})" for c in _OF_ROOT)}
    RETURNING id
"""
_INSERT_NEW = f"""
    INSERT INTO traces (id, {TRACES.select}, session)
    VALUES (?, {", ".join("?" * len(TRACES.names))}, ?)
"""
_INSERT_SPAN = f"""
    INSERT INTO spans (id, trace, {SPANS.select})
    VALUES (?, ?, {", ".join("?" * len(SPANS.names))})
"""
_WRITE_SPAN = f"""{_INSERT_SPAN}
    ON CONFLICT (trace, span_id) DO UPDATE SET
        {", ".join(f"{c} = excluded.{c}" for c in SPANS.names)}
        WHERE spans.end_ns IS NULL
"""
# The index of texts and the briefs have what an ended span had first: it stays so.
_ENDED = """
    SELECT s.trace, s.span_id FROM json_each(?) j
    CROSS JOIN spans s ON s.trace = json_extract(j.value, '$[0]')
        AND s.span_id = json_extract(j.value, '$[1]')
    WHERE s.end_ns IS NOT NULL
"""
_WRITE_USE = "INSERT OR IGNORE INTO uses (part, span) VALUES (?, ?)"
_ID, _END = (1 + SPANS.position(name) for name in ("span_id", "end_ns"))  # after the trace's
_SHARED = [1 + at for at in SPANS.shared_positions()]


def write_updates(
    connection: sqlite3.Connection, updates: Sequence[TraceUpdate], contents: ContentWriter
) -> None:
    """Keep all of `updates`, within a transaction."""
    if not updates:
        return
    keys, new = _write_traces(connection, updates)
    traces = [key for key, update in zip(keys, updates, strict=True) for _ in update.spans]
    rows = span_rows(traces, [span for update in updates for span in update.spans])
    for key, update in zip(keys, updates, strict=True):
        if update.attachments:
            write_attachments(connection, key, update.attachments.values())
    if len({(row[0], row[_ID]) for row in rows}) == len(rows) and new.issuperset(traces):
        _insert_spans(connection, _shared(connection, rows, contents))
        return
    rows = _shared(connection, _not_ended_before(connection, rows, new), contents)
    # Of a new trace no span can be there, unless it comes twice in this batch.
    times = Counter((row[0], row[_ID]) for row in rows if row[0] in new)
    is_first = [times[row[0], row[_ID]] == 1 for row in rows]
    _insert_spans(connection, [row for row, first in zip(rows, is_first, strict=True) if first])
    _merge_spans(connection, [row for row, first in zip(rows, is_first, strict=True) if not first])


def insert_traces(
    connection: sqlite3.Connection, traces: Sequence[NewTrace], contents: ContentWriter
) -> None:
    """Add traces that are not there, none twice, within a transaction."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM traces").fetchone()
    numbered = list(enumerate(traces, last + 1))
    connection.executemany(_INSERT_NEW, [(key, *one.row, one.session) for key, one in numbered])
    for key, one in numbered:
        if one.attachments:
            write_attachments(connection, key, one.attachments.values())
    rows = [(key, *row) for key, one in numbered for row in one.spans]
    _insert_spans(connection, _shared(connection, rows, contents))


def _write_traces(
    connection: sqlite3.Connection, updates: Sequence[TraceUpdate]
) -> tuple[list[int], set[int]]:
    """The ids of their rows, and which of these are new."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM traces").fetchone()
    keys = _upsert(connection, updates)
    new = {key for key in keys if key > last}
    if len(new) < len(set(keys)):
        mark_changed(connection, set(keys) - new)
    return keys, new


def write_trace(connection: sqlite3.Connection, update: TraceUpdate) -> int:
    """Bring the row of one trace up to date, within a transaction; its id."""
    return _upsert(connection, [update])[0]


def _upsert(connection: sqlite3.Connection, updates: Sequence[TraceUpdate]) -> list[int]:
    """Bring the rows of traces up to date; their ids."""
    keys = []
    for update, row in zip(updates, update_rows(updates), strict=True):
        write = _WRITE_PART if update.is_part else _WRITE_TRACE
        ((key,),) = connection.execute(write, row).fetchall()
        keys.append(int(key))
    return keys


def _not_ended_before(
    connection: sqlite3.Connection, rows: list[_Row], new: set[int]
) -> list[_Row]:
    """The rows, without those of spans whose end is known: what comes later is the same, or late.

    Args:
        connection: in a transaction.
        rows: of spans.
        new: the traces of which no span can be there.
    """
    again = [(row[0], row[_ID]) for row in rows if row[_END] is not None and row[0] not in new]
    listed = orjson.dumps(again).decode()
    ended = set(connection.execute(_ENDED, (listed,)).fetchall() if again else ())
    left = []
    for row in rows:
        if row[_END] is not None:
            if (row[0], row[_ID]) in ended:
                continue
            ended.add((row[0], row[_ID]))
        left.append(row)
    return left


def _shared(
    connection: sqlite3.Connection, rows: list[_Row], contents: ContentWriter
) -> list[_Row]:
    """The rows, changed in their list: what is large is kept apart.

    An open span is written again when it ends: only then are its contents shared.
    """
    places = [
        (number, at)
        for number, row in enumerate(rows)
        if row[_END] is not None
        for at in _SHARED
        if row[at] is not None
    ]
    stored = contents.store(connection, [rows[number][at] for number, at in places])
    changed: dict[int, list[Any]] = {}
    for (number, at), value in zip(places, stored, strict=True):
        if value is not rows[number][at]:
            cells = changed.get(number) or changed.setdefault(number, list(rows[number]))
            cells[at] = value
    for number, cells in changed.items():
        rows[number] = tuple(cells)
    return rows


def _parts(row: _Row) -> list[int]:
    return [
        part for at in _SHARED if isinstance(stored := row[at], bytes) for part in parts_of(stored)
    ]


def _insert_spans(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    """Add spans that are not there."""
    if not rows:
        return
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM spans").fetchone()
    numbered = list(enumerate(rows, last + 1))
    connection.executemany(_INSERT_SPAN, [(key, *row) for key, row in numbered])
    blobs = [
        (key, stored)
        for key, row in numbered
        for at in _SHARED
        if isinstance(stored := row[at], bytes)
    ]
    uses = [(part, key) for key, stored in blobs for part in parts_of(stored)]
    connection.executemany(_WRITE_USE, uses)


def _merge_spans(connection: sqlite3.Connection, rows: list[_Row]) -> None:
    """Add spans, or bring them up to date if they are there."""
    plain = []
    for row in rows:
        parts = _parts(row)
        if not parts:
            plain.append((None, *row))
            continue
        ((key,),) = connection.execute(f"{_WRITE_SPAN} RETURNING id", (None, *row)).fetchall()
        connection.executemany(_WRITE_USE, [(part, key) for part in parts])
    connection.executemany(_WRITE_SPAN, plain)
