"""The store of a recorder: opened when it is needed, and asked whether it takes anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tracetape._system import new_lock
from tracetape.recorder.settlement import Settlement

if TYPE_CHECKING:
    from tracetape.store import Store

__all__ = ["StoreAccess"]


class StoreAccess(Settlement):
    """Opens the store for the first span that is written, or for who reads."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        peek: Callable[[], Store] | None,
        where: Callable[[], str] | None,
        max_bytes: int,
    ) -> None:
        """Open nothing yet; the arguments are as of `Recorder`."""
        self._open_store = open_store
        self._peek = peek
        self._where = where
        self._store: Store | None = None
        super().__init__(max_bytes)

    def _fresh(self) -> None:
        super()._fresh()
        # Of its own: who stops the worker holds the other one, and waits for it.
        self._store_lock = new_lock()

    @property
    def store(self) -> Store:
        """The store, opened if need be; readers may use it from any thread."""
        store = self._store
        if store is None:
            with self._store_lock:
                store = self._store
                if store is None:
                    store = self._store = self._open_store()
        return store

    @property
    def reading(self) -> Store:
        """The store for who only reads: while nothing was recorded none is made for that."""
        return self.store if self._store is not None or self._peek is None else self._peek()

    @property
    def url(self) -> str:
        """Of the store, open or not."""
        return self.store.url if self._store is not None or self._where is None else self._where()

    @property
    def pruned(self) -> int:
        """How many traces the store has removed because of a bound."""
        return int(getattr(self._store, "pruned", 0))

    @property
    def evicted(self) -> int:
        """How many traces a store in memory has removed, being full."""
        return int(getattr(self._store, "evicted", 0))

    @property
    def unshared(self) -> int:
        """How many spans only the memory of this process has, which was forked."""
        return int(getattr(self._store, "unshared", 0))

    def _is_held_up(self) -> bool:
        """Whether the store fails, or waits for another process."""
        return self.failing or _is_locked_out()

    def _others_write(self) -> bool:
        others_write = getattr(self._store, "others_write", None)
        if others_write is None or not (self.locked_out or _is_locked_out()):
            return False
        return bool(others_write())


def _is_locked_out() -> bool:
    """Whether a thread of this process waits for another one to leave a store."""
    # It may be half loaded, by the worker.
    connections = sys.modules.get("tracetape.store.connections")
    is_waiting = getattr(connections, "is_waiting", None)
    return is_waiting is not None and bool(is_waiting())
