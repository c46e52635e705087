"""Traces of a block of code, kept in memory and read like a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from tracetape.entities import Trace
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore
from tracetape.tracing.runtime import runtime

__all__ = ["CapturedTraces", "capture"]


class CapturedTraces(Sequence[Trace]):
    """The traces recorded so far, oldest first; each access looks anew."""

    def __init__(self, recorder: Recorder) -> None:
        """Read what `recorder` took."""
        self._recorder = recorder

    def _now(self) -> list[Trace]:
        self._recorder.flush()
        infos = reversed(self._recorder.store.list_traces())
        found = [self._recorder.read(int(info.trace_id.removeprefix("tr-"), 16)) for info in infos]
        return [trace for trace in found if trace is not None]

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trace]: ...
    def __getitem__(self, index: int | slice) -> Trace | list[Trace]:
        return self._now()[index]

    def __len__(self) -> int:
        return len(self._now())

    def __repr__(self) -> str:
        return f"CapturedTraces({self._now()!r})"


@contextmanager
def capture() -> Iterator[CapturedTraces]:
    """Keep the traces of a block in memory instead of the store.

    They stay readable after the block. Spans of other threads land here too meanwhile.
    """
    store = SQLiteStore(None)
    recorder = Recorder(lambda: store)
    before = runtime.use_recorder(recorder)
    try:
        yield CapturedTraces(recorder)
    finally:
        runtime.use_recorder(before)
        recorder.close()
