"""The one mutable state of a process's tracing: on or off, and where spans go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from tracetape.limits import from_environment, parse_bytes, parse_flag
from tracetape.media.policy import policy
from tracetape.privacy.levels import OPEN, Privacy, checked_level
from tracetape.privacy.levels import policy as privacy
from tracetape.recorder import Recorder, load_ahead
from tracetape.store.address import path_of

if TYPE_CHECKING:
    from tracetape.live.live_span import LiveSpan
    from tracetape.store import Store
    from tracetape.store.retention import Retention
    from tracetape.tracing.otel import OtelContext

__all__ = [
    "Destination",
    "Processor",
    "Runtime",
    "attachment_bytes",
    "checked_ratio",
    "is_disabled",
    "runtime",
]

_RATIO = "TRACETAPE_TRACE_SAMPLING_RATIO"
_ATTACHMENT = "TRACETAPE_TRACE_MAX_ATTACHMENT_SIZE"
_CAPTURE = "TRACETAPE_CAPTURE"
_DESTINATION = "TRACETAPE_TRACING_DESTINATION"
_SQLITE = "sqlite:///"  # as in SQLAlchemy, four slashes begin an absolute path

Processor = Callable[["LiveSpan"], Any]


@dataclass(frozen=True)
class Destination:
    """MLflow's words on where traces go, which each trace keeps.

    Attributes:
        experiment_id, experiment_name, tracking_uri: what was said; None: nothing.
        metadata: of each trace.
    """

    experiment_id: str | None = None
    experiment_name: str | None = None
    tracking_uri: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


class Runtime:
    """What `configure` changes and `start_span` reads."""

    def __init__(self) -> None:
        """Defaults; nothing is opened."""
        # Not os.urandom: a system call for each span starves the writing thread.
        self.random_bits = Random().getrandbits
        self.recorder = self._default_recorder()
        self.defaults()

    def defaults(self) -> None:
        """What holds where nothing was configured; the environment is read again."""
        self.enabled = not is_disabled()
        self.sampling_ratio = from_environment(
            _RATIO, _ratio, 1.0, (1.0, "All traces are recorded."), os.environ.get(_RATIO)
        )
        self.keep_errors = _flag("TRACETAPE_TRACE_SAMPLING_KEEP_ERRORS")
        self.async_logging = _flag("TRACETAPE_ENABLE_ASYNC_TRACE_LOGGING", default=True)
        self.prices: Mapping[str, Mapping[str, float]] = {}
        self.otel: OtelContext | None = None
        self.destination: Destination | None = from_environment(
            _DESTINATION, _destination, None, (None, "Traces keep no experiment.")
        )
        policy.extract = _flag("TRACETAPE_TRACE_EXTRACT_ATTACHMENTS", default=True)
        policy.max_bytes = from_environment(
            _ATTACHMENT, attachment_bytes, None, (None, "There is no bound.")
        )
        self.retention: Retention | None = from_environment(
            "TRACETAPE_RETENTION", _retention, None, (None, "Nothing is pruned.")
        )
        level = from_environment(_CAPTURE, _level, "full", ("metadata", "No content is recorded."))
        privacy.now = OPEN if level == OPEN.capture else Privacy(level)
        self.use_processors(())

    def get_ready(self, modules: Iterable[str] = ()) -> None:
        """Something will be recorded: have what that needs loaded, and `modules`, meanwhile."""
        if self.enabled:
            load_ahead(modules)

    def use_processors(self, processors: Sequence[Processor]) -> None:
        """Call these on each span that has ended, before it is queued."""
        self.processors = tuple(processors)
        self.use_recorder(self.recorder)

    def use_prices(self, prices: Mapping[str, Mapping[str, float]]) -> None:
        """Give each span with tokens of a model in `prices` its cost."""
        self.prices = prices
        self.use_recorder(self.recorder)

    def use_recorder(self, recorder: Recorder) -> Recorder:
        """Send spans that begin a trace from now on to another recorder; gives the old one."""
        before, self.recorder = self.recorder, recorder
        recorder.write_at_once(not self.async_logging)
        recorder.before = self._process if self.processors or self.prices else None
        return before

    def use_store(self, store: str | os.PathLike[str] | Store | None) -> None:
        """Write to another store from now on; what is queued goes to the old one first.

        Args:
            store: a URL, a path, or a store; None or blank: where the environment says.

        Raises:
            InvalidTypeError: it is none of these.
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
        """What is done to a span that is about to end."""
        if self.prices:
            with loading:
                from tracetape.tracing.costs import set_cost

            set_cost(span, self.prices)
        for processor in self.processors:
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


def checked_ratio(value: Any, name: str) -> float:
    """A sampling ratio.

    Raises:
        InvalidValueError: it is no number from 0 to 1; a text is none.
    """
    try:
        ratio = -1.0 if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError):
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise InvalidValueError(
            f"{name} must be between 0.0 and 1.0, got {value!r}: write {name}=0.1"
        )
    return ratio


def is_disabled() -> bool:
    """Whether the environment says that nothing is to be patched or recorded."""
    return _flag("TRACETAPE_DISABLED")


def _flag(name: str, default: bool = False) -> bool:
    words = "It is taken as true." if default else "It is taken as false."
    return from_environment(name, parse_flag, default, (default, words))


def attachment_bytes(value: str | int) -> int | None:
    """The bound of an attachment's size: a number of bytes, or a size such as ``10MB``.

    Raises:
        InvalidTypeError: it is neither a string nor a whole number.
        InvalidValueError: it is no size.
    """
    return parse_bytes(value, plain=True)


def _ratio(text: str) -> float:
    try:
        return checked_ratio(float(text), _RATIO)
    except ValueError:
        raise InvalidValueError(f"the ratio must be between 0.0 and 1.0, got {text!r}") from None


def _destination(text: str) -> Destination:
    if "." in text:
        raise InvalidValueError(
            f"{text!r} names tables of Unity Catalog, which an export over OTLP fills: "
            "write the id of an experiment"
        )
    return Destination(experiment_id=text.strip() or None)


def _level(text: str) -> str:
    return checked_level(text, "the level")


def _retention(text: str) -> Retention:
    with loading:
        from tracetape.store.retention import parse_retention

    return parse_retention(text)


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
        store.retention = lambda: runtime.retention
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
