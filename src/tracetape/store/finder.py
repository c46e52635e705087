"""Which traces a filter means: each part of it by the narrowest table that can tell.

A part gives a byte for each trace, all of them as one number: AND, OR and NOT of 200,000 traces
take microseconds then, whatever the parts are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from tracetape.formats import names as wire
from tracetape.store import query as q
from tracetape.store.briefs import (
    BRIEFLESS,
    all_traces_sql,
    brief_spans_sql,
    brief_traces_sql,
    late_parts_sql,
    other_traces_sql,
    unbriefed_spans,
    unsure_traces_sql,
    wide_spans_sql,
)
from tracetape.store.fulltext import text_in_traces_sql
from tracetape.store.parts import (
    asks_for_none,
    cost_of,
    flattened,
    is_brief,
    is_content,
    is_of_kind,
    is_of_span,
)
from tracetape.store.sql import (
    NAME_OF,
    assessed_traces_sql,
    brief_sql,
    condition_sql,
    near_sql,
    order_sql,
    span_sql,
    text_of,
)
from tracetape.store.statements import checked_rows, each_row, rows_in_time

__all__ = ["Finder", "TooWideError"]

_FEW = 1000  # traces that are looked at one by one, as the rest of an AND is asked of them only
_FEW_SECONDS = 0.05  # of the processor, after which the rest is asked of all
_TOGETHER = 200  # conditions by AND in a statement: SQLite makes a chain of them, 1,000 at most
_LISTED = 5000  # traces whose ids are handed to SQLite in a list
_LOOKED_UP = 20_000  # briefs of spans that an index leads to
_UNBRIEFED = 2000  # spans that are looked at one by one for a text
_WIDEST = 50_000_000  # ids, of which each takes a byte
_SORTED_BY_INDEX = (("trace", "trace_id"), ("trace", "status"), ("trace", "timestamp_ms"))
_FROM_SPANS = (wire.SPAN_INPUTS, wire.SPAN_OUTPUTS)


_Comparisons = tuple[q.Comparison, ...]


class TooWideError(Exception):
    """The ids of the traces are not as we number them: nothing is found this way."""


class Finder:
    """Finds traces within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Look at what there is.

        Raises:
            TooWideError: the ids are too far apart.
        """
        self._connection = connection
        (first, last) = connection.execute(  # each by the end of the table, not by all of it
            "SELECT (SELECT min(id) FROM traces), (SELECT max(id) FROM traces)"
        ).fetchone()
        if last is not None and (first < 1 or last > _WIDEST):
            raise TooWideError
        self._size = (last or 0) + 1
        self._every = int.from_bytes(b"\1" * self._size, "little")
        self._kinds: dict[tuple[str, _Comparisons], str] = {}

    def rows(
        self, condition: q.Condition, query: q.TraceQuery, select: str
    ) -> list[tuple[object, ...]]:
        """The rows of the traces that `condition` means, in the order and number of `query`.

        Args:
            condition: which traces.
            query: whose condition is left out of account.
            select: the beginning of the statement, up to ``FROM traces t``.

        Raises:
            InvalidValueError: the filter is beyond SQLite's limits.
        """
        order, keys = order_sql(query.order)
        limit = -1 if query.limit is None else min(query.limit, 1 << 62)
        offset = min(query.offset, 1 << 62)
        last = limit if limit < 0 else limit + offset
        found = self._find(condition).to_bytes(self._size, "little")
        count = found.count(1)
        if count <= _LISTED:
            return self._listed(select, _positions(found), query)
        if not query.order and 0 <= last <= _LISTED:
            return self._listed(select, self._newest(found, last), query)
        where, values = "tracetape_found(t.id)", []
        # Not as a function that remembers what it raised: it raises nothing, and is called often.
        sqlite3.Connection.create_function(
            self._connection, "tracetape_found", 1, found.__getitem__
        )
        try:
            if query.order:
                # Narrow rows are sorted, and only what is wanted of the wide ones is read.
                table = self._table(query.order)
                first, _ = order_sql(query.order, "all" if table == "traces" else "brief")
                where = (
                    f"t.id IN (SELECT t.id FROM {table} t WHERE {where} ORDER BY {first} LIMIT ?)"
                )
                values = [*keys, last]
            text = f"{select} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
            return checked_rows(self._connection, text, [*values, *keys, limit, offset])
        finally:
            sqlite3.Connection.create_function(self._connection, "tracetape_found", 1, None)

    def _listed(
        self, select: str, ids: Sequence[int], query: q.TraceQuery
    ) -> list[tuple[object, ...]]:
        order, keys = order_sql(query.order)
        limit = -1 if query.limit is None else min(query.limit, 1 << 62)
        by_value = order.replace("t.start_ns", "+t.start_ns")  # not by the index on all traces
        text = (
            f"{select} WHERE t.id IN (SELECT value FROM json_each(?)) "
            f"ORDER BY {by_value} LIMIT ? OFFSET ?"
        )
        values = [orjson.dumps(ids).decode(), *keys, limit, min(query.offset, 1 << 62)]
        return checked_rows(self._connection, text, values)

    def _newest(self, found: bytes, count: int) -> list[int]:
        ids = []
        newest = self._connection.execute("SELECT id FROM traces ORDER BY start_ns DESC, id DESC")
        for (key,) in newest:
            if found[key]:
                ids.append(key)
                if len(ids) >= count:
                    break
        newest.close()
        return ids

    def _table(self, order: Sequence[q.Order]) -> str:
        brief = all(
            one.key not in BRIEFLESS
            if one.subject == "metadata"
            else (one.subject, one.key) not in _SORTED_BY_INDEX
            for one in order
        )
        return all_traces_sql(self._connection, NAME_OF) if brief else "traces"

    def _find(self, condition: q.Condition) -> int:
        if isinstance(condition, q.Not):
            return self._every ^ self._find(condition.part)
        if isinstance(condition, q.Comparison):
            return self._all((condition,))
        if isinstance(condition, q.And):
            return self._all(tuple(dict.fromkeys(condition.parts)))
        return self._any(tuple(dict.fromkeys(condition.parts)))

    def _any(self, parts: Sequence[q.Condition]) -> int:
        brief = tuple(filter(is_brief, parts))
        found = self._briefs(q.Or(brief)) if brief else 0
        of_spans = [one for one in parts if is_of_span(one) and not is_content(one)]
        for of_kind in (True, False):
            some = tuple(one for one in of_spans if is_of_kind(one) is of_kind)
            if some:
                found |= self._spans_of_any(some)
        for part in parts:
            if not is_brief(part) and (not is_of_span(part) or is_content(part)):
                found |= self._find(part)
        return found

    def _all(self, parts: Sequence[q.Condition]) -> int:
        """The cheapest part first: the others are asked of what it leaves."""
        work: list[tuple[int, tuple[q.Condition, ...], Callable[[], int]]] = []
        of_span = tuple(one for one in parts if is_of_span(one))
        if of_span:
            work.append((cost_of(q.And(of_span)), of_span, lambda: self._one_span(of_span)))
        brief = tuple(one for one in parts if is_brief(one) and cost_of(one) > 0)
        flat = flattened(brief)
        for first in range(0, len(flat), _TOGETHER):
            some = flat[first : first + _TOGETHER]
            work.append((2, some, lambda some=some: self._briefs(q.And(some))))  # type: ignore[misc]
        for one in parts:
            if not is_of_span(one) and (cost_of(one) == 0 or not is_brief(one)):
                work.append((cost_of(one), (one,), lambda one=one: self._single(one)))  # type: ignore[misc]
        work.sort(key=lambda piece: piece[0])
        found = self._every
        tried = False
        for at, (cost, _, find) in enumerate(work):
            rest = tuple(part for _, some, _ in work[at:] for part in some)
            is_few = 0 < found.bit_count() <= _FEW and len(rest) <= _TOGETHER
            if at and cost > 1 and is_few and not tried:
                tried = True
                looked_at = self._look_at(found, q.And(rest))
                if looked_at is not None:
                    return looked_at
            found &= find()
            if not found:
                break
        return found

    def _single(self, one: q.Condition) -> int:
        """A part of an AND that is neither of one span nor answered by the traces' briefs."""
        if not isinstance(one, q.Comparison):
            return self._find(one)
        if one.operator in ("!=", "NOT IN") and one.key == "status" and one.subject == "trace":
            # Nearly all are: to find the others takes less.
            opposite = "=" if one.operator == "!=" else "IN"
            return self._every ^ self._single(q.Comparison("trace", "status", opposite, one.value))
        if (one.subject, one.key) == ("trace", "text"):
            return self._text(one, ())
        if one.subject in ("feedback", "expectation", "issue"):
            if one.operator == "IS NULL" and one.subject != "issue":
                there = q.Comparison(one.subject, one.key, "IS NOT NULL")
                return self._every ^ self._single(there)
            return self._mask(*assessed_traces_sql(one))
        where, values = condition_sql(one)
        return self._mask(f"SELECT t.id FROM traces t WHERE {where}", values)

    def _briefs(self, condition: q.Condition) -> int:
        where, values = brief_sql(condition)
        found = self._mask(brief_traces_sql(where), values)
        where, values = condition_sql(condition)
        others = other_traces_sql(self._connection, where)
        if others:
            found &= self._every ^ self._mask(unsure_traces_sql(), ())
        for text in others:
            found |= self._mask(text, values)
        return found

    def _one_span(self, parts: Sequence[q.Condition]) -> int:
        """The traces with a span of which all of `parts` hold."""
        comparisons = tuple(one for one in parts if isinstance(one, q.Comparison))
        kinds = tuple(one for one in comparisons if is_of_kind(one))
        texts = [one for one in comparisons if is_content(one)]
        others = tuple(one for one in comparisons if not is_of_kind(one) and not is_content(one))
        found = self._every
        if others or not texts:
            found = self._spans(kinds, others)
        for text in texts:
            if not found:
                return 0
            found &= self._text(text, kinds)
        if len(texts) + bool(others) < 2 or not found:
            return found
        # Each holds for some span; whether for the same one is seen there.
        whole = q.And(tuple(comparisons))
        if found.bit_count() <= _FEW:
            looked_at = self._look_at(found, whole)
            if looked_at is not None:
                return looked_at
        where, values = condition_sql(whole)
        return found & self._mask(f"SELECT t.id FROM traces t WHERE {where}", values)

    def _spans(self, kinds: _Comparisons, others: _Comparisons) -> int:
        """The traces with a span of all these kinds, and with all these attributes."""
        whole = span_sql([*kinds, *others])
        if len(others) == 1 and not kinds and others[0].operator == "!=":
            found = self._unequal(others[0])
            if found is not None:
                return found
        if any(one.key in _FROM_SPANS for one in others):
            return self._whole_spans(*whole)
        listed = self._of_kinds(kinds) if kinds else None
        if not others:
            return self._with_late(
                f"SELECT trace FROM brief_spans WHERE kind IN {listed}", [], whole
            )
        where, values = span_sql(others, way="brief")
        if listed is not None and self._are_many(listed):
            # To look each of them up would take longer than to go through all.
            where, listed = f"+s.kind IN {listed} AND {where}", None
        text = brief_spans_sql(listed, where, asks_for_none(others))
        return self._with_late(text, values, whole, wide=True)

    def _unequal(self, one: q.Comparison) -> int | None:
        """The traces with a span whose inputs, or outputs, are not this text; None: ask of all.

        Few are equal, and the index knows them: all others need only be there.
        """
        if one.key not in _FROM_SPANS:
            return None
        equal = q.Comparison(one.subject, one.key, "=", one.value)
        few = self._whole_spans(*span_sql([equal]))
        if few.bit_count() > _FEW:
            return None
        there = q.Comparison(one.subject, one.key, "IS NOT NULL")
        looked_at = self._look_at(few, one) if few else 0
        if looked_at is None:
            return None
        return (self._whole_spans(*span_sql([there])) & (self._every ^ few)) | looked_at

    def _are_many(self, kinds: str) -> bool:
        text = f"SELECT 1 FROM brief_spans WHERE kind IN {kinds} LIMIT 1 OFFSET ?"
        return self._connection.execute(text, (_LOOKED_UP,)).fetchone() is not None

    def _spans_of_any(self, parts: _Comparisons) -> int:
        """The traces with a span of one of these kinds, or with one of these attributes."""
        whole = span_sql(parts, "OR")
        if any(one.key in _FROM_SPANS for one in parts):
            return self._whole_spans(*whole)
        if all(map(is_of_kind, parts)):
            listed = self._of_kinds(parts, "OR")
            return self._with_late(
                f"SELECT trace FROM brief_spans WHERE kind IN {listed}", [], whole
            )
        where, values = span_sql(parts, "OR", "brief")
        text = brief_spans_sql(None, where, asks_for_none(parts))
        return self._with_late(text, values, whole, wide=True)

    def _whole_spans(self, where: str, values: list[Any]) -> int:
        return self._mask(f"SELECT s.trace FROM spans s WHERE s.trace > 0 AND {where}", values)

    def _with_late(
        self, text: str, values: list[Any], whole: tuple[str, list[Any]], wide: bool = False
    ) -> int:
        late = late_parts_sql(whole[0])
        if wide:
            late.append(wide_spans_sql(whole[0]))
        return self._mask(" UNION ALL ".join([text, *late]), [*values, *(whole[1] * len(late))])

    def _of_kinds(self, kinds: _Comparisons, word: str = "AND") -> str:
        """The kinds of spans that these comparisons mean, as a list in SQL."""
        if (word, kinds) not in self._kinds:
            where, values = span_sql(kinds, word)
            rows = checked_rows(self._connection, f"SELECT s.id FROM kinds s WHERE {where}", values)
            self._kinds[word, kinds] = f"({', '.join(str(int(key)) for (key,) in rows)})"
        return self._kinds[word, kinds]

    def _text(self, one: q.Comparison, kinds: _Comparisons) -> int:
        if unbriefed_spans(self._connection) > _UNBRIEFED:
            where, values = condition_sql(q.And((one, *kinds)))
            return self._mask(f"SELECT t.id FROM traces t WHERE {where}", values)
        listed = self._of_kinds(kinds) if kinds else None
        return self._mask(*text_in_traces_sql(*text_of(one), listed, span_sql(kinds)))

    def _look_at(self, found: int, condition: q.Condition) -> int | None:
        """Those of few traces that fulfil `condition`, one by one; None: it takes too long."""
        ids = _positions(found.to_bytes(self._size, "little"))
        where, values = near_sql(condition)
        text = (
            f"SELECT t.id FROM traces t WHERE t.id IN (SELECT value FROM json_each(?)) AND {where}"
        )
        rows = rows_in_time(
            self._connection, text, [orjson.dumps(ids).decode(), *values], _FEW_SECONDS
        )
        return None if rows is None else self._number(rows)

    def _mask(self, text: str, values: Sequence[object]) -> int:
        """A byte of 1 for each trace that a query names."""
        found = bytearray(self._size)
        # All ids as one text: to step through the rows takes longer than to find them.
        listed = f"WITH named (id) AS ({text}) SELECT json_group_array(id) FROM named"
        try:
            ((ids,),) = checked_rows(self._connection, listed, values)
            self._mark(found, orjson.loads(ids))
        except (sqlite3.OperationalError, orjson.JSONDecodeError) as error:
            if isinstance(error, sqlite3.OperationalError) and "BLOB" not in str(error):
                raise
            # A damaged store has an id that is not a number.
            each_row(self._connection, text, values, lambda rows: self._mark_rows(found, rows))
        return int.from_bytes(found, "little")

    def _number(self, rows: Iterable[tuple[Any]]) -> int:
        self._mark_rows(found := bytearray(self._size), rows)
        return int.from_bytes(found, "little")

    def _mark_rows(self, found: bytearray, rows: Iterable[tuple[Any]]) -> None:
        self._mark(found, (key for (key,) in rows))

    def _mark(self, found: bytearray, keys: Iterable[Any]) -> None:
        keys = iter(keys)
        while True:
            try:
                for key in keys:
                    found[key] = 1
                return
            except (IndexError, TypeError):
                pass  # a damaged store refers to traces that it does not have


def _positions(found: bytes) -> list[int]:
    ids, at = [], -1
    while (at := found.find(1, at + 1)) >= 0:
        ids.append(at)
    return ids
