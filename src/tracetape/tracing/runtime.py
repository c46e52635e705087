"""The one mutable state of a process's tracing: on or off, and where spans go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from tracetape._forks import RECORDERS, at_fork
from tracetape._lazy import loading
from tracetape.diagnostics import logger
from tracetape.exceptions import (
    InvalidTypeError,
    InvalidValueError,
    StoreError,
    TracetapeException,
)
from tracetape.media.policy import policy as media
from tracetape.privacy.levels import policy as privacy
from tracetape.recorder import Recorder, load_ahead
from tracetape.store.address import path_of
from tracetape.tracing.settings import Config, is_disabled

if TYPE_CHECKING:
    from tracetape.live.live_span import LiveSpan
    from tracetape.store import Store

__all__ = ["Runtime", "runtime"]

_SQLITE = "sqlite:///"  # as in SQLAlchemy, four slashes begin an absolute path


class Runtime:
    """The state that `configure` changes and `start_span` reads."""

    def __init__(self) -> None:
        """Defaults; nothing is opened."""
        # Not os.urandom: a system call for each span starves the writing thread.
        self.random_bits = Random().getrandbits
        self.recorder = self._default_recorder()
        self.defaults()

    def defaults(self) -> None:
        """Return to the defaults; read the environment again."""
        self.enabled = not is_disabled()
        self.use(Config.from_environment())

    def use(self, config: Config) -> None:
        """Let `config` hold for all that begins from now on."""
        self.config = config
        # What each span reads is at hand.
        self.sampling_ratio = config.sampling_ratio
        self.otel = config.otel
        self.destination = config.destination
        # What lower floors read; a running trace also keeps what held when it began.
        media.now = config.media
        privacy.now = config.privacy
        self.use_recorder(self.recorder)

    def change(self, **settings: Any) -> None:
        """Let other settings hold; those that are not given stay."""
        self.use(self.config._replace(**settings))

    def get_ready(self, modules: Iterable[str] = ()) -> None:
        """Something will be recorded: have what that needs loaded, and `modules`, meanwhile."""
        if self.enabled:
            load_ahead(modules)

    def use_recorder(self, recorder: Recorder) -> Recorder:
        """Send spans that begin a trace from now on to another recorder; gives the old one."""
        before, self.recorder = self.recorder, recorder
        recorder.write_at_once(not self.config.async_logging)
        changes = self.config.processors or self.config.prices
        recorder.before = self._process if changes else None
        return before

    def use_store(self, store: str | os.PathLike[str] | Store | None) -> None:
        """Write to another store from now on; what is queued goes to the old one first.

        Args:
            store: a URL, a path, or a store; None or blank: where the environment says.

        Raises:
            InvalidTypeError: it is not one of these.
        """
        if isinstance(store, os.PathLike):
            store = os.fspath(store)
        if store is None or (isinstance(store, str) and not store.strip()):
            recorder = self._default_recorder()
        else:
            if not isinstance(store, str) and not callable(getattr(store, "write", None)):
                raise InvalidTypeError(
                    f"store must be a URL, a path or a Store, got {store!r}: "
                    'write store="sqlite:///path/to/traces.db"'
                )
            opened = _named(store) if isinstance(store, str) else store
            recorder = Recorder(
                lambda: _usable(opened), peek=lambda: _peek(opened), where=lambda: opened.url
            )
        self.use_recorder(recorder).retire()

    def _process(self, span: LiveSpan) -> None:
        """Run the processors on a span that is about to end."""
        if self.config.prices:
            with loading:
                from tracetape.tracing.costs import set_cost

            set_cost(span, self.config.prices)
        for processor in self.config.processors:
            try:
                answer = processor(span)
            except Exception:  # noqa: BLE001 - processors are the user's code
                logger.warning("Span processor %s failed.", _name_of(processor), exc_info=True)
                continue
            if answer is not None:
                logger.warning(
                    "Span processor %s returned %r, which is ignored: change the span instead.",
                    _name_of(processor),
                    type(answer).__name__,
                )

    def _default_recorder(self) -> Recorder:
        return Recorder(self._open, peek=_peek_default, where=_default_url, prepare=_name_store)

    def _open(self) -> Store:
        with loading:
            from tracetape.store import open_store, writer_url

        try:
            _name_store()
            return _usable(open_store(writer_url()))
        except (InvalidValueError, StoreError) as error:
            return _memory(error)


def _name_store() -> None:
    """Say where the store is by its whole path: the program may go to another directory.

    Children write where their parent does, wherever they are started.
    """
    url = os.environ.get("TRACETAPE_STORE", "").strip() or os.path.join(".tracetape", "traces.db")
    try:
        path = path_of(url)
    except (InvalidValueError, StoreError):  # opening the store says so
        return
    if path is not None:
        os.environ["TRACETAPE_STORE"] = _SQLITE + path


def _usable(store: Store) -> Store:
    with loading:
        from tracetape.store import SQLiteStore

    if isinstance(store, SQLiteStore):
        try:
            store.open()
        except StoreError as error:
            if "locked" not in str(error.__cause__):
                return _memory(error)
            # By another process, for long: spans wait for it, as they do later.
        store.retention = lambda: runtime.config.retention
    return store


def _named(url: str) -> Store:
    with loading:
        from tracetape.store import open_store

    try:
        return open_store(url)
    except StoreError as error:
        return _memory(error)


def _peek(store: Store) -> Store:
    with loading:
        from tracetape.store import SQLiteStore, peek_store

    in_file = isinstance(store, SQLiteStore) and store.url.startswith(_SQLITE)
    return peek_store(store.url) if in_file else store


def _name_of(processor: Any) -> Any:
    return getattr(processor, "__name__", None) or repr(processor)


def _peek_default() -> Store:
    with loading:
        from tracetape.store import SQLiteStore, peek_store, writer_url

    try:
        return peek_store(writer_url())
    except (InvalidValueError, StoreError):  # writing will say so, and keep traces in memory
        return SQLiteStore(None)


def _default_url() -> str:
    with loading:
        from tracetape.store import open_store, writer_url

    try:
        return open_store(writer_url()).url
    except (InvalidValueError, StoreError):
        return "memory://"


def _memory(error: TracetapeException) -> Store:
    with loading:
        from tracetape.store import SQLiteStore

    reason = str(error).rstrip(".")
    logger.warning("tracetape: %s. Traces are kept in memory only, until the end.", reason)
    return SQLiteStore(None)


runtime = Runtime()


def _reseed() -> None:
    runtime.random_bits = Random().getrandbits


at_fork(RECORDERS, in_child=_reseed)
