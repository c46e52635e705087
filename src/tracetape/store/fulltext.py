"""The full-text index: brought up to date when there is time, and right at any time.

Trigrams, so that any part of a word is found, in every script. The index gives candidates only,
which are then compared; what is not in it yet is compared anyway.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from tracetape.store.briefs import late_parts_sql, next_ids
from tracetape.store.dedup import parts_of
from tracetape.store.patterns import like_sql
from tracetape.store.trigrams import index_query
from tracetape.store.whole import certain_texts, is_in_one_part, span_text_sql

__all__ = [
    "index_some",
    "is_worn",
    "may_match_sql",
    "merge_some",
    "parts_json",
    "text_in_span_sql",
    "text_in_traces_sql",
    "text_sql",
    "unindex_contents",
    "unindex_spans",
    "unindexed_texts",
]

_Sql = tuple[str, list[Any]]

_ROWS = 100  # indexed at a time, so that other writers wait for 50 ms at most
_MERGED = 500  # pages of the index at a time
_WORN = 0.1  # of the spans; to write all of the index again for fewer is not worth it

# What of a span is searched; text that is in `contents` is searched there.
_PARTS = ("inputs", "outputs", "attributes", "events", "status_description")
_TEXT = " || char(10) || ".join(f"coalesce(CAST({{0}}.{part} AS TEXT), '')" for part in _PARTS)
_EMPTY = " AND ".join(
    f"{{0}}.{part} IS NULL" if part != "status_description" else f"{{0}}.{part} = ''"
    for part in _PARTS
)
_SPAN_TEXT, _SPAN_EMPTY = _TEXT.format("s"), _EMPTY.format("s")


def index_some(connection: sqlite3.Connection) -> bool:
    """Take the next texts into the index, within a transaction; whether there may be more."""
    late = connection.execute(
        "SELECT id FROM late_spans l CROSS JOIN spans s ON s.id = l.span "
        "WHERE s.end_ns IS NOT NULL LIMIT ?",
        (_ROWS,),
    ).fetchall()
    if late:
        connection.executemany(_INSERT_SPANS + "s.id = ?", late)
        connection.executemany("DELETE FROM late_spans WHERE span = ?", late)
    spans = next_ids(connection, "indexed", "spans", _ROWS)
    if spans:
        connection.execute(
            "INSERT INTO late_spans SELECT id FROM spans s "
            "WHERE s.id > ? AND s.id <= ? AND s.end_ns IS NULL",
            spans,
        )
        connection.execute(_INSERT_SPANS + "s.id > ? AND s.id <= ? AND s.end_ns IS NOT NULL", spans)
    contents = next_ids(connection, "indexed", "contents", _ROWS)
    if contents:
        connection.execute(
            "INSERT INTO contents_text (rowid, text) "
            "SELECT id, data FROM contents WHERE id > ? AND id <= ?",
            contents,
        )
    return bool(late or spans or contents)


_INSERT_SPANS = (
    f"INSERT INTO spans_text (rowid, text) SELECT s.id, {_SPAN_TEXT} FROM spans s "
    f"WHERE NOT ({_SPAN_EMPTY}) AND "
)


def unindex_spans(connection: sqlite3.Connection, ids: str) -> None:
    """Take the texts of spans that are to be removed out of the index; `ids` is a JSON list."""
    connection.execute(
        f"INSERT INTO spans_text (spans_text, rowid, text) SELECT 'delete', s.id, {_SPAN_TEXT} "
        f"FROM spans s WHERE NOT ({_SPAN_EMPTY}) AND s.id IN (SELECT value FROM json_each(?)) "
        "AND s.id <= (SELECT id FROM indexed WHERE name = 'spans') "
        "AND s.id NOT IN (SELECT span FROM late_spans)",
        (ids,),
    )


def unindex_contents(connection: sqlite3.Connection, ids: str) -> None:
    """Take contents that are to be removed out of the index; `ids` is a JSON list."""
    connection.execute(
        "INSERT INTO contents_text (contents_text, rowid, text) SELECT 'delete', id, data "
        "FROM contents WHERE id IN (SELECT value FROM json_each(?)) "
        "AND id <= (SELECT id FROM indexed WHERE name = 'contents')",
        (ids,),
    )


def unindexed_texts(connection: sqlite3.Connection) -> int:
    """About how many texts are not in the index yet: a search compares each of them."""
    (late,) = connection.execute(
        f"SELECT count(*) FROM late_spans WHERE span >= {-(1 << 63)}"
    ).fetchone()
    for table in ("spans", "contents"):
        (left,) = connection.execute(
            f"SELECT coalesce((SELECT max(id) FROM {table}), 0) "
            "- coalesce((SELECT id FROM indexed WHERE name = ?), 0)",
            (table,),
        ).fetchone()
        late += max(0, left)
    return int(late)


def is_worn(connection: sqlite3.Connection) -> bool:
    """Whether much of the index is of spans that were removed since it was last merged."""
    (removed,) = connection.execute(
        "SELECT coalesce((SELECT id FROM indexed WHERE name = 'removed'), 0)"
    ).fetchone()
    (left,) = connection.execute(f"SELECT count(*) FROM spans WHERE id >= {-(1 << 63)}").fetchone()
    return int(removed) > _WORN * (int(left) + int(removed))


def merge_some(connection: sqlite3.Connection, begin: bool) -> bool:
    """Do some of the work by which the index forgets what was taken out; whether there is more."""
    more = False
    if begin:
        connection.execute("DELETE FROM indexed WHERE name = 'removed'")
    for table in ("spans_text", "contents_text"):
        changes = connection.total_changes
        connection.execute(
            f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)",
            (-_MERGED if begin else _MERGED,),
        )
        more |= connection.total_changes - changes > 1
    return more


def _escaped(pattern: str) -> list[str]:
    """How a text may be in JSON: as it is, within a string, within JSON in a string."""
    once = orjson.dumps(pattern).decode()[1:-1]
    twice = orjson.dumps(once).decode()[1:-1]
    return list(dict.fromkeys((pattern, once, twice)))


def text_in_span_sql(pattern: str, operator: str) -> _Sql:
    """Whether a text is in the span ``s``, without the index; arguments as of `text_sql`."""
    if not is_in_one_part(pattern):
        return _in_whole(pattern, operator)
    in_span, of_span = _compared(f"({_SPAN_TEXT})", pattern, operator)
    in_content, of_content = _compared("c.data", pattern, operator)
    return (
        f"""
        ({in_span} OR (typeof(s.inputs) = 'blob' OR typeof(s.outputs) = 'blob') AND EXISTS (
            WITH RECURSIVE parts (id) AS (
                SELECT value FROM json_each(tracetape_parts(
                    CASE typeof(s.inputs) WHEN 'blob' THEN s.inputs END,
                    CASE typeof(s.outputs) WHEN 'blob' THEN s.outputs END
                ))
            ),
            chains (id) AS (
                SELECT -id FROM parts WHERE id < 0
                UNION SELECT l.before FROM chains JOIN lists l ON l.id = chains.id WHERE l.before
            )
            SELECT 1 FROM contents c WHERE c.id IN (
                SELECT id FROM parts
                UNION ALL SELECT l.content FROM chains JOIN lists l ON l.id = chains.id
            ) AND {in_content}
        ))
        """,
        [*of_span, *of_content],
    )


def parts_json(*stored: object) -> str:
    """The references of stored values, as a JSON list of the numbers in ``uses``."""
    return orjson.dumps(
        [p for one in stored if isinstance(one, bytes) for p in parts_of(one)]
    ).decode()


def _compared(text: str, pattern: str, operator: str) -> _Sql:
    compared = [like_sql(text, operator, variant) for variant in _escaped(pattern)]
    return (
        f"({' OR '.join(sql for sql, _ in compared)})",
        [value for _, values in compared for value in values],
    )


def text_sql(pattern: str, operator: str) -> _Sql:
    """A query for the ids of the spans in which a text is.

    Args:
        pattern: of SQL's LIKE, as `normal` has it.
        operator: LIKE or ILIKE.
    """
    if not is_in_one_part(pattern):
        return _spans_by_whole("s.id", pattern, operator)
    return _spans_by_parts(pattern, operator)


def _spans_by_parts(pattern: str, operator: str) -> _Sql:
    """A query for the ids of the spans with a part, or a text of their own, that matches."""
    places, (contents, of_contents) = _places(pattern, operator)
    spans = " UNION ALL ".join(f"SELECT s.id FROM {place}" for place, _ in places)
    return (
        f"""
        {spans} UNION ALL
        SELECT span FROM (
            WITH RECURSIVE found (id) AS ({contents}),
            chains (id) AS (
                SELECT id FROM lists WHERE content IN (SELECT id FROM found)
                UNION SELECT n.id FROM chains JOIN lists n ON n.before = chains.id
            )
            SELECT span FROM uses
            WHERE part IN (SELECT id FROM found UNION ALL SELECT -id FROM chains)
        )
        """,
        [*(value for _, values in places for value in values), *of_contents],
    )


def text_in_traces_sql(
    pattern: str,
    operator: str,
    kinds: str | None = None,
    condition: tuple[str, list[Any]] = ("1", []),
) -> tuple[str, list[Any]]:
    """A query for the traces in which a text is; some come more than once.

    Args:
        pattern: as of `text_sql`, as is the next one.
        operator: LIKE or ILIKE.
        kinds: of spans that are looked at, a list in SQL; None: all.
        condition: the same of a span ``s``.
    """
    if not is_in_one_part(pattern):
        text, found = _spans_by_whole("s.trace", pattern, operator)
        return f"{text} AND s.trace > 0 AND {condition[0]}", [*found, *condition[1]]
    places, (contents, of_contents) = _places(pattern, operator)
    in_span, of_span = text_in_span_sql(pattern, operator)
    where, values = condition
    of_kind = "" if kinds is None else f"AND kind IN {kinds}"
    parts = [f"SELECT s.trace FROM {place} AND s.trace > 0 AND {where}" for place, _ in places]
    parameters = [value for _, of_place in places for value in (*of_place, *values)]
    late = late_parts_sql(f"{where} AND {in_span}")
    return (
        f"""
        {" UNION ALL ".join([*parts, *late])} UNION ALL
        SELECT trace FROM (
            WITH RECURSIVE found (id) AS MATERIALIZED ({contents}),
            chains (id) AS (
                SELECT l.id FROM found CROSS JOIN lists l ON l.content = found.id
                WHERE l.before <> 0
                UNION SELECT n.id FROM chains JOIN lists n ON n.before = chains.id
            )
            SELECT h.trace FROM found CROSS JOIN holders h ON h.part = found.id {of_kind}
            UNION ALL
            SELECT h.trace FROM found
            CROSS JOIN lists l ON l.before = 0 AND l.content = found.id
            CROSS JOIN holders h ON h.part = -l.id {of_kind}
            UNION ALL
            SELECT b.trace FROM chains CROSS JOIN uses u ON u.part = -chains.id
            CROSS JOIN brief_spans b ON b.id = u.span {of_kind}
        )
        """,
        [*parameters, *([*values, *of_span] * len(late)), *of_contents],
    )


def _spans_by_whole(column: str, pattern: str, operator: str) -> _Sql:
    """A query for a column of the spans whose whole text a pattern matches."""
    may, of_may = may_match_sql(pattern, operator)
    in_whole, of_whole = _in_whole(pattern, operator)
    return f"SELECT {column} FROM spans s WHERE {may} AND {in_whole}", [*of_may, *of_whole]


def may_match_sql(pattern: str, operator: str) -> _Sql:
    """Whether the index allows that a pattern matches the whole text of the span ``s``.

    Or one of its values; the arguments are as of `text_sql`.
    """
    conditions: list[str] = []
    values: list[Any] = []
    for text in certain_texts(pattern):
        spans, of_spans = _spans_by_parts(f"%{text}%", operator)
        conditions.append(f"s.id IN ({spans})")
        values += of_spans
    return " AND ".join(conditions) or "1", values


def _in_whole(pattern: str, operator: str) -> _Sql:
    compared, values = _compared("w.text", pattern, operator)
    # Materialized: the text is joined once, not for each of the values.
    return (
        f"EXISTS (WITH w (text) AS MATERIALIZED (SELECT {span_text_sql()}) "
        f"SELECT 1 FROM w WHERE {compared})",
        values,
    )


def _places(pattern: str, operator: str) -> tuple[list[_Sql], _Sql]:
    """Where a text is: what follows FROM for spans ``s``, with its WHERE; and contents."""
    match = index_query(_escaped(pattern), in_any_case=operator == "ILIKE")
    in_span, of_span = _compared(f"({_SPAN_TEXT})", pattern, operator)
    in_content, of_content = _compared("c.data", pattern, operator)
    if match is None:
        every = f"SELECT c.id FROM contents c WHERE {in_content}"
        return [(f"spans s WHERE {in_span}", of_span)], (every, of_content)
    done = "coalesce((SELECT id FROM indexed WHERE name = '{}'), 0)"
    places: list[_Sql] = [
        (
            "spans_text x CROSS JOIN spans s ON s.id = x.rowid "
            f"WHERE x.spans_text MATCH ? AND {in_span}",
            [match, *of_span],
        ),
        (f"spans s WHERE s.id > {done.format('spans')} AND {in_span}", of_span),
        (f"late_spans l CROSS JOIN spans s ON s.id = l.span WHERE {in_span}", of_span),
    ]
    contents = (
        "SELECT c.id FROM contents_text x CROSS JOIN contents c ON c.id = x.rowid "
        f"WHERE x.contents_text MATCH ? AND {in_content} UNION ALL "
        f"SELECT c.id FROM contents c WHERE c.id > {done.format('contents')} AND {in_content}"
    )
    return places, (contents, [match, *of_content, *of_content])
