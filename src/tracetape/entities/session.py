"""Traces of one conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from tracetape.entities.trace import Trace
from tracetape.formats.names import SESSION

__all__ = ["Session"]


class Session:
    """The traces that share a session id, such as the turns of one conversation."""

    def __init__(self, traces: Sequence[Trace]) -> None:
        """Hold `traces`."""
        self._traces = list(traces)

    @property
    def id(self) -> str | None:
        """The session's id, as the first trace has it; None without traces."""
        if not self._traces:
            return None
        return self._traces[0].info.trace_metadata.get(SESSION)

    @property
    def traces(self) -> list[Trace]:
        """The traces."""
        return self._traces

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._traces)

    def __len__(self) -> int:
        return len(self._traces)

    @overload
    def __getitem__(self, index: int) -> Trace: ...

    @overload
    def __getitem__(self, index: slice) -> list[Trace]: ...

    def __getitem__(self, index: int | slice) -> Trace | list[Trace]:
        return self._traces[index]

    def __repr__(self) -> str:
        return f"Session(id={self.id!r})"
