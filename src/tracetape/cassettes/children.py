"""Python processes that are started while a tape is open, or the network of a test is blocked.

They stay off the network then. While a tape records, they note what they connect to: a tape has no
requests of theirs, and its end says so.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tracetape.cassettes.context import all_open
from tracetape.cassettes.network import block_of_here

__all__ = ["collect", "update"]

_REPLAY, _RECORD, _PATH = "TRACETAPE_REPLAY", "TRACETAPE_RECORD", "PYTHONPATH"
_BOOTSTRAP = str(Path(__file__).parents[1] / "bootstrap")


class _Guard:
    """A file that children read, or write to, and the variables by which they find it."""

    def __init__(self, variable: str) -> None:
        self._variable = variable
        self._file: str | None = None
        self._read = 0
        self._process = 0
        self._text = ""
        self._before: dict[str, str | None] = {}
        self._put: dict[str, str] = {}

    def stand(self, text: str) -> None:
        """From now on, with `text` in the file."""
        if self._file is None or self._process != os.getpid():
            number, self._file = tempfile.mkstemp(prefix="tracetape-children-")
            os.close(number)
            self._process, self._text, self._read = os.getpid(), "", 0
        if text != self._text:
            Path(self._file).write_text(text, encoding="utf-8")
            self._text = text
        if self._put.get(self._variable) == self._file:
            return
        self._set(self._variable, self._file)
        paths = [path for path in os.environ.get(_PATH, "").split(os.pathsep) if path]
        if _BOOTSTRAP not in paths:
            self._set(_PATH, os.pathsep.join([_BOOTSTRAP, *paths]))

    def fall(self) -> None:
        """No longer; children that still run are free."""
        for name, ours in self._put.items():
            before = self._before[name]
            if os.environ.get(name) != ours:
                continue  # the program has set it since
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before
        self._put.clear()
        if self._file is not None and self._process == os.getpid():  # else it is the parent's
            with suppress(OSError):
                os.unlink(self._file)
        self._file = None

    def written(self) -> list[str]:
        """The lines that children have written since the last call."""
        if self._file is None or self._process != os.getpid():
            return []
        try:
            with open(self._file, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            return []
        new, self._read = lines[self._read :], len(lines)
        return new

    def _set(self, name: str, value: str) -> None:
        if name not in self._put:
            self._before[name] = os.environ.get(name)
        self._put[name] = os.environ[name] = value


_replay, _record = _Guard(_REPLAY), _Guard(_RECORD)


def update() -> None:
    """Called after tapes or blocks have come or gone: a child cannot tell which is meant."""
    tapes = all_open()
    records = any(tape.records for tape in tapes)
    text = "" if records else _rules()
    for guard, stands in ((_replay, text), (_record, records)):
        if not stands:
            guard.fall()
    for guard, stands in ((_replay, text), (_record, records)):
        if not stands:
            continue
        try:
            guard.stand(text)
        except (OSError, ValueError):  # a full disk is not a reason to stop the program
            guard.fall()


def _rules() -> str:
    """Why children stay off the network, how to allow a host, and the hosts; empty: they need not.

    A line each.
    """
    tapes, block = all_open(), block_of_here()
    allowed = {host for tape in tapes for host in tape.passed_hosts}
    if block is not None:
        allowed.update(block.allowed)
    if tapes:
        name = str(tapes[-1].path).replace("\n", " ")
        why = f"the cassette {name} is being replayed by the process that started this one"
        remedy = f"{tapes[-1].advice.allow}, or give this process a cassette of its own"
    elif block is not None:
        why, remedy = f"{block.reason}, in the process that started this one", block.remedy
    else:
        return ""
    return "\n".join([why, remedy, *sorted(allowed)])


def collect() -> None:
    """Tell the newest tape that records what children have connected to: it is not on the tape."""
    tape = next((one for one in reversed(all_open()) if one.records), None)
    if tape is None:
        return
    for place in _record.written():
        if not tape.passes(f"//{place}"):
            tape.not_recorded_connection(place, by_child=True)
