"""Which tapes are asked for a request made here, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tracetape._system import lasting_lock
from tracetape.exceptions import CassetteError

if TYPE_CHECKING:
    from tracetape.cassettes.open_cassette import OpenCassette

__all__ = [
    "all_open",
    "answered",
    "bypass",
    "closed",
    "decides",
    "is_answered_by_tape",
    "is_bypassed",
    "is_here",
    "is_seen",
    "open_for_sockets",
    "open_here",
    "opened",
    "seen",
]

_Chain = tuple["OpenCassette", ...]  # innermost last

# Empty: this context has opened none, as in a thread of a pool.
_here: ContextVar[_Chain] = ContextVar("tracetape_cassettes", default=())
_bypassed: ContextVar[bool] = ContextVar("tracetape_cassettes_bypassed", default=False)
_seen: ContextVar[bool] = ContextVar("tracetape_cassettes_seen", default=False)
# Whether the last answer that this thread or task got came from a tape.
_by_tape: ContextVar[bool] = ContextVar("tracetape_answered_by_tape", default=False)
_open: list[tuple[_Chain, str]] = []  # newest last, each with its scope
_lock = lasting_lock()


def open_here() -> _Chain:
    """The open tapes to ask, innermost first; empty if requests are to go their way.

    Raises:
        CassetteError: two tapes that know nothing of each other are open, and this context has
            neither.
    """
    if _bypassed.get() or not _open:
        return ()
    here = _still_open(_here.get())
    if here:
        return here
    with _lock:
        chains = [chain for chain, scope in _open if scope == "process"]
        if not chains:
            chains = [chain for chain, _ in _open]
            if any(not _is_nested(chain, chains[-1]) for chain in chains):
                raise CassetteError(
                    "two cassettes are open, and this thread belongs to neither: start it with "
                    "contextvars.copy_context().run, or open one with cassette(scope='process')"
                )
        return _still_open(chains[-1]) if chains else ()


def open_for_sockets() -> _Chain:
    """The tapes that may forbid a connection made here.

    Lookups of names run in threads without context: for them that is all open tapes.
    """
    if _bypassed.get() or not _open:
        return ()
    with _lock:
        return _still_open(_here.get()) or tuple(chain[-1] for chain, _ in _open)


def all_open() -> _Chain:
    """Every open tape of the process, the newest last."""
    with _lock:
        return tuple(chain[-1] for chain, _ in _open if chain[-1].is_open)


def decides() -> bool:
    """Whether what is asked here is the affair of this process's tapes, or expressly of none."""
    return _bypassed.get() or bool(_open)


def opened(tape: OpenCassette, scope: str) -> bool:
    """Make a tape the innermost one here; whether it is the first in the process."""
    chain = (*_here.get(), tape)
    _here.set(chain)
    with _lock:
        _open.append((chain, scope))
        return len(_open) == 1


def is_here(tape: OpenCassette) -> bool:
    """Whether this context, or one that it is a copy of, has opened a tape."""
    return any(one is tape for one in _here.get())


def closed(tape: OpenCassette) -> bool:
    """Take a tape away; whether it was the last in the process."""
    _here.set(tuple(one for one in _here.get() if one is not tape))
    with _lock:
        _open[:] = [entry for entry in _open if entry[0][-1] is not tape]
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


@contextmanager
def seen() -> Iterator[None]:
    """Connections that are made inside belong to a request that a tape has seen already."""
    before = _seen.get()
    _seen.set(True)
    try:
        yield
    finally:
        _seen.set(before)


def answered(*, by_tape: bool) -> None:
    """Note who answers a request that is made here."""
    if _by_tape.get() is not by_tape:
        _by_tape.set(by_tape)


def is_answered_by_tape() -> bool:
    """Whether a tape gave the last answer here, and one is still open."""
    return _by_tape.get() and bool(open_for_sockets())


def is_bypassed() -> bool:
    """Whether what is asked here goes to the network expressly."""
    return _bypassed.get()


def is_seen() -> bool:
    """Whether a connection made here belongs to such a request."""
    return _seen.get()


def _still_open(chain: _Chain) -> _Chain:
    return tuple(tape for tape in reversed(chain) if tape.is_open)


def _is_nested(chain: _Chain, newest: _Chain) -> bool:
    return chain == newest[: len(chain)]
