"""A store that the test can block and break."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import tracetape
from tracetape.entities import Trace, TraceInfo
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore, TraceUpdate


class Troubled:
    """A store around another, whose `write` waits while `open` is clear, and raises `error`."""

    def __init__(self, inner: SQLiteStore) -> None:
        self.inner = inner
        self.error: Exception | None = None
        self.attempts = 0
        self.open = threading.Event()
        self.open.set()

    def maintain(self) -> bool:
        """Nothing to do."""
        return False

    @property
    def url(self) -> str:
        """The inner store's."""
        return self.inner.url

    def write(self, updates: Sequence[TraceUpdate]) -> None:
        """As the test wants it."""
        self.attempts += 1
        self.open.wait(60)
        if self.error is not None:
            raise self.error
        self.inner.write(updates)

    def fail(self) -> None:
        """From now on every write fails."""
        self.error = StoreError("the disk is full")

    def get_trace(self, trace_id: int) -> Trace | None:
        """The inner store's."""
        return self.inner.get_trace(trace_id)

    def list_traces(self, limit: int) -> list[TraceInfo]:
        """The inner store's."""
        return self.inner.list_traces(limit)

    def resolve(self, prefix: str) -> list[int]:
        """The inner store's."""
        return self.inner.resolve(prefix)

    def close(self) -> None:
        """The inner store's."""
        self.inner.close()


@pytest.fixture
def troubled(
    isolated: None, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Troubled]:
    """The store that this test writes to; healed when the test ends."""
    monkeypatch.setattr("tracetape.recorder.writing._RETRY_SECONDS", 0.02)
    store = Troubled(SQLiteStore(store_path))
    tracetape.configure(store=store)
    yield store
    store.error = None
    store.open.set()
