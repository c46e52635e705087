"""Traces out of rows, within one transaction; what cannot be read is left out and counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from tracetape.entities import Span, Trace, TraceData, TraceInfo
from tracetape.store.assessments import add_assessments
from tracetape.store.contents import ContentReader
from tracetape.store.query import TraceQuery
from tracetape.store.rows import (
    SPAN_COLUMNS,
    TRACE_COLUMNS,
    info_from_row,
    span_from_row,
    trace_number,
)
from tracetape.store.selecting import selected
from tracetape.store.unreadable import Unreadable, UnreadableError

__all__ = ["TraceReader"]

_READ_SPANS = f"SELECT id, {', '.join(SPAN_COLUMNS)} FROM spans WHERE trace = ?"
_VALUES = slice(-2, None)  # inputs and outputs, the last of them
_GROUP = 30  # spans, about, whose contents are read at once
_SPAN_BYTES = 500  # of a span without its values, about
_READ_TRACE = f"SELECT id, {', '.join(TRACE_COLUMNS)} FROM traces t"
_Row = tuple[Any, ...]


class TraceReader:
    """Reads what a store holds at one moment."""

    def __init__(self, connection: sqlite3.Connection, unreadable: Unreadable) -> None:
        """Nothing is read yet.

        Args:
            connection: in a transaction.
            unreadable: counts what is left out.
        """
        self._connection = connection
        self._unreadable = unreadable
        self._contents = ContentReader(connection)
        self.scanned = 0  # texts that the search had to compare one by one

    def one(self, trace_id: int) -> Trace | None:
        """The trace with this 128-bit id."""
        rows = self._connection.execute(
            f"{_READ_TRACE} WHERE trace_id = ?", (f"{trace_id:032x}",)
        ).fetchall()
        for row, info in self._infos(rows):
            return Trace(info, TraceData(self._spans(row, info)))
        return None

    def several(self, trace_ids: Sequence[int], most: int) -> tuple[list[Trace], int]:
        """Those of the traces with these 128-bit ids that are there, in this order.

        And how many ids were looked at: no more once about `most` bytes are read.
        """
        names = [f"{trace_id:032x}" for trace_id in trace_ids]
        rows = self._connection.execute(
            f"{_READ_TRACE} WHERE trace_id IN ({', '.join('?' * len(names))})", names
        )
        by_name = {row[1]: row for row in rows}
        wanted = [by_name[name] for name in dict.fromkeys(names) if name in by_name]
        infos = {row[1]: (row, info) for row, info in self._infos(wanted)}
        traces: list[Trace] = []
        size = done = 0
        while done < len(names) and size < most:
            group, count = [], 0
            while done < len(names) and count < _GROUP:
                if one := infos.get(names[done]):
                    group.append(one)
                    count += max(1, one[1].span_count)
                done += 1
            for info, spans in self._with_spans(group):
                size += _size(spans)
                traces.append(Trace(info, TraceData(spans)))
        return traces, done

    def _with_spans(
        self, found: list[tuple[_Row, TraceInfo]]
    ) -> Iterator[tuple[TraceInfo, list[Span]]]:
        """The spans of these traces, the contents that they share being read at once."""
        spans = [self._connection.execute(_READ_SPANS, row[:1]).fetchall() for row, _ in found]
        self._contents.prepare(value for rows in spans for row in rows for value in row[_VALUES])
        for (row, info), rows in zip(found, spans, strict=True):
            yield info, self._spans_of(row, info, rows)

    def search(self, query: TraceQuery, include_spans: bool) -> list[Trace]:
        """The traces that `query` asks for."""
        more = query.limit
        while True:
            rows, self.scanned = selected(self._connection, replace(query, limit=more), _READ_TRACE)
            found = self._infos(rows)
            if query.limit is None or more is None or len(found) >= query.limit or len(rows) < more:
                break
            more = len(rows) + 2 * (len(rows) - len(found))  # some cannot be read: look further
        return [
            Trace(info, TraceData(self._spans(row, info) if include_spans else []))
            for row, info in found[: query.limit]
        ]

    def numbers(self, rows: Iterable[_Row]) -> list[int]:
        """The 128-bit ids in rows of ``id`` and ``trace_id``."""
        found = []
        for key, trace_id in rows:
            try:
                found.append(trace_number(trace_id))
            except UnreadableError as error:
                self._leave_out(key, error)
        return found

    def _infos(self, rows: Iterable[_Row]) -> list[tuple[_Row, TraceInfo]]:
        """Rows of `_READ_TRACE`, and what they say, with the traces' assessments."""
        found = []
        for row in rows:
            try:
                found.append((row, info_from_row(row[1:])))
            except UnreadableError as error:
                self._leave_out(row[0], error)
        add_assessments(self._connection, [(row[0], info) for row, info in found], self._unreadable)
        return found

    def _leave_out(self, key: int, error: UnreadableError) -> None:
        self._unreadable.add("trace", key, f"the trace in row {key}: {error}")

    def _spans(self, trace: _Row, info: TraceInfo) -> list[Span]:
        rows = self._connection.execute(_READ_SPANS, trace[:1]).fetchall()
        return self._spans_of(trace, info, rows)

    def _spans_of(self, trace: _Row, info: TraceInfo, rows: list[_Row]) -> list[Span]:
        number = trace_number(trace[1])
        spans = []
        for key, *row in rows:

            def skipped(column: str, reason: str, key: int = key) -> None:
                where = f"the {column} of a span of {info.trace_id}"
                self._unreadable.add("value", (key, column), f"{where}: {reason}")

            try:
                spans.append(span_from_row(number, tuple(row), self._contents, skipped))
            except UnreadableError as error:
                self._unreadable.add("span", key, f"a span of {info.trace_id}: {error}")
        return spans


def _size(spans: list[Span]) -> int:
    return sum(_SPAN_BYTES + len(one._inputs or b"") + len(one._outputs or b"") for one in spans)
