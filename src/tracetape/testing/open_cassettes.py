"""Which tapes a test has open, what became of them, and what its report says of it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tracetape.testing.usage import Usage

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette
    from tracetape.cassettes.network import Block

__all__ = ["OpenCassettes"]

_ALIKE = 0.6  # of the names of two files


@dataclass
class _Seen:
    """A tape, and its counts when the test began."""

    tape: OpenCassette
    played: int = 0
    recorded: int = 0
    missed: int = 0
    refused: int = 0

    def is_used(self) -> bool:
        tape = self.tape
        now = (tape.played, tape.recorded, len(tape.misses))
        return now != (self.played, self.recorded, self.missed)

    def texts(self) -> list[str]:
        """Misses and refusals of this test, each text once."""
        missed = [str(miss) for miss in self.tape.misses[self.missed :]]
        return [*dict.fromkeys([*missed, *[*self.tape.refused][self.refused :]])]

    def line(self) -> str:
        tape = self.tape
        counts = (
            f"{tape.played - self.played} played, {tape.recorded - self.recorded} recorded, "
            f"{len(tape.misses) - self.missed} missed"
        )
        return f"{tape.path}: mode {tape.mode}, {counts}"


class OpenCassettes:
    """The tapes of the test that runs, opened by marker, fixture, block or decorator."""

    def __init__(self, usage: Usage, root: Path) -> None:
        """Begin without an open cassette; `usage` counts those that are used."""
        self._usage, self._root = usage, root
        self._seen: list[_Seen] = []
        self.block: Block | None = None  # of the network

    def opened(self, tape: OpenCassette) -> None:
        """A tape opens."""
        self._usage.claim(tape.file)
        self._seen.append(_Seen(tape))

    def begin(self) -> None:
        """Another test begins; tapes of wider fixtures stay open."""
        self.block = None
        self._note(one for one in self._seen if not one.tape.is_open)
        self._seen = [
            _Seen(tape, tape.played, tape.recorded, len(tape.misses), len(tape.refused))
            for tape in (one.tape for one in self._seen)
            if tape.is_open
        ]

    def finish(self) -> None:
        """The run is over."""
        self._note(self._seen)
        self._seen = []

    def swallowed(self) -> list[str]:
        """Misses of this test that left no block as an exception, each text once."""
        return [
            *dict.fromkeys(
                str(miss)
                for one in self._seen
                if not (one.tape.is_miss_told or one.tape.allow_misses)
                for miss in one.tape.misses[one.missed :]
            )
        ]

    def explain(self, error: BaseException) -> None:
        """Add to a test's error what on its tapes may have caused it."""
        for one in self._seen:
            one.tape.explain(error)

    def section(self) -> str:
        """A line for each tape, and what was missed."""
        return "\n".join(self._lines()).replace(f"{self._root}{os.sep}", "")

    def _lines(self) -> Iterator[str]:
        yield from () if self.block is None else self.block.refused
        for one in self._seen:
            tape = one.tape
            yield one.line()
            if one.is_used() and tape.played > one.played:
                yield "  The answers come from this file, not from a service."
            yield from (f"  {line}" for line in tape.broken())
            if not tape.file.exists():
                what = "to be replayed" if tape.replays else "to be recorded"
                yield f"  The file does not exist: it was {what}."
                before = self._usage.before(tape.file)
                if before is not None:
                    yield f"  {_moved(before)}"
                elif (orphan := self._orphan(tape.file)) is not None:
                    yield f"  {orphan} has a similar name, and no collected test uses it."
            for text in one.texts():
                yield from (f"  {line}" for line in text.splitlines())

    def _orphan(self, file: Path) -> Path | None:
        """The tape that a missing one may have been before its test got another name."""
        best, found = _ALIKE, None
        for other in self._usage.unclaimed(file.parent):
            alike = difflib.SequenceMatcher(None, file.stem, other.stem).ratio()
            if other.stem.startswith(file.stem) or file.stem.startswith(other.stem):
                alike = max(alike, 0.9)  # a test that got parameters, or lost them
            if alike > best:
                best, found = alike, other
        return found

    def _note(self, seen: Iterator[_Seen] | list[_Seen]) -> None:
        for one in seen:
            tape = one.tape
            lines = []
            before = self._usage.before(tape.file)
            if before is not None and tape.recorded and before.exists():
                lines.append(f"recorded again. {_moved(before)}")
            if lacks := tape.unrecorded + tape.cancelled:
                from tracetape.cassettes.miss import unrecorded_lines

                lines += unrecorded_lines(lacks)
            self._usage.lacks(tape.file, lines)
            if tape.replays and not tape.is_missing:
                self._usage.played(tape.file, len(tape.interactions), tape.unplayed)


def _moved(before: Path) -> str:
    return (
        f"{before} has a similar name, and no test has it: this test's, under other `testpaths`. "
        "To use it, move it to the new name."
    )
