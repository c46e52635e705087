"""Traces of a block of code, kept in memory and read like a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import overload

from tracetape.entities import Trace
from tracetape.formats.ids import parse_trace_id
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore
from tracetape.tracing.runtime import runtime

__all__ = ["CapturedTrace", "CapturedTraces", "capture"]

_TRACE_ID = re.compile(r"\btr-[0-9a-f]{32}\b")  # references to media name their trace


class CapturedTrace(Trace):
    """A trace that can be compared with a snapshot; equal to any trace with the same content."""

    __hash__ = Trace.__hash__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return self.info == other.info and self.data == other.data

    def tree(self, *, full: bool = False) -> str:
        """The spans as an indented tree of text, without what another run would not repeat.

        Names, types, models, tokens, errors, and inputs and outputs: previews of them, or all if
        `full`. Durations, moments and ids of spans and traces are left out.
        """
        from tracetape.views import tree_text

        text = tree_text(self, times=False, full=full)
        return _TRACE_ID.sub(lambda found: "…" * len(found[0]), text)


class CapturedTraces(Sequence[CapturedTrace]):
    """The traces recorded so far, oldest first; each access looks again."""

    def __init__(self, recorder: Recorder) -> None:
        """Read what `recorder` took."""
        self._recorder = recorder

    def _now(self) -> list[CapturedTrace]:
        self._recorder.flush()
        infos = reversed(self._recorder.store.list_traces())
        found = [self._recorder.read(parse_trace_id(info.trace_id)) for info in infos]
        return [CapturedTrace(trace.info, trace.data) for trace in found if trace is not None]

    @overload
    def __getitem__(self, index: int) -> CapturedTrace: ...
    @overload
    def __getitem__(self, index: slice) -> list[CapturedTrace]: ...
    def __getitem__(self, index: int | slice) -> CapturedTrace | list[CapturedTrace]:
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
        recorder.retire()
