"""Traces out of rows, within one transaction; what cannot be read is left out and counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from tracetape.entities import Span, Trace, TraceData, TraceInfo, TraceState
from tracetape.store.assessments import add_assessments
from tracetape.store.codec import SPANS, TRACES
from tracetape.store.dedup import ContentReader
from tracetape.store.protocol import SPAN_BYTES
from tracetape.store.query import TraceQuery
from tracetape.store.rows import infos_from_rows, span_from_row, spans_from_rows, trace_number
from tracetape.store.selecting import selected
from tracetape.store.unreadable import Unreadable, UnreadableError

__all__ = ["TraceGroup", "TraceReader"]

_READ_SPANS = f"SELECT id, {SPANS.select} FROM spans WHERE trace = ?"
_SHARED = [1 + at for at in SPANS.shared_positions()]  # after the id
_READ_ALL_SPANS = (
    f"SELECT id, {SPANS.select}, trace FROM spans WHERE trace IN (SELECT value FROM json_each(?))"
)
_READ_ASSESSED = (
    "SELECT DISTINCT trace FROM assessments WHERE trace IN (SELECT value FROM json_each(?))"
)
# The index says it: no row of a span is read.
_COUNT_SPANS = (
    "SELECT trace, count(*) FROM spans WHERE trace IN (SELECT value FROM json_each(?)) "
    "GROUP BY trace"
)
# Spans, about, whose contents are read at once: fewer of large ones.
_FIRST_GROUP, _GROUP, _GROUP_BYTES = 20, 100, 1_000_000
_NAME, _COUNT = (1 + TRACES.position(name) for name in ("trace_id", "span_count"))
_READ_TRACE = f"SELECT id, {TRACES.select} FROM traces t"
_Row = tuple[Any, ...]
_T = TypeVar("_T")


class TraceReader:
    """Reads what a store holds at one moment."""

    def __init__(self, connection: sqlite3.Connection, unreadable: Unreadable) -> None:
        """Read nothing yet.

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

    def several(
        self, trace_ids: Sequence[int], most: int, make: Callable[[TraceGroup], Iterable[_T]]
    ) -> tuple[list[_T], int]:
        """Apply `make` to the stored traces with these 128-bit ids, in this order.

        And how many ids were looked at: no more once about `most` bytes are read.
        """
        names = [f"{trace_id:032x}" for trace_id in trace_ids]
        rows = self._connection.execute(
            f"{_READ_TRACE} WHERE trace_id IN ({', '.join('?' * len(names))})", names
        )
        by_name = {row[_NAME]: row for row in rows}
        made: list[_T] = []
        done = spans = 0
        most_spans = _FIRST_GROUP
        while done < len(names) and self._contents.given + spans * SPAN_BYTES < most:
            group: dict[int, _Row] = {}
            count = 0
            while done < len(names) and count < most_spans:
                if row := by_name.get(names[done]):
                    if row[0] in group:  # it is named twice: a group has each once
                        break
                    group[row[0]] = row
                    count += max(1, row[_COUNT]) if type(row[_COUNT]) is int else _GROUP
                done += 1
            several = TraceGroup(self, list(group.values()))
            made += make(several)
            spans += sum(map(len, several.spans))
            one = SPAN_BYTES + self._contents.given // max(1, spans)
            most_spans = max(1, min(_GROUP, _GROUP_BYTES // one))
        return made, done

    def rows_of_spans(self, keys: Sequence[int]) -> list[list[_Row]]:
        """The rows of the spans of these traces, whose contents can then be read at once."""
        found: dict[int, list[_Row]] = {key: [] for key in keys}
        rows = self._connection.execute(_READ_ALL_SPANS, (orjson.dumps(keys).decode(),))
        values: list[Any] = []
        for row in rows:
            found[row[-1]].append(row[:-1])
            values += [row[at] for at in _SHARED]
        self._contents.prepare(values)
        return list(found.values())

    def assessed(self, keys: Sequence[int]) -> set[int]:
        """Those of these traces that have assessments."""
        rows = self._connection.execute(_READ_ASSESSED, (orjson.dumps(keys).decode(),))
        return {key for (key,) in rows}

    def contents(self, values: Sequence[str | bytes]) -> list[bytes]:
        """As `ContentReader.read_all`."""
        return self._contents.read_all(values)

    def info(self, row: _Row) -> TraceInfo | None:
        """The info in the row of a trace; None: it cannot be read."""
        return next((info for _, info in self._infos([row])), None)

    def whole(self, row: _Row, spans: list[_Row]) -> Trace | None:
        """The trace of these rows; None: it cannot be read."""
        info = self.info(row)
        return None if info is None else Trace(info, TraceData(self._spans_of(row, info, spans)))

    def search(self, query: TraceQuery, include_spans: bool) -> list[Trace]:
        """The traces that `query` asks for."""
        more = query.limit
        while True:
            rows, self.scanned = selected(self._connection, replace(query, limit=more), _READ_TRACE)
            found = self._infos(rows)
            if query.limit is None or more is None or len(found) >= query.limit or len(rows) < more:
                break
            more = len(rows) + 2 * (len(rows) - len(found))  # some cannot be read: look further
        found = found[: query.limit]
        self._count_open(found)
        return [
            Trace(info, TraceData(self._spans(row, info) if include_spans else []))
            for row, info in found
        ]

    def _count_open(self, found: Iterable[tuple[_Row, TraceInfo]]) -> None:
        """Count the spans of traces that have not ended: their rows count ended spans only."""
        running = {row[0]: info for row, info in found if info.state is TraceState.IN_PROGRESS}
        if running:
            keys = orjson.dumps(list(running)).decode()
            for key, count in self._connection.execute(_COUNT_SPANS, (keys,)):
                running[key].span_count = max(running[key].span_count, count)

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
        rows = list(rows)
        try:
            found = list(zip(rows, infos_from_rows([row[1:] for row in rows]), strict=True))
        except (LookupError, TypeError, ValueError):  # something is odd: see in which
            found = []
            for row in rows:
                try:
                    found.append((row, infos_from_rows([row[1:]])[0]))
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
        number = trace_number(trace[_NAME])
        given = self._contents.begin_trace()
        try:
            return spans_from_rows(number, [row[1:] for row in rows], self._contents)
        except (LookupError, TypeError, ValueError):  # something is odd: see what
            self._contents.begin_trace(given)
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


class TraceGroup:
    """Some traces as rows, read at once.

    Attributes:
        rows: of the traces: their ids, and the columns of `TRACES`.
        spans: of each trace the rows of its spans: their ids, and the columns of `SPANS`.
    """

    def __init__(self, reader: TraceReader, rows: list[_Row]) -> None:
        """Read the spans of the traces in `rows`."""
        self.reader = reader
        self.rows = rows
        self.spans = reader.rows_of_spans([row[0] for row in rows])

    def traces(self) -> Iterator[Trace]:
        """Those that can be read."""
        for row, spans in zip(self.rows, self.spans, strict=True):
            trace = self.reader.whole(row, spans)
            if trace is not None:
                yield trace
