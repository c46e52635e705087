"""Many traces are read at once as they are read one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.entities import Feedback, Span
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.connections import StoreConnection

COUNT = 450  # more than are read at once


@pytest.fixture
def path(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> Path:
    """A store of conversations that share their messages, some without spans, some judged."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    updates = []
    for number in range(1, COUNT + 1):
        messages = [
            {"role": "user", "content": f"{turn} {'x' * 600}"} for turn in range(number % 9)
        ]
        inputs = orjson.dumps({"messages": messages, "model": "m"})
        root = make_span(trace_id=number, inputs=inputs, outputs=orjson.dumps("y" * 1100))
        child = make_span(0xB, 0xA, trace_id=number, inputs=None, outputs=orjson.dumps(number))
        updates.append(update(*([root, child] if number % 10 else []), trace_id=number))
    store.write(updates)
    for number in (3, 4, 400):
        feedback = Feedback("f", number)
        feedback.assessment_id = f"a-{number}"
        store.assess(number, [feedback])
    store.close()
    return path


@pytest.mark.parametrize("most", [1, 20_000, 4_000_000])
def test_many_are_what_each_is(path: Path, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order asked for, one that is named twice too, those that are not there left out."""
    monkeypatch.setattr("tracetape.store.sqlite._BATCH_BYTES", most)
    wanted = [7, 10**9, 7, *range(COUNT, 0, -1), 3, 10**9]
    store = SQLiteStore(path, read_only=True)
    one_by_one = [trace for n in wanted if (trace := store.get_trace(n)) is not None]
    many = list(store.get_traces(wanted))
    assert many == one_by_one
    assert [trace.to_json() for trace in many] == [trace.to_json() for trace in one_by_one]
    assert list(store.get_traces([])) == []
    store.close()


def test_what_is_damaged_is_left_out_as_one_by_one(path: Path) -> None:
    """Traces, spans, contents, lists, judgements, text that is not in UTF-8; the count is equal."""
    connection = sqlite3.connect(path)
    for change in (
        "UPDATE traces SET state = 'WAT' WHERE id = 5",
        "UPDATE spans SET status = 'WAT' WHERE trace = 6",
        "UPDATE spans SET name = CAST(X'ff' AS TEXT) WHERE trace = 7",
        "UPDATE spans SET inputs = X'1f6339393939391f' WHERE trace = 8",
        "UPDATE spans SET inputs = X'1f781f', outputs = X'1f6c39393939391f' WHERE trace = 9",
        "UPDATE contents SET data = X'ff' WHERE id = (SELECT content FROM lists WHERE id = 5)",
        "UPDATE lists SET before = id WHERE id = 7",
        "UPDATE assessments SET data = '{}' WHERE trace = 4",
    ):
        assert connection.execute(change).rowcount
    connection.commit()
    connection.close()
    numbers = list(range(1, COUNT + 1))
    first, second = (SQLiteStore(path, read_only=True) for _ in range(2))
    one_by_one = [trace for n in numbers if (trace := first.get_trace(n)) is not None]
    many = list(second.get_traces(numbers))
    assert [trace.to_json() for trace in many] == [trace.to_json() for trace in one_by_one]
    assert len(many) == COUNT - 1
    assert second.unreadable.count() == first.unreadable.count() > 5
    first.close()
    second.close()


def test_many_take_few_queries(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than two a trace: its spans, and a part of what is asked for many."""
    asked = []
    own = StoreConnection.execute

    def execute(self: sqlite3.Connection, sql: str, *values: Any) -> sqlite3.Cursor:
        asked.append(sql)
        return own(self, sql, *values)

    monkeypatch.setattr(StoreConnection, "execute", execute, raising=False)
    store = SQLiteStore(path, read_only=True)
    assert len(list(store.get_traces(range(1, COUNT + 1)))) == COUNT
    store.close()
    assert len(asked) < 2 * COUNT


def test_few_large_ones_are_held_at_once(
    tmp_path: Path,
    make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a bound of bytes is reached, no more are read before these are handed on."""
    monkeypatch.setattr("tracetape.store.sqlite._BATCH_BYTES", 10_000)
    store = SQLiteStore(tmp_path / "s.db")
    data = orjson.dumps("z" * 5000)
    store.write([update(make_span(trace_id=n, inputs=data), trace_id=n) for n in range(1, 101)])
    traces = store.get_traces(range(1, 101))
    next(traces)
    store.delete(range(41, 101))
    assert len(list(traces)) < 40
    store.close()


def test_a_trace_of_many_spans_is_read_alone(
    tmp_path: Path,
    make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its conversations may be far larger than what the store keeps of them."""
    monkeypatch.setattr("tracetape.store.sqlite._BATCH_BYTES", 1)
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update(make_span(trace_id=n), trace_id=n, span_count=500) for n in range(1, 6)])
    traces = store.get_traces(range(1, 6))
    next(traces)
    store.delete(range(2, 6))
    assert list(traces) == []
    store.close()
