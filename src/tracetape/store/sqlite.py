"""Traces in one SQLite file, written by many processes at once."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from tracetape._system import wall_clock_ns
from tracetape.diagnostics import warn_once
from tracetape.entities import Trace, TraceInfo
from tracetape.entities.attachment import Attachment
from tracetape.exceptions import StoreError
from tracetape.store.access import DatabaseAccess
from tracetape.store.assessments import (
    remove_assessments,
    write_assessments,
)
from tracetape.store.attachments import read_attachment
from tracetape.store.maintenance import Maintenance
from tracetape.store.protocol import TraceUpdate
from tracetape.store.query import Condition, TraceQuery
from tracetape.store.reading import TraceGroup, TraceReader
from tracetape.store.retention import Retention
from tracetape.store.selecting import selected
from tracetape.store.sessions import newest_sessions
from tracetape.store.writing import insert_traces, write_trace, write_updates

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment
    from tracetape.store.rows import NewTrace

__all__ = ["MEMORY_BYTES", "SQLiteStore"]

MEMORY_BYTES = 64_000_000  # what a store in memory may hold

_T = TypeVar("_T")

_BATCH, _BATCH_BYTES = 200, 4_000_000  # traces that are read at once, and about how much of them

_MOST = 1 << 62  # SQLite counts to 2**63


class SQLiteStore(DatabaseAccess):
    """A store in a file, or in memory when `path` is None.

    A file is opened at the first call, with its folder made, and again after `close`.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: the database file, or None for a store in this process's memory.
            read_only: for readers, which must not make a file where there is none.
        """
        super().__init__(path, read_only=read_only)
        # No cycle: a store in memory, and its connection with it, ends with its last reference.
        this = weakref.proxy(self)
        self._maintenance = Maintenance(
            lambda work: this._use(this._writer, work),
            lambda connection: this._transaction(connection),
        )
        self.retention: Callable[[], Retention | None] = lambda: None
        # Texts that the last search had to compare one by one, as the index lacks them; about.
        self.scanned = 0
        # Spans that stay in this process's memory, a copy of that of its parent.
        self.unshared = 0
        self._made_by = os.getpid()
        self.evicted = 0  # traces that a store in memory had no more room for

    def write(self, updates: Sequence[TraceUpdate]) -> None:
        """Keep all of `updates` in one transaction.

        Raises:
            StoreError: the file is locked, full, or no database.
        """

        def work(connection: sqlite3.Connection) -> None:
            with self._transaction(connection):
                write_updates(connection, updates, self._contents)

        self._use(self._writer, work)
        self._wrote(sum(len(update.spans) for update in updates))

    def add(self, traces: Sequence[NewTrace | TraceUpdate]) -> set[int]:
        """Keep in one transaction those of `traces` that are not there; the ids of the others.

        Each id comes once.

        Raises:
            StoreError: the file is locked, full, or no database.
        """

        def work(connection: sqlite3.Connection) -> set[int]:
            with self._transaction(connection):
                known = _known(connection, [_number(one) for one in traces])
                new = [one for one in traces if _number(one) not in known]
                for kind, some in itertools.groupby(new, type):
                    run: list[Any] = list(some)
                    write = write_updates if kind is TraceUpdate else insert_traces
                    write(connection, run, self._contents)
            return known

        known = self._use(self._writer, work)
        self._wrote(sum(len(one.spans) for one in traces if _number(one) not in known))
        return known

    def _wrote(self, spans: int) -> None:
        if self._path is None:
            self._evict()
            if os.getpid() != self._made_by:
                self._tell_unshared(spans)

    def _tell_unshared(self, count: int) -> None:
        self.unshared += count
        warn_once(
            f"unshared {os.getpid()}",
            "tracetape: the store is in memory, and this process was forked: its parent does not "
            "see what it records. Name a file by TRACETAPE_STORE to have all in one place.",
        )

    def _evict(self) -> None:
        count = self._maintenance.evict(MEMORY_BYTES)
        if count:
            self.evicted += count
            warn_once(
                "memory",
                "tracetape: the store in memory is full (%d MB): its oldest traces make room",
                MEMORY_BYTES // 10**6,
            )

    def assess(
        self, trace_id: int, changed: Sequence[Assessment], removed: Sequence[str] = ()
    ) -> None:
        """Add assessments to a trace, or change those whose ids are known; remove others by id."""

        def work(connection: sqlite3.Connection) -> None:
            with self._transaction(connection):
                # It may be running, and not be written yet.
                begun = TraceUpdate(trace_id, wall_clock_ns(), [], is_part=True)
                key = write_trace(connection, begun)
                write_assessments(connection, key, changed)
                remove_assessments(connection, key, removed)

        self._use(self._writer, work)

    def get_trace(self, trace_id: int) -> Trace | None:
        """The trace with this 128-bit id, or None."""
        return self._read(lambda connection: self._traces(connection).one(trace_id))

    def get_traces(self, trace_ids: Sequence[int]) -> Iterator[Trace]:
        """Those of the traces with these 128-bit ids that are there, in this order.

        They are read some at a time, fewer of large ones; others may write between the rounds.
        """
        return self.get_each(trace_ids, TraceGroup.traces)

    def get_each(
        self, trace_ids: Sequence[int], make: Callable[[TraceGroup], Iterable[_T]]
    ) -> Iterator[_T]:
        """Apply `make` to each of these traces that exists, read as by `get_traces`."""
        at = 0
        while at < len(trace_ids):
            some = trace_ids[at : at + _BATCH]

            def read(
                connection: sqlite3.Connection, some: Sequence[int] = some
            ) -> tuple[list[_T], int]:
                return self._traces(connection).several(some, _BATCH_BYTES, make)

            made, done = self._read(read)
            at += done
            yield from made
            del made  # before the next are read

    def get_attachment(self, attachment_id: str) -> Attachment | None:
        """The attachment with this id, or None."""
        return self._read(
            lambda connection: read_attachment(connection, attachment_id, self.unreadable)
        )

    def list_traces(self, limit: int | None = None) -> list[TraceInfo]:
        """The newest `limit` traces (None: all), running ones too, newest first."""
        traces = self.search(TraceQuery(limit=limit), include_spans=False)
        return [trace.info for trace in traces]

    def count(self) -> int:
        """How many traces there are, running ones too."""
        # With a condition: a count of everything is one step of SQLite's, which nothing ends.
        count = f"SELECT count(*) FROM traces WHERE id >= {-(1 << 63)}"
        return int(self._read(lambda connection: connection.execute(count).fetchone()[0]))

    def search(self, query: TraceQuery, *, include_spans: bool = True) -> list[Trace]:
        """The traces that `query` asks for, in its order."""

        def read(connection: sqlite3.Connection) -> list[Trace]:
            reader = self._traces(connection)
            found = reader.search(query, include_spans)
            self.scanned = reader.scanned
            return found

        return self._read(read)

    def sessions(self, condition: Condition, limit: int) -> list[str]:
        """Ids of at most `limit` sessions, that of the newest trace first.

        Traces that `condition` excludes do not count.
        """
        found = self._read(lambda connection: newest_sessions(connection, condition, limit))
        return [one for one in found if type(one) is str]

    def find(self, query: TraceQuery) -> list[int]:
        """The 128-bit ids of the traces that `query` asks for, in its order."""
        select = "SELECT id, trace_id FROM traces t"

        def read(connection: sqlite3.Connection) -> list[int]:
            rows, self.scanned = selected(connection, query, select)
            return self._traces(connection).numbers(rows)

        return self._read(read)

    def resolve(self, prefix: str) -> list[int]:
        """Ids of at most ten traces whose hexadecimal id begins with `prefix`."""
        low = prefix.lower()

        def read(connection: sqlite3.Connection) -> list[int]:
            rows = connection.execute(
                "SELECT id, trace_id FROM traces WHERE trace_id >= ? AND trace_id < ? LIMIT 10",
                (low, low + "g"),  # g follows the last hexadecimal digit
            ).fetchall()
            return self._traces(connection).numbers(rows)

        return self._read(read)

    def known(self, trace_ids: Sequence[int]) -> set[int]:
        """Those of these 128-bit ids whose traces are there."""
        return self._read(lambda connection: _known(connection, trace_ids))

    def maintain(self, seconds: float = 0.02) -> bool:
        """Do work that can wait, for about so long; whether there is more of it.

        This is the full-text index, without which searching is right, only slower, and every ten
        minutes pruning, if `retention` says so.
        """
        return self._maintenance.maintain(seconds, self.retention())

    def prune(self, retention: Retention) -> Iterator[int]:
        """Remove the oldest traces beyond a bound; yields how many, round by round.

        Other processes write between the rounds; what becomes free is given back to the disk.

        Raises:
            StoreError: the store cannot be changed now.
        """
        return self._maintenance.prune(retention)

    def optimize(self) -> Iterator[int]:
        """Finish the full-text index, and tidy it; yields about how many texts are left.

        Other processes write between the rounds.

        Raises:
            StoreError: the store cannot be changed now.
        """
        return self._maintenance.optimize()

    def empty_log(self, seconds: float) -> bool:
        """Have what was removed leave the log, too; False: others read it for so long.

        It is then tried again by `maintain`, and done by whoever writes or closes next.

        Raises:
            StoreError: the store cannot be changed now.
        """
        return self._maintenance.empty_log(seconds)

    @property
    def pruned(self) -> int:
        """How many traces were removed by `maintain`, because of `retention`."""
        return self._maintenance.pruned

    def delete(self, trace_ids: Sequence[int]) -> int:
        """Remove the traces with these 128-bit ids; how many there were."""
        return self._maintenance.delete(trace_ids)

    def close(self) -> None:
        """Close the file; a store in memory stays."""
        if self._path is not None:
            with contextlib.suppress(StoreError):  # then the number of those left is not reported
                self._maintenance.report()
        super().close()

    def _traces(self, connection: sqlite3.Connection) -> TraceReader:
        return TraceReader(connection, self.unreadable)


def _known(connection: sqlite3.Connection, trace_ids: Sequence[int]) -> set[int]:
    names = orjson.dumps([f"{one:032x}" for one in trace_ids]).decode()
    rows = connection.execute(
        "SELECT trace_id FROM traces WHERE trace_id IN (SELECT value FROM json_each(?))", (names,)
    )
    return {int(one, 16) for (one,) in rows}


def _number(one: NewTrace | TraceUpdate) -> int:
    return one.trace_id if isinstance(one, TraceUpdate) else one.number
