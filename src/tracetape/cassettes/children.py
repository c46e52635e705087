"""Python processes that are started while a tape replays stay off the network, too."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from tracetape.cassettes.context import all_players

__all__ = ["update"]

_VARIABLE, _PATH = "TRACETAPE_REPLAY", "PYTHONPATH"
_BOOTSTRAP = str(Path(__file__).parents[1] / "bootstrap")


class _Guard:
    """A file that children look at, and the variables by which they find it."""

    def __init__(self) -> None:
        self._file: str | None = None
        self._process = 0
        self._text = ""
        self._before: dict[str, str | None] = {}
        self._put: dict[str, str] = {}

    def stand(self, text: str) -> None:
        """From now on, with these rules."""
        if self._file is None or self._process != os.getpid():
            number, self._file = tempfile.mkstemp(prefix="tracetape-replay-")
            os.close(number)
            self._process, self._text = os.getpid(), ""
        if text != self._text:
            Path(self._file).write_text(text, encoding="utf-8")
            self._text = text
        if self._put.get(_VARIABLE) == self._file:
            return
        self._set(_VARIABLE, self._file)
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

    def _set(self, name: str, value: str) -> None:
        if name not in self._put:
            self._before[name] = os.environ.get(name)
        self._put[name] = os.environ[name] = value


_guard = _Guard()


def update() -> None:
    """Called after tapes have opened or closed: a child cannot tell which of them is meant."""
    tapes = all_players()
    if not tapes or any(tape.records for tape in tapes):
        _guard.fall()
        return
    allowed = sorted({host for tape in tapes for host in tape.passed_hosts})
    name = str(tapes[-1].path).replace("\n", " ")
    try:
        _guard.stand("\n".join([name, *allowed]))
    except (OSError, ValueError):  # a full disk is no reason to stop the program
        _guard.fall()
