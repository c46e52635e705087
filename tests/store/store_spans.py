"""Spans and updates as a recorder would hand them to a store: fixtures of several rooms."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from tracetape.entities import Span, SpanStatus
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.store import TraceUpdate
from tracetape.store.connections import StoreConnection


def span_of(span_id: int = 0xA, parent_id: int | None = None, **other: Any) -> Span:
    """A finished span."""
    values: dict[str, Any] = {
        "trace_id": 1,
        "name": "step",
        "span_type": "CHAIN",
        "start_time_ns": 1_700_000_000_000_000_001,
        "end_time_ns": 1_700_000_000_000_000_777,
        "inputs": None,
        "outputs": None,
        "attributes": None,
        "fields": None,
        "events": None,
        "status": SpanStatus("OK"),
    }
    record = SpanRecord(span_id=span_id, parent_id=parent_id, **{**values, **other})
    return Span(record)


def update_of(*spans: Span, trace_id: int = 1, **other: Any) -> TraceUpdate:
    """What a process learnt of a trace: its spans, by default those of trace 1."""
    start = min((span.start_time_ns for span in spans), default=5)
    return TraceUpdate(
        trace_id, **{"start_ns": start, "spans": [record_of(span) for span in spans], **other}
    )


@pytest.fixture
def make_span() -> Callable[..., Span]:
    """A finished span."""
    return span_of


@pytest.fixture
def update() -> Callable[..., TraceUpdate]:
    """What a process learnt of a trace: its spans, by default those of trace 1."""
    return update_of


@pytest.fixture(autouse=True)
def as_the_newest_sqlite3(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's statements number no parameters: Python 3.14 refuses that, 3.12 warns of it."""

    def guarded(method: str) -> Callable[..., sqlite3.Cursor]:
        own: Callable[..., sqlite3.Cursor] = getattr(sqlite3.Connection, method)

        def execute(self: sqlite3.Connection, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if re.search(r"\?\d", sql):
                raise sqlite3.ProgrammingError(f"parameters are numbered in {sql}")
            return own(self, sql, *parameters)

        return execute

    for method in ("execute", "executemany"):
        monkeypatch.setattr(StoreConnection, method, guarded(method), raising=False)
