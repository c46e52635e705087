"""Comparisons to SQL: of an expression, and of a member of a JSON object, with a value."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any, Literal

import orjson

from tracetape.store import query as q
from tracetape.store.patterns import like_sql, normal
from tracetape.store.whole import whole_sql

__all__ = [
    "AS_IT_IS",
    "VALUE_NUMBER",
    "VALUE_TEXT",
    "Sql",
    "Way",
    "compare_sql",
    "has_sql",
    "is_numeric",
    "member_sql",
    "rlike",
]

Sql = tuple[str, list[Any]]
# What is looked at: all rows, those of one trace after the other, or briefs, whose JSON is as
# orjson writes it: no white space, nothing escaped that need not be.
Way = Literal["all", "near", "brief"]


_JOINED = tuple(whole_sql(f"s.{name}") for name in ("inputs", "outputs"))
_LEAST, _MOST_EXACT = 1e-4, 1e15  # numbers that have one spelling, but for a 0 behind the point
_MANY = 500  # values of an IN: more go as one parameter
AS_IT_IS = re.compile(r"[A-Za-z0-9_.: -]{1,200}")  # is in JSON as it is, or as \\u…
_WORD = re.compile(
    r"(?!(?:inf|true|false)$)[A-Za-z][A-Za-z0-9_.: -]{0,199}", re.IGNORECASE
)  # in quotes
# JSON's values as a user writes them.
_TEXT = (
    "CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST({value} AS TEXT) END"
)
_NUMBER = "CASE WHEN {kind} IN ('integer', 'real') THEN {value} END"
_JSON_TEXT, _JSON_NUMBER = (how.format(kind="j.type", value="j.value") for how in (_TEXT, _NUMBER))
VALUE_TEXT, VALUE_NUMBER = (
    how.format(kind="json_type(a.value)", value="json_extract(a.value, '$')")
    for how in (_TEXT, _NUMBER)
)


def has_sql(column: str, text: str) -> str:
    r"""Whether a JSON text may have a name or a text that is written as it is.

    To look for it is much cheaper than to parse the JSON; only ``\u`` could hide it.
    """
    return f"coalesce(instr({column}, {text}) OR instr({column}, '\\u'), 0)"


def member_sql(column: str, one: q.Comparison, way: Way) -> Sql:
    """A member of a JSON object, by any key whatever characters it has."""
    inside = f"FROM json_each({column}) j WHERE j.key = ?"
    value, compared = compare_sql(_JSON_NUMBER if is_numeric(one) else _JSON_TEXT, one)
    if one.operator in ("IS NULL", "IS NOT NULL"):
        found, values = f"EXISTS (SELECT 1 {inside})", [one.key]
    else:
        found, values = f"EXISTS (SELECT 1 {inside} AND {value})", [one.key, *compared]
    if AS_IT_IS.fullmatch(one.key):
        if way == "brief":
            found, values = _member_in_brief(column, one, (found, values))
        else:
            # By CASE: where a value is asked for, SQLite works out both sides of an AND.
            found = f"CASE WHEN {has_sql(column, '?')} THEN {found} ELSE 0 END"
            values = [f'"{one.key}"', *values]
    if one.operator == "IS NULL":
        return f"NOT coalesce({found}, 0)", values
    return found, values


def _member_in_brief(column: str, one: q.Comparison, parsed: Sql) -> Sql:
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
    elif is_numeric(one):
        number = _spelt(one)
        if number is None:
            after = f"substr({column}, instr({column}, ?) + {len(name)})"
            compared, values = compare_sql(f"CAST({after} AS NUMERIC)", one)
            return (
                f"CASE WHEN {is_flat} THEN {column} GLOB ? AND {compared} "
                f"WHEN {has} THEN {parsed[0]} ELSE 0 END",
                [f"*{name}[-0-9]*", name, *values, name, *parsed[1]],
            )
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


def is_numeric(one: q.Comparison) -> bool:
    """Whether a comparison is with numbers only."""
    values = one.value if isinstance(one.value, tuple) else (one.value,)
    return all(isinstance(value, (int, float)) for value in values)


def compare_sql(expression: str, one: q.Comparison) -> Sql:
    """A comparison of an expression with a value."""
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


def _like(expression: str, operator: str, pattern: str) -> Sql:
    if operator == "LIKE" or expression not in _JOINED:
        return like_sql(expression, operator, pattern)
    text, values = like_sql("v.text", operator, pattern)  # which is joined once
    return f"(WITH v (text) AS MATERIALIZED (SELECT {expression}) SELECT {text} FROM v)", values


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


# Values come as blobs: SQLite's texts need not be in UTF-8, and none reaches Python as a text then.
def rlike(pattern: str, value: bytes | None) -> bool:
    """Whether a regular expression finds something in a text, as a function for SQLite."""
    return (
        value is not None and _compiled(pattern).search(value.decode(errors="replace")) is not None
    )
