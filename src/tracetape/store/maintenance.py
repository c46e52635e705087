"""Maintenance of a store: building the index, removing traces, giving space back."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import orjson

from tracetape._system import pause, perf_counter, wall_clock_ns
from tracetape.diagnostics import logger
from tracetape.store.briefs import brief_some
from tracetape.store.dedup import ContentWriter
from tracetape.store.fulltext import index_some, is_worn, merge_some, unindexed_texts
from tracetape.store.pruning import live_bytes, oldest_traces, remove_traces
from tracetape.store.retention import Retention

__all__ = ["Maintenance"]

_T = TypeVar("_T")
_PRUNE_SECONDS = 600.0  # how often `maintain` looks whether there is something to prune
_TRACES = 50  # removed in one transaction, so that other writers wait for some ms at most
_PAGES = 2000  # given back to the disk in one transaction
_INDEX_SECONDS = 0.2  # between two reports of how much is left
_PAUSE_SECONDS = 0.002  # in which others get their turn
_LOG_SECONDS = 1.0  # between two attempts to empty the log that others read
_LOG_PAUSE = 0.03
_LOG_WAIT = 20  # milliseconds of an attempt, for which writers wait, too
_SLACK = 0.02  # of the traces go beyond the estimate: making room twice costs more
_MANY = 10  # traces; that most of a store with fewer is pruned is nothing to warn of
_LEAVE = 0.9  # of the bound, when pruning on its own, so that it is not begun every time


class _Run(Protocol):
    def __call__(self, work: Callable[[sqlite3.Connection], _T], /) -> _T: ...


class Maintenance:
    """Work on the writing connection of one store, in short transactions."""

    def __init__(
        self,
        run: _Run,
        transaction: Callable[[sqlite3.Connection], AbstractContextManager[ContentWriter]],
    ) -> None:
        """Do nothing yet.

        Args:
            run: calls a function with the connection, which no other thread uses meanwhile.
            transaction: a transaction on it.
        """
        self._run = run
        self._transaction = transaction
        self._pruning: Iterator[int] = iter(())
        self._prune_at = 0.0
        self.pruned = 0  # traces that were removed because of `retention`
        self._unsaid: tuple[int, Retention | None] = (0, None)
        self._log_at = math.inf  # when to try again to empty the log

    def maintain(self, seconds: float, retention: Retention | None) -> bool:
        """As `SQLiteStore.maintain`."""
        if self._index(seconds):
            return True
        count = next(self._pruning, None)
        if count is not None:
            self.pruned += count
            self._unsaid = (self._unsaid[0] + count, retention)
            return True
        self.report()
        if perf_counter() > self._log_at:
            self.empty_log(0.0)
        if retention is None or perf_counter() < self._prune_at:
            return False
        self._prune_at = perf_counter() + _PRUNE_SECONDS
        self._pruning = self.prune(retention, leave=_LEAVE)
        return True

    def optimize(self) -> Iterator[int]:
        """As `SQLiteStore.optimize`."""
        more = True
        while more:
            more = self._index(_INDEX_SECONDS)
            yield self._run(unindexed_texts)
            pause(_PAUSE_SECONDS)
        yield from (0 for _ in self._give_back())

    def _index(self, seconds: float) -> bool:
        deadline = perf_counter() + seconds

        def work(connection: sqlite3.Connection) -> bool:
            while True:
                with self._transaction(connection) as contents:
                    # First what takes microseconds a span, and helps every filter.
                    more = brief_some(connection, contents.roots) or index_some(connection)
                if not more or perf_counter() > deadline:
                    return more

        return self._run(work)

    def report(self) -> None:
        """Say what was pruned since the last report; a warning, if that was most of the store."""
        (removed, retention), self._unsaid = self._unsaid, (0, None)
        if not removed:
            return
        ((left,),) = self._run(
            lambda connection: connection.execute("SELECT count(*) FROM traces").fetchall()
        )
        say = logger.warning if removed >= _MANY and removed > left else logger.info
        say(
            "tracetape: %d traces were removed by the retention of %s, and %d are left. "
            "TRACETAPE_RETENTION sets another one.",
            removed,
            retention,
            left,
        )

    def prune(self, retention: Retention, leave: float = 1.0) -> Iterator[int]:
        """As `SQLiteStore.prune`; beyond a size, what is left is this share of it."""
        removed = 0
        if retention.seconds is not None:
            before = max(0, wall_clock_ns() - int(retention.seconds * 10**9))
            while count := self._remove_oldest(_TRACES, before):
                removed += count
                yield count
        if removed:
            yield from self._give_back(merge=self._run(is_worn))
        if retention.max_bytes is None:
            return
        while (excess := self._excess(retention.max_bytes)) > 0:
            left = self._beyond(int(retention.max_bytes * leave))
            while left > 0 and (count := self._remove_oldest(min(left, _TRACES), None)):
                left -= count
                yield count
            yield from self._give_back()
            if self._excess(retention.max_bytes) >= excess:
                return  # what is left runs, or is not a trace's

    def evict(self, max_bytes: int) -> int:
        """Remove the oldest traces of a store in memory until there is room again; how many."""
        removed = 0
        if self._excess(max_bytes) <= 0:
            return removed
        while self._excess(int(max_bytes * _LEAVE)) > 0:
            left = min(max(1, self._beyond(int(max_bytes * _LEAVE))), _TRACES)
            # Running ones only if nothing else is left.
            count = self._remove_oldest(left, None) or self._remove_oldest(1, None, running=True)
            if not count:
                break
            removed += count
        return removed

    def delete(self, trace_ids: Sequence[int]) -> int:
        """As `SQLiteStore.delete`."""
        ids = orjson.dumps([f"{one:032x}" for one in trace_ids]).decode()

        def work(connection: sqlite3.Connection) -> int:
            with self._transaction(connection) as contents:
                rows = connection.execute(
                    "SELECT id FROM traces WHERE trace_id IN (SELECT value FROM json_each(?))",
                    (ids,),
                ).fetchall()
                remove_traces(connection, [key for (key,) in rows])
                contents.forget()
            return len(rows)

        removed = self._run(work)
        self.empty_log(0.0)
        return removed

    def empty_log(self, seconds: float) -> bool:
        """As `SQLiteStore.empty_log`."""
        end = perf_counter() + seconds
        while not self._run(_empty_log):
            self._log_at = perf_counter() + _LOG_SECONDS
            if perf_counter() >= end:
                return False
            pause(_LOG_PAUSE)
        self._log_at = math.inf
        return True

    def _remove_oldest(self, limit: int, before_ns: int | None, *, running: bool = False) -> int:
        def work(connection: sqlite3.Connection) -> int:
            with self._transaction(connection) as contents:
                now = (1 << 62) if running else wall_clock_ns()
                keys = oldest_traces(connection, limit, now, before_ns)
                remove_traces(connection, keys)
                contents.forget()
            return len(keys)

        pause(_PAUSE_SECONDS)
        return self._run(work)

    def _give_back(self, *, merge: bool = True) -> Iterator[int]:
        """Have the file get smaller, and the index forget what was removed.

        Args:
            merge: write all of the index again; else what was removed takes its space in it.
        """
        merging, free = self._run(lambda connection: self._merge(connection, merge, begin=merge))
        while merging or free:
            yield 0
            pause(_PAUSE_SECONDS)
            merging, left = self._run(
                lambda connection: self._merge(connection, merge, begin=False)
            )
            if not merging and left >= free:
                break  # a file of an older version keeps its free pages, to use them again
            free = left
        self.empty_log(0.0)

    def _merge(self, connection: sqlite3.Connection, merge: bool, begin: bool) -> tuple[bool, int]:
        more = False
        if merge:
            with self._transaction(connection):
                more = merge_some(connection, begin)
        # By a script, as each step of the statement gives back one page.
        connection.executescript(f"PRAGMA incremental_vacuum({_PAGES})")
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        return more, int(free)

    def _excess(self, max_bytes: int) -> int:
        return self._run(live_bytes) - max_bytes

    def _beyond(self, max_bytes: int) -> int:
        """How many traces make up what is beyond a size, as far as one can tell."""

        def work(connection: sqlite3.Connection) -> int:
            (total,) = connection.execute("SELECT count(*) FROM traces").fetchone()
            return math.ceil(int(total) * (1 - max_bytes / live_bytes(connection) + _SLACK))

        return self._run(work)


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Empty the log, which still has what was removed; False: others read it, or write to it."""
    (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {_LOG_WAIT}")
    try:
        (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout}")
    return not is_busy
