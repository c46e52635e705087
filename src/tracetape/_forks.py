"""What of ours is done when the process forks, whoever forks, and in which order.

A child has one thread: what another one held or was doing at that moment stays so for ever. So a
fork waits until nothing of ours is under way that a child cannot do without.
"""

from __future__ import annotations

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
    """Whether this process was forked by a program that told Python nothing of it, as uWSGI may.

    Then what belongs into the child is done now.
    """
    if os.getpid() == _pid:
        return False
    _in_child()
    return True


def _before() -> None:
    _lock.acquire(timeout=_SECONDS)
    for stage in _hooks:
        _call([before for before, _, _ in stage])


def _in_parent() -> None:
    for stage in reversed(_hooks):
        _call([in_parent for _, in_parent, _ in stage])
    try:
        _lock.release()
    except RuntimeError:  # it took too long to get it
        pass


def _in_child() -> None:
    global _lock, _pid
    _lock, _pid = new_lock(), os.getpid()
    renew_locks()
    for stage in reversed(_hooks):
        _call([in_child for _, _, in_child in stage])


def _call(hooks: list[_Hook]) -> None:
    for hook in hooks:
        try:
            hook()
        except Exception:  # noqa: BLE001 - the guard
            from tracetape.diagnostics import internal_error

            internal_error("forking")


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
