"""Conditions to SQL: names of columns are ours, all else is a parameter."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import orjson

from tracetape.formats import names as wire
from tracetape.store import query as q
from tracetape.store.fulltext import may_match_sql, parts_json, text_in_span_sql, text_sql
from tracetape.store.patterns import add_fold, like_sql, normal
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

_Sql = tuple[str, list[Any]]
# What is looked at: all rows, those of one trace after the other, or briefs, whose JSON is as
# orjson writes it: no white space, nothing escaped that need not be.
_Way = Literal["all", "near", "brief"]


def _has(column: str, text: str) -> str:
    r"""Whether a JSON text may have a name or a text that is written as it is.

    To look for it is much cheaper than to parse the JSON; only ``\u`` could hide it.
    """
    return f"coalesce(instr({column}, {text}) OR instr({column}, '\\u'), 0)"


def _member_of(column: str, key: str) -> str:
    quoted = f'"{key}"'
    return f"CASE WHEN {_has(column, repr(quoted))} THEN json_extract({column}, '$.{quoted}') END"


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
_JOINED = tuple(map(whole_sql, _SPAN_VALUES.values()))
# In nanoseconds, of a bound in milliseconds: whether the whole of its millisecond is meant.
_BOUNDS = {">": (">=", True), ">=": (">=", False), "<": ("<", False), "<=": ("<", True)}
_MAX = (1 << 63) - 1
_MOST = 1 << 62  # traces that are asked for, or passed over: SQLite counts to 2**63
_LEAST, _MOST_EXACT = 1e-4, 1e15  # numbers that have one spelling, but for a 0 behind the point
_BY_ID = ("=", "!=", "IN", "NOT IN")
_FLAT = 100  # conditions in a row
_MANY = 500  # values of an IN: more go as one parameter
_AS_IT_IS = re.compile(r"[A-Za-z0-9_.: -]{1,200}")  # stands in JSON as it is, or as \\u…
_WORD = re.compile(
    r"(?!(?:inf|true|false)$)[A-Za-z][A-Za-z0-9_.: -]{0,199}", re.IGNORECASE
)  # in quotes
# JSON's values as a user writes them.
_TEXT = (
    "CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({value} AS TEXT) END"
)
_NUMBER = "CASE WHEN {kind} IN ('integer', 'real') THEN {value} END"
_JSON_TEXT, _JSON_NUMBER = (how.format(kind="j.type", value="j.value") for how in (_TEXT, _NUMBER))
_VALUE_TEXT, _VALUE_NUMBER = (
    how.format(kind="json_type(a.value)", value="json_extract(a.value, '$')")
    for how in (_TEXT, _NUMBER)
)


def select_traces(query: q.TraceQuery, select: str, one_by_one: bool = False) -> _Sql:
    """The SQL that carries out `query`; `select` is all up to ``FROM traces t``.

    Args:
        query: what is searched for.
        select: the beginning of the statement.
        one_by_one: look at one trace after the other, the newest first: texts are not looked up
            in the index, which is slow where nearly all traces have them.
    """
    way: _Way = "near" if one_by_one else "all"
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


def order_sql(order: tuple[q.Order, ...], way: _Way = "all") -> _Sql:
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
            if _AS_IT_IS.fullmatch(one.key):
                member = f"CASE WHEN {_has(column, '?')} THEN {member} END"
                keys.append(f'"{one.key}"')
            clauses.append(f"{member} {direction} NULLS LAST")
            keys.append(one.key)
    return ", ".join([*clauses, "t.start_ns DESC", "t.id DESC"]), keys


def condition_sql(condition: q.Condition) -> _Sql:
    """The text after WHERE in a query of ``traces t``, and its parameters."""
    return _sql(condition)


def near_sql(condition: q.Condition) -> _Sql:
    """As `condition_sql`, for traces that are looked at one by one."""
    return _sql(condition, way="near")


def brief_sql(condition: q.Condition) -> _Sql:
    """As `condition_sql`, for a query of ``brief_traces t``."""
    return _sql(condition, way="brief")


def span_sql(parts: Sequence[q.Comparison], word: str = "AND", way: _Way = "all") -> _Sql:
    """The text after WHERE in a query of ``spans s``: `parts`, none of them on contents."""
    return _joined(f" {word} ", [_of_one_span(part, way) for part in parts] or [("1", [])])


def text_of(one: q.Comparison) -> tuple[str, str]:
    """A comparison with a text, as the first arguments of `text_sql`."""
    return normal(str(one.value), one.operator), one.operator


def assessed_traces_sql(one: q.Comparison) -> _Sql:
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
    connection.create_function("tracetape_rlike", 2, _rlike, deterministic=True)
    connection.create_function("tracetape_parts", 2, parts_json, deterministic=True)
    connection.create_function("tracetape_pieces", 1, pieces_json, deterministic=True)
    add_fold(connection)


def _sql(condition: q.Condition, way: _Way = "all") -> _Sql:
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


def _joined(word: str, parts: list[_Sql]) -> _Sql:
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


def _comparison(one: q.Comparison, way: _Way) -> _Sql:
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
        return _compare("t.trace_id", q.Comparison("trace", "trace_id", one.operator, _ids(one)))
    if (one.subject, one.key) in (("trace", "name"), ("tag", wire.TRACE_NAME)):
        return _named(one, way)
    if one.subject == "trace":
        return _compare(_TRACE[one.key], one)
    if one.subject in ("tag", "metadata"):
        if _of_session(one):  # always a text
            return _compare(SESSION_OF, one)
        return _member(_OBJECTS[one.subject], one, way)
    return _assessed(one)


def _ids(one: q.Comparison) -> q.Value:
    """The ids without what stands before each, as the column with the index has them."""
    if isinstance(one.value, tuple):
        return tuple(_id(value) for value in one.value)
    return _id(one.value)


def _id(value: object) -> str:
    text = str(value)
    return text.removeprefix("tr-") if text.startswith("tr-") else ""  # which no trace has


def _named(one: q.Comparison, way: _Way) -> _Sql:
    if way != "brief":
        return _compare(_TRACE["name"], one)
    name = _BRIEF["name"]
    if one.operator not in ("RLIKE", "ILIKE"):
        return _compare(name, one)
    text, values = _compare("n.name", one)  # functions of tracetape are slow: of each name once
    names = "WITH n (name) AS MATERIALIZED (SELECT DISTINCT name FROM brief_traces)"
    return f"{name} IN ({names} SELECT n.name FROM n WHERE {text})", values


def _assessed(one: q.Comparison) -> _Sql:
    """On a feedback or an expectation by its name; on an issue by its id."""
    inside, values = _assessments(one)
    none = "NOT " if one.subject != "issue" and one.operator == "IS NULL" else ""
    return f"{none}EXISTS (SELECT 1 FROM assessments a WHERE a.trace = t.id AND {inside})", values


def _assessments(one: q.Comparison) -> _Sql:
    inside = "a.kind = ? AND a.valid"
    if one.subject == "issue":
        text, values = _compare("a.name", one)
        return f"{inside} AND {text}", [one.subject, *values]
    if one.operator in ("IS NULL", "IS NOT NULL"):
        return f"{inside} AND a.name = ?", [one.subject, one.key]
    text, values = _compare(_VALUE_NUMBER if _numeric(one) else _VALUE_TEXT, one)
    return f"{inside} AND a.name = ? AND {text}", [one.subject, one.key, *values]


def _started(one: q.Comparison) -> _Sql:
    """A bound of the start, on the column itself, so that its index is used."""
    assert isinstance(one.value, (int, float))
    sign, whole = _BOUNDS[one.operator]
    value = max(-_MAX, min(_MAX, one.value))  # 1e400 is infinite
    milliseconds = math.floor(value) + 1 if whole else math.ceil(value)
    return f"t.start_ns {sign} ?", [max(-_MAX, min(_MAX, milliseconds * 1_000_000))]


def _some_span(inner: _Sql, way: _Way) -> _Sql:
    text, values = inner
    if way != "near":  # to go through all spans in a row takes less than to look up each trace's
        return f"t.id IN (SELECT s.trace FROM spans s WHERE {text})", values
    return f"EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id AND {text})", values


def _of_one_span(part: q.Condition, way: _Way) -> _Sql:
    assert isinstance(part, q.Comparison)
    if part.subject == "span":
        if part.key == "content":
            if way == "near":
                return _spans_with(part, text_in_span_sql)
            spans, values = _spans_with(part)
            return f"s.id IN ({spans})", values
        return _compare(_SPAN[part.key], part)
    if part.key == wire.SPAN_TYPE:
        return _compare("s.type", part)
    if part.key in _SPAN_VALUES:
        return _of_value(_SPAN_VALUES[part.key], part, way)
    if part.key in wire.FIELD_OF_NAME:
        field = q.Comparison(part.subject, wire.FIELD_OF_NAME[part.key], part.operator, part.value)
        return _member("s.fields", field, way)
    return _member("s.attributes", part, way)


def _of_value(column: str, one: q.Comparison, way: _Way) -> _Sql:
    """A comparison with inputs or outputs: they are joined only where the index lets them match."""
    if one.operator in ("IS NULL", "IS NOT NULL"):
        return _compare(column, one)
    compared, values = _compare(whole_sql(column), one)
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


def _spans_with(one: q.Comparison, search: Callable[..., _Sql] = text_sql) -> _Sql:
    """The ids of the spans in which a text stands, or whatever `search` gives."""
    return search(*text_of(one))


def _member(column: str, one: q.Comparison, way: _Way) -> _Sql:
    """A member of a JSON object, by any key whatever characters it has."""
    inside = f"FROM json_each({column}) j WHERE j.key = ?"
    value, compared = _compare(_JSON_NUMBER if _numeric(one) else _JSON_TEXT, one)
    if one.operator in ("IS NULL", "IS NOT NULL"):
        found, values = f"EXISTS (SELECT 1 {inside})", [one.key]
    else:
        found, values = f"EXISTS (SELECT 1 {inside} AND {value})", [one.key, *compared]
    if _AS_IT_IS.fullmatch(one.key):
        if way == "brief":
            found, values = _member_in_brief(column, one, (found, values))
        else:
            # By CASE: where a value is asked for, SQLite works out both sides of an AND.
            found = f"CASE WHEN {_has(column, '?')} THEN {found} ELSE 0 END"
            values = [f'"{one.key}"', *values]
    if one.operator == "IS NULL":
        return f"NOT coalesce({found}, 0)", values
    return found, values


def _member_in_brief(column: str, one: q.Comparison, parsed: _Sql) -> _Sql:
    """As `parsed`, of a brief: its JSON is searched as a text first, and seldom parsed then.

    Only an object within the object could have the same name again, and mean another one.
    """
    name = f'"{one.key}":'
    is_flat = f"{column} NOT GLOB '?*{{*'"
    has = f"instr({column}, ?)"
    may, first = has, [name]  # what must hold
    sure, last = "0", []  # what is enough then, if the object is flat
    if one.operator in ("IS NULL", "IS NOT NULL"):
        sure = "1"
    elif one.operator == "=" and isinstance(one.value, str) and _WORD.fullmatch(one.value):
        sure, first = "1", [f'{name}"{one.value}"']
    elif _numeric(one):
        number = _spelt(one)
        if number is None:
            after = f"substr({column}, instr({column}, ?) + {len(name)})"
            text, values = _compare(f"CAST({after} AS NUMERIC)", one)
            may, first = f"{has} AND ({text} OR NOT ({is_flat}))", [name, name, *values]
            sure, last = f"{after} GLOB '[-0-9]*'", [name]
        else:
            first = [f"{name}{number}"]
            sure, last = f"({has} OR {has})", [f"{name}{number},", f"{name}{number}}}"]
    text, values = parsed
    if sure != "0":
        text = f"CASE WHEN {is_flat} AND {sure} THEN 1 ELSE {text} END"
    return f"CASE WHEN {may} THEN {text} ELSE 0 END", [*first, *last, *values]


def _spelt(one: q.Comparison) -> str | None:
    """How orjson writes the number that is asked for, but for a 0 behind the point."""
    value = one.value
    if one.operator != "=" or isinstance(value, (str, tuple)) or value is None:
        return None
    if not _LEAST < abs(value) < _MOST_EXACT:
        return None
    return orjson.dumps(value).decode().removesuffix(".0")


def _numeric(one: q.Comparison) -> bool:
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    return all(isinstance(value, (int, float)) for value in values)


def _compare(expression: str, one: q.Comparison) -> _Sql:
    operator, value = one.operator, one.value
    if operator in ("IS NULL", "IS NOT NULL"):
        return f"({expression}) {operator}", []
    if isinstance(value, tuple):
        if len(value) <= _MANY:
            return f"{expression} {operator} ({', '.join('?' * len(value))})", list(value)
        finite = [one for one in value if not isinstance(one, float) or math.isfinite(one)]
        listed = orjson.dumps(finite).decode()
        return f"{expression} {operator} (SELECT value FROM json_each(?))", [listed]
    if operator == "RLIKE":
        return f"tracetape_rlike(?, CAST({expression} AS BLOB))", [value]
    if operator in ("LIKE", "ILIKE"):
        return _like(expression, operator, normal(str(value), operator))
    return f"{expression} {operator} ?", [value]


def _like(expression: str, operator: str, pattern: str) -> _Sql:
    if operator == "LIKE" or expression not in _JOINED:
        return like_sql(expression, operator, pattern)
    text, values = like_sql("v.text", operator, pattern)  # which is joined once
    return f"(WITH v (text) AS MATERIALIZED (SELECT {expression}) SELECT {text} FROM v)", values


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


# Values come as blobs: SQLite's texts need not be in UTF-8, and none reaches Python as a text then.
def _rlike(pattern: str, value: bytes | None) -> bool:
    return (
        value is not None and _compiled(pattern).search(value.decode(errors="replace")) is not None
    )
