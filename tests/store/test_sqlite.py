"""The SQLite store: what is written reads back, from whatever process it came."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import stat
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_spans import span_of as make_span
from store_spans import update_of as update

from tracetape import TracetapeException
from tracetape.entities import Span, SpanEvent, SpanStatus, TraceState
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.exceptions import StoreError
from tracetape.live.live_trace import TraceDetails
from tracetape.store import SQLiteStore
from tracetape.store.query import Comparison, Order, TraceQuery
from tracetape.store.schema import VERSION
from tracetape.store.sql import select_traces

ROOT, CHILD = 0xA, 0xB


def slots(span: Span) -> dict[str, Any]:
    """All that a span holds."""
    return {slot: getattr(record_of(span), slot) for slot in SpanRecord.__slots__}


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SQLiteStore]:
    """A store of either kind."""
    store = SQLiteStore(tmp_path / "s.db" if request.param == "file" else None)
    yield store
    store.close()


WHOLE = make_span(
    CHILD,
    ROOT,
    trace_id=2**128 - 1,
    name="Schritt ü\n\U0001f600\x00",
    span_type="own type",
    inputs='{"q":"Käse","n":[1,2.5,null,true]}'.encode(),
    outputs=b'"text"',
    attributes={"s": "ü", "n": 1, "b": True, "none": None, "deep": b'{"a":[1]}', "f": b"0.5"},
    fields={
        "model": "gemma",
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        "finish_reasons": ["stop"],
    },
    events=[("retry", 5, b'{"attempt":1}'), ("retry", 6, b"{}")],
    status=SpanStatus("ERROR", "ValueError: nö"),
)


def test_every_field_of_a_span_reads_back(store: SQLiteStore) -> None:
    """A whole span, through the file."""
    store.write([update(WHOLE, trace_id=2**128 - 1)])
    trace = store.get_trace(2**128 - 1)
    assert trace is not None
    (span,) = trace.data.spans
    assert type(span) is Span
    assert {**slots(span), "attributes": 0} == {**slots(WHOLE), "attributes": 0}
    assert span.attributes == WHOLE.attributes
    assert span.events == [SpanEvent("retry", 5, {"attempt": 1}), SpanEvent("retry", 6, {})]


def test_every_field_of_a_trace_reads_back(store: SQLiteStore) -> None:
    """What is known of the whole."""
    tokens = {
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 5,
        "reasoning_tokens": 6,
    }
    store.write(
        [
            update(
                make_span(),
                start_ns=2_500_000,
                end_ns=9_600_000,
                state=TraceState.ERROR,
                name="answer",
                request_preview="{}",
                response_preview="ü",
                span_count=1,
                error_count=1,
                sums=tokens,
            )
        ]
    )
    trace = store.get_trace(1)
    assert trace is not None
    info = trace.info
    assert store.list_traces(5) == [info]
    assert (info.trace_id, info.name, info.state) == ("tr-" + "0" * 31 + "1", "answer", "ERROR")
    assert isinstance(info.state, TraceState)
    assert (info.request_time, info.execution_duration, info.duration_ns) == (2, 7, 7_100_000)
    assert (info.request_preview, info.response_preview) == ("{}", "ü")
    assert (info.span_count, info.error_count, info.token_usage) == (1, 1, tokens)


def test_an_open_span_is_completed_later(store: SQLiteStore) -> None:
    """The same span again brings it up to date; an old view of it does not set it back."""
    opened = make_span(end_time_ns=None, status=SpanStatus("UNSET"))
    ended = make_span(outputs=b"1")
    store.write([update(opened, name="step")])
    trace = store.get_trace(1)
    assert trace is not None
    assert (trace.data.spans[0].end_time_ns, trace.info.state) == (None, TraceState.IN_PROGRESS)
    assert (trace.info.span_count, trace.info.duration_ns) == (0, None)
    end = ended.end_time_ns
    store.write([update(ended, span_count=1, state=TraceState.OK, end_ns=end)])
    store.write([update(opened)])
    trace = store.get_trace(1)
    assert trace is not None
    assert [slots(span) for span in trace.data.spans] == [slots(ended)]
    assert (trace.info.state, trace.info.span_count, trace.info.name) == ("OK", 1, "step")


@pytest.mark.parametrize("size", [1, 1000])
def test_the_first_end_of_a_span_is_the_one_that_counts(tmp_path: Path, size: int) -> None:
    """In one batch or two: the index of texts and the briefs know no other, and all is deleted."""
    store = SQLiteStore(tmp_path / "s.db")
    first, second = (b'"%s"' % (word * size) for word in (b"giraffe ", b"zebra "))
    ended, again = make_span(inputs=first), make_span(inputs=second)
    store.write([update(ended, end_ns=9, state=TraceState.OK), update(again)])
    for _ in range(2):
        texts = [Comparison("trace", "text", "LIKE", f"%{one}%") for one in ("giraffe", "zebra")]
        assert [len(store.find(TraceQuery(text))) for text in texts] == [1, 0]
        trace = store.get_trace(1)
        assert trace is not None
        assert [slots(span) for span in trace.data.spans] == [slots(ended)]
        while store.maintain(1):
            pass
        store.write([update(again)])
    store.delete([1])
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection:
        for table in ("spans", "contents", "uses", "lists", "late_spans", "brief_spans"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        for table in ("spans_text", "contents_text"):
            left = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
            assert not [*connection.execute(left, ('"gir" OR "zeb"',))]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_parts_of_one_trace_from_several_processes(
    order: tuple[int, ...], store: SQLiteStore
) -> None:
    """Counts and tokens add up; name, state and end come from the process with the root."""
    parts = [
        update(
            make_span(ROOT),
            start_ns=100,
            end_ns=900,
            state=TraceState.ERROR,
            name="root",
            request_preview="q",
            response_preview="a",
            span_count=1,
            error_count=1,
            sums={"input_tokens": 1},
        ),
        update(
            make_span(CHILD, ROOT),
            start_ns=50,  # its clock is behind
            span_count=1,
            sums={"input_tokens": 10, "output_tokens": 5},
        ),
        update(make_span(0xC, ROOT), start_ns=300, span_count=1, error_count=1),
    ]
    for index in order:
        store.write([parts[index]])
    trace = store.get_trace(1)
    assert trace is not None
    info = trace.info
    assert (info.name, info.state, info.duration_ns) == ("root", TraceState.ERROR, 850)
    assert (info.request_preview, info.response_preview) == ("q", "a")
    assert (info.span_count, info.error_count) == (3, 2)
    assert info.token_usage == {"input_tokens": 11, "output_tokens": 5}
    assert trace.data.spans[0].span_id == "000000000000000a"


def test_tokens_may_be_taken_back(store: SQLiteStore) -> None:
    """When a parent brings a sum of its own, a difference may be negative."""
    store.write([update(make_span(CHILD, ROOT), sums={"input_tokens": 5, "output_tokens": 2})])
    store.write([update(make_span(), sums={"input_tokens": 3, "output_tokens": -2})])
    assert store.list_traces(1)[0].token_usage == {"input_tokens": 8, "output_tokens": 0}


def test_a_batch_is_written_whole_or_not_at_all(store: SQLiteStore) -> None:
    """One bad row keeps the others of its transaction out, and the store stays usable."""
    bad = update(make_span(), trace_id=2, start_ns=2**80)
    with pytest.raises(Exception):  # noqa: B017 - what it is, is the recorder's affair
        store.write([update(make_span()), bad])
    assert store.list_traces(5) == []
    store.write([update(make_span())])
    assert len(store.list_traces(5)) == 1


def test_traces_are_listed_newest_first(store: SQLiteStore) -> None:
    """By their start; running ones too; no more than asked for."""
    numbers = list(range(1, 9))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        store.write([update(trace_id=number, start_ns=number * 10**9, name=str(number))])
    assert [info.name for info in store.list_traces(100)] == list("87654321")
    assert [info.name for info in store.list_traces(3)] == list("876")
    assert store.list_traces(0) == []


def test_ids_are_resolved_by_prefix(store: SQLiteStore) -> None:
    """At most ten, in either case; nothing for what is no prefix."""
    first, second = int("abc1" + "0" * 28, 16), int("abc2" + "f" * 28, 16)
    store.write([update(trace_id=first), update(trace_id=second)])
    assert store.resolve("abc") == [first, second]
    assert store.resolve("ABC2") == [second]
    assert store.resolve(f"{first:032x}") == [first]
    assert store.resolve("") == [first, second]
    for unknown in ("abd", "abc1" + "0" * 29, "%", "xyz", "'"):
        assert store.resolve(unknown) == []
    store.write([update(trace_id=n) for n in range(1, 30)])
    assert len(store.resolve("0")) == 10


def test_an_unknown_trace_is_none(store: SQLiteStore) -> None:
    """And an empty store has none."""
    assert store.get_trace(12345) is None
    assert store.list_traces(10) == []
    assert store.resolve("a") == []


def test_a_closed_store_opens_again(store: SQLiteStore) -> None:
    """With everything that was in it."""
    store.write([update(make_span())])
    store.close()
    store.close()
    assert store.get_trace(1) is not None
    store.write([update(make_span(CHILD, ROOT))])
    assert len(store.list_traces(5)) == 1


# -- the file ------------------------------------------------------------------------------


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    """Naming a store touches no disk."""
    SQLiteStore(tmp_path / "deep" / "s.db").close()
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_the_users_alone(tmp_path: Path) -> None:
    """Mode 0600, its side files too."""
    before = os.umask(0)
    try:
        store = SQLiteStore(tmp_path / "deep" / "s.db")
        store.write([update(make_span())])
        files = sorted((tmp_path / "deep").iterdir())
    finally:
        os.umask(before)
    assert "s.db" in [file.name for file in files]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    store.close()


def test_the_default_folder_keeps_itself_out_of_git(tmp_path: Path) -> None:
    """Only the folder that we make; another folder is left as it is."""
    for folder in (".tracetape", "other"):
        store = SQLiteStore(tmp_path / folder / "traces.db")
        store.open()
        store.close()
    assert (tmp_path / ".tracetape" / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "other" / ".gitignore").exists()


def test_it_is_a_database_that_others_can_read(
    tmp_path: Path, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Readers are not held up by the writer: write-ahead logging; the schema has a number."""
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update(make_span())])
    path = tmp_path / "s.db"
    assert query("PRAGMA journal_mode", path=path) == [("wal",)]
    assert query("PRAGMA user_version", path=path) == [(VERSION,)]
    assert query("PRAGMA integrity_check", path=path) == [("ok",)]
    assert query("SELECT name, type, status, end_ns IS NULL FROM spans", path=path) == [
        ("step", "CHAIN", "OK", 0)
    ]
    store.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """With both versions and what to do; the file is left as it is."""
    path = tmp_path / "s.db"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 7}")
    connection.close()
    for read_only in (False, True):
        store = SQLiteStore(path, read_only=read_only)
        with pytest.raises(StoreError, match=f"version {VERSION + 7}.*upgrade tracetape"):
            store.list_traces(1)
        store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """It is left as it is, and the error names it."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes, " * 1000)
    store = SQLiteStore(path)
    with pytest.raises(TracetapeException, match=r"notes\.txt cannot be opened: .*not a database"):
        store.open()
    with pytest.raises(StoreError):
        store.get_trace(1)
    assert path.read_text() == "my notes, " * 1000


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    """We make no tables in it."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (id INTEGER)")
    connection.commit()
    for read_only in (False, True):
        store = SQLiteStore(path, read_only=read_only)
        with pytest.raises(StoreError, match="another program"):
            store.list_traces(1)
        store.close()
    names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert names == [("orders",)]


@pytest.mark.parametrize("place", ["a directory", "below a file", "in a locked folder"])
def test_a_path_that_cannot_be_written_is_a_clear_error(place: str, tmp_path: Path) -> None:
    """The error names the path and how to name another."""
    if place == "a directory":
        path = tmp_path
    elif place == "below a file":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "s.db"
    else:
        if os.geteuid() == 0:
            pytest.skip("nothing is locked for root")
        (tmp_path / "locked").mkdir(mode=0o500)
        path = tmp_path / "locked" / "s.db"
    with pytest.raises(StoreError, match="TRACETAPE_STORE") as caught:
        SQLiteStore(path).write([update(make_span())])
    assert str(path) in str(caught.value)


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    """It says where it looked, and what to do."""
    path = tmp_path / "deep" / "s.db"
    with pytest.raises(StoreError, match=r"there is no trace store at .*s\.db") as caught:
        SQLiteStore(path, read_only=True).list_traces(1)
    assert "--store" in str(caught.value)
    assert not path.parent.exists()


def test_a_locked_file_is_an_error_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A StoreError, after which the same call succeeds."""
    monkeypatch.setattr("tracetape.store.connections.BUSY_SECONDS", 0.05)
    store = SQLiteStore(tmp_path / "s.db")
    store.open()
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.write([update(make_span())])
    assert store.list_traces(1) == []  # readers go on
    other.execute("ROLLBACK")
    other.close()
    store.write([update(make_span())])
    assert len(store.list_traces(1)) == 1
    store.close()


def test_a_store_in_memory_ends_with_its_last_reference() -> None:
    """Without waiting for the garbage collector, before which Python 3.13 would warn."""
    store = SQLiteStore(None)
    store.open()
    while store.maintain():
        pass
    gone = weakref.ref(store)
    del store
    assert gone() is None


def test_sessions_beyond_the_newest_traces_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the index on sessions, each by its newest trace that is meant."""
    monkeypatch.setattr("tracetape.store.sessions._LOOKED_THROUGH", 2)
    store = SQLiteStore(tmp_path / "s.db")
    ok = {"state": TraceState.OK, "end_ns": 9}
    for n in range(1, 10):
        details = TraceDetails(metadata={"mlflow.trace.session": f"s{n % 3}"} if n < 7 else {})
        store.write([update(trace_id=n, start_ns=n, details=details, **ok)])
    ended = Comparison("trace", "status", "!=", "IN_PROGRESS")
    assert store.sessions(ended, 10) == ["s0", "s2", "s1"]
    assert store.sessions(ended, 2) == ["s0", "s2"]
    store.close()


def test_sorting_and_filters_on_spans_touch_few_rows(tmp_path: Path) -> None:
    """Ids alone are sorted; spans are gone through once, not looked up for each trace."""
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update(make_span())])
    plans: dict[str, str] = {}
    for name, query in {
        "sorted": TraceQuery(order=(Order("name"),), limit=5),
        "of spans": TraceQuery(Comparison("span", "name", "=", "none")),
    }.items():
        text, values = select_traces(query, "SELECT t.id FROM traces t")
        with store._reader as connection:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()
        plans[name] = " / ".join(row[-1] for row in rows)
    store.close()
    assert "LIST SUBQUERY" in plans["sorted"]
    assert "CORRELATED" not in plans["of spans"]
