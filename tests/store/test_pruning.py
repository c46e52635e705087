"""Pruning: a bound is kept, and nothing that is still needed goes."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import tracetape
from tracetape.entities import Expectation, Span, TraceState
from tracetape.entities.attachment import Attachment
from tracetape.exceptions import InvalidValueError
from tracetape.live.live_trace import TraceDetails
from tracetape.live.liveness import PROCESS, signs_of_life
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.filters import parse_filter
from tracetape.store.pruning import live_bytes
from tracetape.store.query import TraceQuery
from tracetape.store.retention import EMPTY_BYTES, Retention, parse_retention
from tracetape.tracing.runtime import runtime

DAY = 86_400 * 10**9
TABLES = ("traces", "spans", "contents", "lists", "uses", "late_spans", "assessments")
Make = Callable[..., TraceUpdate]


@pytest.fixture
def make(make_span: Callable[..., Span], update: Callable[..., TraceUpdate]) -> Make:
    """A trace that began some days ago: its prompt is its own, its tools are those of all."""

    def of(number: int, days: float = 0, state: TraceState = TraceState.OK) -> TraceUpdate:
        start = time.time_ns() - int(days * DAY) - 10**9
        inputs = {
            "tools": [{"name": f"tool {n}", "text": "t" * 300} for n in range(3)],
            "messages": [{"content": f"word{number} " + "x" * 3000}, {"content": "y" * 600}],
        }
        span = make_span(
            number, trace_id=number, start_time_ns=start, end_time_ns=start + 5,
            inputs=orjson.dumps(inputs), outputs=b'"answer%d"' % number,
        )  # fmt: skip
        return update(span, trace_id=number, state=state, name=str(number))

    return of


def names(store: SQLiteStore) -> list[str | None]:
    """Of the traces that are there, the oldest first."""
    return [info.name for info in reversed(store.list_traces())]


def build_index(store: SQLiteStore) -> None:
    """All of it."""
    while store.maintain():
        pass


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A store in a file."""
    store = SQLiteStore(tmp_path / "s.db")
    yield store
    store.close()


def test_attachments_go_with_the_last_trace_that_shows_them(store: SQLiteStore, make: Make) -> None:
    """One that a newer trace shows too stays."""
    one, both = (
        Attachment(content_type="image/png", content_bytes=name) for name in (b"one", b"both")
    )
    old, new = make(1, days=9), make(2, days=1)
    old.attachments.update({one.id: one, both.id: both})
    new.attachments[both.id] = both
    store.write([old, new])
    assert sum(store.prune(Retention(seconds=5 * 86_400))) == 1
    assert store.get_attachment(one.id) is None
    kept = store.get_attachment(both.id)
    assert kept is not None
    assert kept.content_bytes == b"both"
    assert sum(store.prune(Retention(seconds=3600))) == 1
    assert store.get_attachment(both.id) is None


def test_old_traces_go_with_all_that_only_they_used(
    store: SQLiteStore, make: Make, tmp_path: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """What newer ones share stays, and they read as before."""
    store.write([make(n, days=10 - n) for n in range(1, 10)])
    expectation = Expectation("e", 1)
    expectation.assessment_id = "a-1"
    store.assess(1, [expectation])
    build_index(store)
    kept = store.get_trace(9)
    assert sum(store.prune(Retention(seconds=3.5 * 86_400))) == 6
    assert names(store) == ["7", "8", "9"]
    assert store.get_trace(9) == kept
    path = tmp_path / "s.db"
    count = {table: query(f"SELECT count(*) FROM {table}", path=path)[0][0] for table in TABLES}
    assert count["contents"] == 3 + 3 + 1  # tools, the prompts, and the message of all
    assert count["assessments"] == 0
    assert sum(store.prune(Retention(seconds=0))) == 3
    for table in TABLES:
        assert query(f"SELECT count(*) FROM {table}", path=path) == [(0,)], table


@pytest.mark.parametrize("indexed", [False, True])
def test_the_index_follows(store: SQLiteStore, make: Make, indexed: bool) -> None:
    """What is gone is not found, what takes its place is."""

    def found(text: str) -> list[str | None]:
        traces = store.search(TraceQuery(parse_filter(f"trace.text LIKE '%{text}%'")))
        return [trace.info.name for trace in traces]

    store.write([make(n, days=n) for n in range(1, 6)])
    if indexed:
        build_index(store)
    assert found("word5 ") == found("answer5") == ["5"]
    list(store.prune(Retention(seconds=0)))
    assert found("word") == found("answer") == []
    store.write([make(n) for n in range(11, 14)])
    for _ in range(2):
        assert found("word12 ") == found("answer12") == ["12"]
        assert found("word5 ") == found("answer5") == []
        build_index(store)
    for table in ("spans_text", "contents_text"):
        store._use(
            store._writer,
            lambda c, t=table: c.execute(f"INSERT INTO {t} ({t}) VALUES ('integrity-check')"),
        )


@pytest.mark.parametrize(("old", "is_written_again"), [(3, False), (60, True)])
def test_few_old_traces_leave_the_index_as_it_is(
    old: int,
    is_written_again: bool,
    store: SQLiteStore,
    make: Make,
    tmp_path: Path,
    query: Callable[..., list[tuple[Any, ...]]],
) -> None:
    """To write all of it again, every ten minutes, is only worth it where much was removed."""
    for n in range(1, 121):
        store.write([make(n, days=5 if n <= old else 0)])
        build_index(store)
    assert sum(store.optimize()) == 0
    pages = "SELECT id, hex(block) FROM contents_text_data WHERE id > 10"
    before = set(query(pages, path=tmp_path / "s.db"))
    assert sum(store.prune(Retention(seconds=86_400))) == old
    assert before.isdisjoint(query(pages, path=tmp_path / "s.db")) is is_written_again
    found = store.find(TraceQuery(parse_filter("trace.text LIKE '%word2%'")))
    assert len(found) == len([n for n in range(old + 1, 121) if str(n).startswith("2")])


def test_few_and_few_are_many_in_the_end(
    store: SQLiteStore, make: Make, query: Callable[..., list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """Retention removes few traces at a time: the index forgets them once they are many."""
    for n in range(1, 61):
        store.write([make(n, days=5 if n <= 6 else 3 if n <= 12 else 0)])
    build_index(store)
    removed = "SELECT id FROM indexed WHERE name = 'removed'"
    assert sum(store.prune(Retention(seconds=4 * 86_400))) == 6
    assert query(removed, path=tmp_path / "s.db") == [(6,)]
    assert sum(store.prune(Retention(seconds=86_400))) == 6
    assert query(removed, path=tmp_path / "s.db") == []


def test_the_oldest_go_until_the_size_is_kept(
    store: SQLiteStore, make: Make, tmp_path: Path
) -> None:
    """The file gets smaller; not much more goes than must."""
    for at in range(0, 1000, 100):
        store.write([make(n, days=20 - n / 100) for n in range(at + 1, at + 101)])
    build_index(store)
    store._use(store._writer, lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    before = os.path.getsize(tmp_path / "s.db")
    bound = before // 2
    removed = sum(store.prune(Retention(max_bytes=bound)))
    store.close()
    assert 0.8 * bound < os.path.getsize(tmp_path / "s.db") <= 1.02 * bound
    assert names(store) == [str(n) for n in range(removed + 1, 1001)]
    assert sum(store.prune(Retention(max_bytes=bound))) == 0


def test_running_traces_stay(store: SQLiteStore, make: Make) -> None:
    """Unless they have been running for longer than a day: their process is gone."""
    running = TraceState.IN_PROGRESS
    store.write([make(1, 3, running), make(2, 0.5, running), make(3, 0.5)])
    list(store.prune(Retention(seconds=0)))
    assert names(store) == ["2"]


def test_writers_go_on_meanwhile(store: SQLiteStore, make: Make, tmp_path: Path) -> None:
    """Another connection writes while hundreds of traces go."""
    for at in range(0, 1000, 100):
        store.write([make(n, days=5) for n in range(at + 1, at + 101)])
    waits: list[float] = []
    done = threading.Event()

    def write() -> None:
        other = SQLiteStore(tmp_path / "s.db")
        number = 10_000
        while not done.is_set():
            number += 1
            began = time.monotonic()
            other.write([make(number)])
            waits.append(time.monotonic() - began)
            time.sleep(0.001)
        other.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert sum(store.prune(Retention(seconds=86_400))) == 1000
    finally:
        done.set()
        thread.join()
    assert len(names(store)) == len(waits) > 0
    assert max(waits) < 2


def test_it_is_done_by_itself_if_configured(store: SQLiteStore, make: Make) -> None:
    """In idle time, when there is nothing else to do."""
    store.write([make(1, 5), make(2)])
    build_index(store)
    assert names(store) == ["1", "2"]
    store.retention = lambda: Retention(seconds=86_400)
    build_index(store)
    assert names(store) == ["2"]


def test_traces_are_deleted_by_their_ids(store: SQLiteStore, make: Make) -> None:
    """And only those."""
    store.write([make(1), make(2)])
    assert store.delete([1, 77]) == 1
    assert names(store) == ["2"]


@pytest.mark.parametrize(
    ("text", "seconds", "max_bytes"),
    [
        ("30d", 30 * 86_400, None),
        ("2GB", None, 2 * 10**9),
        ("1.5 GiB, 12h", 12 * 3600, 1_610_612_736),
        ("90s", 90, None),
        ("4W", 4 * 7 * 86_400, None),
        ("500k", None, 500_000),
        ("200KiB", None, 204_800),
        ("30 days, 2 GB", 30 * 86_400, 2 * 10**9),
    ],
)
def test_bounds_in_words(text: str, seconds: float | None, max_bytes: int | None) -> None:
    """Ages, sizes, and both."""
    assert parse_retention(text) == Retention(seconds, max_bytes)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "3 parsecs", "-1d", "1d 2GB"),
        *("30", "0", "1", "1000", "500M", "30M", "5 M"),  # no unit, or one with two meanings
        *("0d", "0s", "0GB", "1kB", "100kB", "30d, 1B"),  # would keep nothing
    ],
)
def test_bounds_that_are_none(text: str) -> None:
    """The error shows how they are written; nothing is removed on a guess."""
    with pytest.raises(InvalidValueError, match="500MB"):
        parse_retention(text)


def test_an_empty_store_is_smaller_than_the_smallest_bound(store: SQLiteStore) -> None:
    """Else a bound would remove whatever is written."""
    store.write([])
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"))
    size = live_bytes(connection)
    connection.close()
    assert size <= EMPTY_BYTES
    with pytest.raises(InvalidValueError, match="too small"):
        parse_retention(f"{size - 1}B")


@pytest.mark.parametrize(("old", "level"), [(20, "WARNING"), (2, "INFO")])
def test_what_was_pruned_is_reported_once(
    old: int, level: str, store: SQLiteStore, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning, if that was most of the store; the counter has it in any case."""
    caplog.set_level("INFO")
    store.write([*(make(n, 5) for n in range(1, old + 1)), make(99)])
    store.retention = lambda: Retention(seconds=86_400)
    build_index(store)
    store.close()
    store.close()
    (record,) = [one for one in caplog.records if "retention" in one.getMessage()]
    assert record.levelname == level
    assert f"{old} traces were removed" in record.getMessage()
    assert store.pruned == old


def test_a_new_file_can_give_space_back(store: SQLiteStore, tmp_path: Path) -> None:
    """Incremental vacuum is on from its first page."""
    store.open()
    connection = sqlite3.connect(tmp_path / "s.db")
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


@pytest.mark.parametrize("how", ["delete", "prune"])
def test_what_is_removed_is_in_no_file(how: str, tmp_path: Path) -> None:
    """Neither in the database nor in its log, while the store stays open and is read."""
    path = tmp_path / "s.db"
    with tracetape.configure(store=str(path)):
        for number in range(40):
            with tracetape.start_span("step") as span:
                span.set_inputs({"question": f"removed {number:03d} " + "lorem ipsum " * 50})
                tracetape.update_current_trace(tags={"note": f"removed {number:03d}"})
        assert tracetape.flush(30) == 0
        store = runtime.recorder.store
        assert isinstance(store, SQLiteStore)
        assert b"removed 007" in raw(path)
        if how == "delete":
            found = tracetape.search_traces(return_type="list", include_spans=False)
            store.delete([int(trace.info.trace_id[3:], 16) for trace in found])
        else:
            time.sleep(0.01)
            assert sum(store.prune(Retention(seconds=0.001))) == 40
        assert b"removed 0" not in raw(path)


def raw(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))


def test_traces_of_a_killed_program_go_by_their_age(store: SQLiteStore, make: Make) -> None:
    """At once: nobody will end them. Those of a living one, and of another machine, stay."""
    mine = signs_of_life()[PROCESS]
    host, _, start = mine.split("/")
    by = {
        1: f"{host}/{2**30}/{start}",
        2: mine,
        3: f"elsewhere/{2**30}/{start}",
        4: "rubbish",
        5: f"{host}/{os.getpid()}/{start}0",
    }
    updates = [make(number, 0.1, TraceState.IN_PROGRESS) for number in by]
    for update, process in zip(updates, by.values(), strict=True):
        update.details = TraceDetails(metadata={PROCESS: process})
    store.write(updates)
    assert sum(store.prune(Retention(seconds=7200))) == 2
    assert names(store) == ["2", "3", "4"]
