"""Which tapes are asked for a request made here, and in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetape.cassettes.player import Player

__all__ = ["bypass", "close_player", "open_player", "players"]

# Innermost last. None: this context has opened none, as in a thread of a pool.
_here: ContextVar[tuple[Player, ...] | None] = ContextVar("tracetape_cassettes", default=None)
_bypassed: ContextVar[bool] = ContextVar("tracetape_cassettes_bypassed", default=False)
_open: list[Player] = []
_lock = threading.Lock()


def players() -> tuple[Player, ...]:
    """The open tapes to ask, innermost first; empty if requests are to go their way."""
    if _bypassed.get():
        return ()
    here = tuple(player for player in _here.get() or () if player.is_open)
    if here:
        return here[::-1]
    with _lock:
        return tuple(_open[-1:])


def open_player(player: Player) -> bool:
    """Make a tape the innermost one here; whether it is the first in the process."""
    _here.set((*(_here.get() or ()), player))
    with _lock:
        _open.append(player)
        return len(_open) == 1


def close_player(player: Player) -> bool:
    """Take a tape away; whether it was the last in the process."""
    _here.set(tuple(one for one in _here.get() or () if one is not player) or None)
    with _lock:
        _open.remove(player)
        return not _open


@contextmanager
def bypass() -> Iterator[None]:
    """Requests made inside go to the network, and on no tape: our own exports, for example."""
    before = _bypassed.get()
    _bypassed.set(True)
    try:
        yield
    finally:
        _bypassed.set(before)
