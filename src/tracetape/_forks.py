"""Handlers that run when the process forks, in a fixed order.

A child has one thread: what another one held or was doing at that moment stays so for ever. So a
fork waits until nothing of tracetape is under way that a child cannot do without.
"""

from __future__ import annotations

# Before our hooks: its own hook takes its lock before a fork, and hooks run from the last to the
# first. A thread that we wait for may need that lock.
import logging  # noqa: F401
import os
from collections.abc import Callable

from tracetape._system import new_lock, renew_locks

__all__ = ["IMPORTS", "RECORDERS", "STORES", "at_fork", "look_for_fork"]

# The order before a fork; after it is the other way round. A recorder still writes to its store,
# and whoever uses a store may import something.
RECORDERS, STORES, IMPORTS = range(3)
_SECONDS = 5.0  # for another thread that forks at the same moment

_Hook = Callable[[], None]


def _nothing() -> None:
    return


_hooks: list[list[tuple[_Hook, _Hook, _Hook]]] = [[], [], []]
_prepared: list[tuple[_Hook, _Hook, _Hook]] = []  # those whose `before` the fork under way has run
_lock = new_lock()
_pid = os.getpid()


def at_fork(
    stage: int,
    *,
    before: _Hook = _nothing,
    in_parent: _Hook = _nothing,
    in_child: _Hook = _nothing,
) -> None:
    """Call these around each fork from now on; none may wait for long, or start a thread."""
    _hooks[stage].append((before, in_parent, in_child))


def look_for_fork() -> bool:
    """Whether this process was forked by a program without Python's notice, as uWSGI may.

    Then what belongs into the child is done now.
    """
    if os.getpid() == _pid:
        return False
    _in_child()
    return True


def _before() -> None:
    _lock.acquire(timeout=_SECONDS)
    _prepared.clear()
    while True:
        for hooks in _hooks:
            for hook in [hook for hook in hooks if hook not in _prepared]:
                _prepared.append(hook)
                _call(hook[0])
        if all(hook in _prepared for hooks in _hooks for hook in hooks):
            return
        # What another thread was importing has brought hooks, whose turn is before the imports'.
        for hook in _hooks[IMPORTS]:
            _prepared.remove(hook)
            _call(hook[1])


def _in_parent() -> None:
    for hook in reversed(_prepared):
        _call(hook[1])
    _prepared.clear()
    try:
        _lock.release()
    except RuntimeError:  # it took too long to get it
        pass


def _in_child() -> None:
    global _lock, _pid
    _lock, _pid = new_lock(), os.getpid()
    renew_locks()
    _prepared.clear()
    for hooks in reversed(_hooks):
        for _, _, in_child in list(hooks):
            _call(in_child)


def _call(hook: _Hook) -> None:
    try:
        hook()
    except Exception:  # noqa: BLE001 - the guard
        from tracetape.diagnostics import internal_error

        internal_error("forking")


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
