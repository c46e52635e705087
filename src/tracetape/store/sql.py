"""Conditions to SQL: names of columns are ours, all else is a parameter."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Sequence

from tracetape.formats import names as wire
from tracetape.store import query as q
from tracetape.store.comparisons import (
    AS_IT_IS,
    VALUE_NUMBER,
    VALUE_TEXT,
    Sql,
    Way,
    compare_sql,
    has_sql,
    is_numeric,
    member_sql,
    rlike,
)
from tracetape.store.fulltext import may_match_sql, parts_json, text_in_span_sql, text_sql
from tracetape.store.patterns import add_fold, normal
from tracetape.store.whole import pieces_json, whole_sql

__all__ = [
    "NAME_OF",
    "SESSION_OF",
    "add_functions",
    "assessed_traces_sql",
    "brief_sql",
    "condition_sql",
    "near_sql",
    "order_sql",
    "select_traces",
    "span_sql",
    "text_of",
]


def _member_of(column: str, key: str) -> str:
    quoted = f'"{key}"'
    return (
        f"CASE WHEN {has_sql(column, repr(quoted))} THEN json_extract({column}, '$.{quoted}') END"
    )


_TRACE = {
    "name": f"coalesce({_member_of('t.tags', wire.TRACE_NAME)}, t.name)",
    "status": "t.state",
    "timestamp_ms": "t.start_ns / 1000000",
    "execution_time_ms": "(t.end_ns - t.start_ns) / 1000000",
    "end_time_ms": "t.start_ns / 1000000 + (t.end_ns - t.start_ns) / 1000000",
    "trace_id": "'tr-' || t.trace_id",
    "client_request_id": "t.client_request_id",
    "experiment_id": "t.experiment_id",
    "run_id": f"({_member_of('t.metadata', wire.SOURCE_RUN)})",
}
_BRIEF = {**_TRACE, "name": "t.name"}  # which has the tag's in its place
_ORDER = {
    **_TRACE,
    "timestamp_ms": "t.start_ns",
    "trace_id": "t.trace_id",
}  # columns, which have an index
NAME_OF = _TRACE["name"]
SESSION_OF = "t.session"
_OBJECTS = {"tag": "t.tags", "metadata": "t.metadata"}
_SPAN = {"name": "s.name", "type": "s.type", "status": "s.status"}
_SPAN_VALUES = {wire.SPAN_INPUTS: "s.inputs", wire.SPAN_OUTPUTS: "s.outputs"}
# In nanoseconds, of a bound in milliseconds: whether the whole of its millisecond is meant.
_BOUNDS = {">": (">=", True), ">=": (">=", False), "<": ("<", False), "<=": ("<", True)}
_MAX = (1 << 63) - 1
_MOST = 1 << 62  # traces that are asked for, or passed over: SQLite counts to 2**63
_BY_ID = ("=", "!=", "IN", "NOT IN")
_FLAT = 100  # conditions in a row


def select_traces(query: q.TraceQuery, select: str, one_by_one: bool = False) -> Sql:
    """The SQL that carries out `query`; `select` is all up to ``FROM traces t``.

    Args:
        query: what is searched for.
        select: the beginning of the statement.
        one_by_one: look at one trace after the other, the newest first: texts are not looked up
            in the index, which is slow where nearly all traces have them.
    """
    way: Way = "near" if one_by_one else "all"
    where, values = ("1", []) if query.condition is None else _sql(query.condition, way)
    order, keys = order_sql(query.order)
    limit = -1 if query.limit is None else min(query.limit, _MOST)
    offset = min(query.offset, _MOST)
    if one_by_one:
        where, values = f"t.start_ns >= ? AND {where}", [-_MAX - 1, *values]  # by this index
    elif query.order or _by_index(query.condition):
        # Ids alone are sorted, not whole rows. Where an index finds the traces, SQLite would go
        # through all by time but for the plus.
        by_index = _by_index(query.condition)
        first = order.replace("t.start_ns", "+t.start_ns") if by_index else order
        where = f"t.id IN (SELECT t.id FROM traces t WHERE {where} ORDER BY {first} LIMIT ?)"
        values += [*keys, limit if limit < 0 else limit + offset]
    return (
        f"{select} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
        [*values, *keys, limit, offset],
    )


def order_sql(order: tuple[q.Order, ...], way: Way = "all") -> Sql:
    """The terms after ORDER BY: the newest first where nothing else decides."""
    columns = {**_ORDER, "name": _BRIEF["name"]} if way == "brief" else _ORDER
    clauses, keys = [], []
    for one in order:
        direction = "ASC" if one.ascending else "DESC"
        if (one.subject, one.key) == ("tag", wire.TRACE_NAME):
            clauses.append(f"{columns['name']} {direction}")
        elif one.subject == "trace":
            clauses.append(f"{columns[one.key]} {direction}")
        else:
            column = _OBJECTS[one.subject]
            member = f"(SELECT j.value FROM json_each({column}) j WHERE j.key = ?)"
            if AS_IT_IS.fullmatch(one.key):
                member = f"CASE WHEN {has_sql(column, '?')} THEN {member} END"
                keys.append(f'"{one.key}"')
            clauses.append(f"{member} {direction} NULLS LAST")
            keys.append(one.key)
    return ", ".join([*clauses, "t.start_ns DESC", "t.id DESC"]), keys


def condition_sql(condition: q.Condition) -> Sql:
    """The text after WHERE in a query of ``traces t``, and its parameters."""
    return _sql(condition)


def near_sql(condition: q.Condition) -> Sql:
    """As `condition_sql`, for traces that are looked at one by one."""
    return _sql(condition, way="near")


def brief_sql(condition: q.Condition) -> Sql:
    """As `condition_sql`, for a query of ``brief_traces t``."""
    return _sql(condition, way="brief")


def span_sql(parts: Sequence[q.Comparison], word: str = "AND", way: Way = "all") -> Sql:
    """The text after WHERE in a query of ``spans s``: `parts`, none of them on contents."""
    return _joined(f" {word} ", [_of_one_span(part, way) for part in parts] or [("1", [])])


def text_of(one: q.Comparison) -> tuple[str, str]:
    """A comparison with a text, as the first arguments of `text_sql`."""
    return normal(str(one.value), one.operator), one.operator


def assessed_traces_sql(one: q.Comparison) -> Sql:
    """A query for the traces that are assessed so; what ``IS NULL`` says is not such a query."""
    assert one.operator != "IS NULL"
    inside, values = _assessments(one)
    return f"SELECT a.trace FROM assessments a WHERE a.trace > 0 AND {inside}", values


def _by_index(condition: q.Condition | None) -> bool:
    """Whether an index other than that of time gives the traces: that of texts, or of sessions."""
    if isinstance(condition, q.And):
        return any(map(_by_index, condition.parts))
    if not isinstance(condition, q.Comparison):
        return False
    is_text = (condition.subject, condition.key) == ("trace", "text")
    return is_text or (_of_session(condition) and condition.operator in ("=", "IN"))


def _of_session(one: q.Comparison) -> bool:
    return (one.subject, one.key) == ("metadata", wire.SESSION)


def add_functions(connection: sqlite3.Connection) -> None:
    """Functions that SQLite lacks: regular expressions, and ILIKE beyond ASCII."""
    connection.create_function("tracetape_rlike", 2, rlike, deterministic=True)
    connection.create_function("tracetape_parts", 2, parts_json, deterministic=True)
    connection.create_function("tracetape_pieces", 1, pieces_json, deterministic=True)
    add_fold(connection)


def _sql(condition: q.Condition, way: Way = "all") -> Sql:
    if isinstance(condition, q.Comparison):
        return _comparison(condition, way)
    if isinstance(condition, q.Not):
        if isinstance(condition.part, q.Not):  # SQLite's parser is soon too deep
            text, values = _sql(condition.part.part, way)
            return f"coalesce({text}, 0)", values
        text, values = _sql(condition.part, way)
        return f"NOT coalesce({text}, 0)", values
    if isinstance(condition, q.Or):
        of_span = [_of_one_span(part, way) for part in condition.parts if _of_span(part)]
        parts = [_sql(part, way) for part in condition.parts if not _of_span(part)]
        if of_span:
            parts.append(_some_span(_joined(" OR ", of_span), way))
        return _joined(" OR ", parts)
    spans = [part for part in condition.parts if _of_span(part)]
    others = [_sql(part, way) for part in condition.parts if not _of_span(part)]
    if spans:
        of_span = [_of_one_span(part, way) for part in spans]
        others.append(_some_span(_joined(" AND ", of_span), way))
    return _joined(" AND ", others)


def _joined(word: str, parts: list[Sql]) -> Sql:
    return f"({_halved(word, [text for text, _ in parts])})", [v for _, some in parts for v in some]


def _halved(word: str, texts: list[str]) -> str:
    """`texts` joined by `word`, as a tree that stays flat: SQLite's has 1,000 levels at most."""
    if len(texts) <= _FLAT:
        return word.join(texts)
    middle = len(texts) // 2
    return f"({_halved(word, texts[:middle])}){word}({_halved(word, texts[middle:])})"


def _of_span(condition: q.Condition) -> bool:
    """Whether it says something of one span, and not that there is none like it."""
    return isinstance(condition, q.Comparison) and condition.subject in ("span", "attribute")


def _comparison(one: q.Comparison, way: Way) -> Sql:
    if _of_span(one):
        return _some_span(_of_one_span(one, way), way)
    if one.subject == "trace" and one.key == "text":
        if way == "near":
            return _some_span(_spans_with(one, text_in_span_sql), way)
        spans, values = _spans_with(one)
        return f"t.id IN (SELECT trace FROM spans WHERE id IN ({spans}))", values
    if one.subject == "trace" and one.key == "timestamp_ms" and one.operator in _BOUNDS:
        return _started(one)
    if (one.subject, one.key) == ("trace", "trace_id") and one.operator in _BY_ID:
        return compare_sql("t.trace_id", q.Comparison("trace", "trace_id", one.operator, _ids(one)))
    if (one.subject, one.key) in (("trace", "name"), ("tag", wire.TRACE_NAME)):
        return _named(one, way)
    if one.subject == "trace":
        return compare_sql(_TRACE[one.key], one)
    if one.subject in ("tag", "metadata"):
        if _of_session(one):  # always a text
            return compare_sql(SESSION_OF, one)
        return member_sql(_OBJECTS[one.subject], one, way)
    return _assessed(one)


def _ids(one: q.Comparison) -> q.Value:
    """The ids without the prefix of each, as the column with the index has them."""
    if isinstance(one.value, tuple):
        return tuple(_id(value) for value in one.value)
    return _id(one.value)


def _id(value: object) -> str:
    text = str(value)
    return text.removeprefix("tr-") if text.startswith("tr-") else ""  # which no trace has


def _named(one: q.Comparison, way: Way) -> Sql:
    if way != "brief":
        return compare_sql(_TRACE["name"], one)
    name = _BRIEF["name"]
    if one.operator not in ("RLIKE", "ILIKE"):
        return compare_sql(name, one)
    text, values = compare_sql("n.name", one)  # functions of tracetape are slow: of each name once
    names = "WITH n (name) AS MATERIALIZED (SELECT DISTINCT name FROM brief_traces)"
    return f"{name} IN ({names} SELECT n.name FROM n WHERE {text})", values


def _assessed(one: q.Comparison) -> Sql:
    """On a feedback or an expectation by its name; on an issue by its id."""
    inside, values = _assessments(one)
    none = "NOT " if one.subject != "issue" and one.operator == "IS NULL" else ""
    return f"{none}EXISTS (SELECT 1 FROM assessments a WHERE a.trace = t.id AND {inside})", values


def _assessments(one: q.Comparison) -> Sql:
    inside = "a.kind = ? AND a.valid"
    if one.subject == "issue":
        text, values = compare_sql("a.name", one)
        return f"{inside} AND {text}", [one.subject, *values]
    if one.operator in ("IS NULL", "IS NOT NULL"):
        return f"{inside} AND a.name = ?", [one.subject, one.key]
    text, values = compare_sql(VALUE_NUMBER if is_numeric(one) else VALUE_TEXT, one)
    return f"{inside} AND a.name = ? AND {text}", [one.subject, one.key, *values]


def _started(one: q.Comparison) -> Sql:
    """A bound of the start, on the column itself, so that its index is used."""
    assert isinstance(one.value, (int, float))
    sign, whole = _BOUNDS[one.operator]
    value = max(-_MAX, min(_MAX, one.value))  # 1e400 is infinite
    milliseconds = math.floor(value) + 1 if whole else math.ceil(value)
    return f"t.start_ns {sign} ?", [max(-_MAX, min(_MAX, milliseconds * 1_000_000))]


def _some_span(inner: Sql, way: Way) -> Sql:
    text, values = inner
    if way != "near":  # to go through all spans in a row takes less than to look up each trace's
        return f"t.id IN (SELECT s.trace FROM spans s WHERE {text})", values
    return f"EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id AND {text})", values


def _of_one_span(part: q.Condition, way: Way) -> Sql:
    assert isinstance(part, q.Comparison)
    if part.subject == "span":
        if part.key == "content":
            if way == "near":
                return _spans_with(part, text_in_span_sql)
            spans, values = _spans_with(part)
            return f"s.id IN ({spans})", values
        return compare_sql(_SPAN[part.key], part)
    if part.key == wire.SPAN_TYPE:
        return compare_sql("s.type", part)
    if part.key in _SPAN_VALUES:
        return _of_value(_SPAN_VALUES[part.key], part, way)
    if part.key in wire.FIELD_OF_NAME:
        field = q.Comparison(part.subject, wire.FIELD_OF_NAME[part.key], part.operator, part.value)
        return member_sql("s.fields", field, way)
    return member_sql("s.attributes", part, way)


def _of_value(column: str, one: q.Comparison, way: Way) -> Sql:
    """A comparison with inputs or outputs: they are joined only where the index lets them match."""
    if one.operator in ("IS NULL", "IS NOT NULL"):
        return compare_sql(column, one)
    compared, values = compare_sql(whole_sql(column), one)
    if way == "near" or one.operator in ("RLIKE", "<", "<=", ">", ">="):
        return compared, values
    if one.operator in ("LIKE", "ILIKE"):
        may, of_may = may_match_sql(*text_of(one))
        return f"({may} AND {compared})", [*of_may, *values]
    if one.operator in ("!=", "NOT IN"):
        opposite = "=" if one.operator == "!=" else "IN"
        equal, values = _of_value(column, q.Comparison("", "", opposite, one.value), way)
        return f"({column} IS NOT NULL AND NOT {equal})", values
    listed = one.value if isinstance(one.value, tuple) else (one.value,)
    if len(listed) > _FLAT:
        return compared, values
    allowed = [may_match_sql(str(value), "LIKE") for value in listed]
    return f"({_joined(' OR ', allowed)[0]} AND {compared})", [
        *(value for _, of_may in allowed for value in of_may),
        *values,
    ]


def _spans_with(one: q.Comparison, search: Callable[..., Sql] = text_sql) -> Sql:
    """The ids of the spans in which a text is, or whatever `search` gives."""
    return search(*text_of(one))
