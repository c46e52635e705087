"""The one mutable state of a process's tracing: on or off, and where spans go."""

from __future__ import annotations

import os
from random import Random

from tracetape.diagnostics import logger
from tracetape.exceptions import InvalidValueError, StoreError, TracetapeException
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore, Store, open_store, writer_url

__all__ = ["Runtime", "runtime"]


class Runtime:
    """What `configure` changes and `start_span` reads."""

    def __init__(self) -> None:
        """Defaults; nothing is opened."""
        self.enabled = os.environ.get("TRACETAPE_DISABLED", "").lower() not in ("1", "true", "yes")
        self.store_url: str | None = None
        self.recorder = Recorder(self._open)
        # Not os.urandom: a system call for each span starves the writing thread.
        self.random_bits = Random().getrandbits

    def use_store(self, store: str | Store) -> None:
        """Write to another store from now on; what is queued goes to the old one first."""
        if isinstance(store, str):
            opened: Store = open_store(store)  # raises for a URL that is none
            self.store_url = store
        else:
            opened = store
            self.store_url = store.url
        old, self.recorder = self.recorder, Recorder(lambda: _usable(opened))
        old.close()

    def _open(self) -> Store:
        url = writer_url()
        # Children write where their parent does, wherever they are started.
        os.environ.setdefault("TRACETAPE_STORE", url)
        try:
            return _usable(open_store(url))
        except InvalidValueError as error:
            return _memory(error)


def _usable(store: Store) -> Store:
    if isinstance(store, SQLiteStore):
        try:
            store.open()
        except StoreError as error:
            return _memory(error)
    return store


def _memory(error: TracetapeException) -> Store:
    reason = str(error).rstrip(".")
    logger.warning("tracetape: %s. Traces are kept in memory only, until the end.", reason)
    return SQLiteStore(None)


runtime = Runtime()


def _reseed() -> None:
    runtime.random_bits = Random().getrandbits


os.register_at_fork(after_in_child=_reseed)
