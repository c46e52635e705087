"""Report internal errors: log once, count, never raise into the user's code."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from tracetape._system import is_green, is_own_thread, lasting_lock
from tracetape._terminal import clean

__all__ = [
    "conceal_with",
    "faults",
    "forget_faults",
    "guarded_method",
    "internal_error",
    "log_rest",
    "logger",
    "package_missing",
    "told_missing",
    "warn_once",
]


_PREFIX = "tracetape: "  # whoever reads a program's log sees who speaks


_conceal: Callable[[str], str] = str
_P = ParamSpec("_P")


def conceal_with(conceal: Callable[[str], str]) -> None:
    """Pass each line through `conceal`, once secrets can be known."""
    global _conceal
    _conceal = conceal


class _WithoutSecrets(logging.Filter):
    """Remove known secrets and terminal sequences from log records, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, which always passes."""
        try:
            text = record.getMessage()
            if (cleaned := clean(_conceal(text))) != text:
                record.msg, record.args = cleaned, None
            if record.exc_info and not record.exc_text:
                text = logging.Formatter().formatException(record.exc_info)
                if (cleaned := clean(_conceal(text))) != text:
                    record.exc_text = cleaned
        except Exception:  # noqa: BLE001 - the handlers say it when they meet it
            return True
        return True


def _is_apart() -> bool:
    return is_own_thread() and is_green()


class _Logger:
    """The log "tracetape", whose locks a program's own threads may have.

    A thread of the system's cannot take a lock that gevent or eventlet has made green: what ours
    has to say there waits for the next of the program's.
    """

    def __init__(self) -> None:
        self._log = logging.getLogger("tracetape")
        self._log.addFilter(_WithoutSecrets())
        self._rest: deque[tuple[int, str, tuple[object, ...], Any]] = deque(maxlen=100)

    def warning(self, message: str, *args: object, exc_info: bool = False) -> None:
        self._say(logging.WARNING, message, args, exc_info)

    def info(self, message: str, *args: object) -> None:
        self._say(logging.INFO, message, args, False)

    def error(self, message: str, *args: object) -> None:
        self._say(logging.ERROR, message, args, False)

    def debug(self, message: str, *args: object, exc_info: bool = False) -> None:
        self._say(logging.DEBUG, message, args, exc_info)

    def shows_debug(self) -> bool:
        """Whether the log takes what helps to find a fault of tracetape."""
        return not _is_apart() and self._log.isEnabledFor(logging.DEBUG)

    def log_rest(self) -> None:
        """Say what waits; for a thread of the program's."""
        while self._rest and not is_own_thread():
            try:
                level, message, args, raised = self._rest.popleft()
            except IndexError:  # another thread has it
                return
            self._log_it(level, message, args, raised, 2)

    def _say(self, level: int, message: str, args: tuple[object, ...], with_error: bool) -> None:
        raised = sys.exc_info() if with_error else None
        if not message.startswith(_PREFIX):
            message = _PREFIX + message
        if _is_apart():
            self._rest.append((level, message, args, raised))
            return
        self.log_rest()
        self._log_it(level, message, args, raised, 4)

    def _log_it(
        self, level: int, message: str, args: tuple[object, ...], raised: Any, stacklevel: int
    ) -> None:
        # A handler of the program's may raise; that is for its own lines, not for ours.
        try:
            self._log.log(level, message, *args, exc_info=raised, stacklevel=stacklevel)
        except Exception:  # noqa: BLE001 - the user's code
            with _lock:
                _faults["logging"] += 1


logger = _Logger()
log_rest = logger.log_rest

_lock = lasting_lock()
_faults: Counter[str] = Counter()
_warned: set[str] = set()
_missing: dict[str, str] = {}


def _strict() -> bool:
    # Our own suite sets it, so that no fault of tracetape hides behind the guard.
    return os.environ.get("TRACETAPE_RAISE_INTERNAL_ERRORS") == "1"


def internal_error(where: str) -> None:
    """Report the exception being handled: counted, logged once per place, re-raised in our suite.

    Call it in an ``except Exception`` block. The log has one line; the traceback is in it if the
    logger ``tracetape`` is at level DEBUG.

    Args:
        where: what was being done, in words for the log.
    """
    with _lock:
        _faults[where] += 1
        first = _faults[where] == 1
    if _strict():
        raise
    if first and not sys.is_finalizing():  # logging has lost its modules by then
        logger.warning(
            "tracetape: internal error while %s (%s; reported once; level DEBUG has its traceback)",
            where,
            getattr(sys.exc_info()[0], "__name__", "unknown"),
            exc_info=logger.shows_debug(),
        )


def warn_once(key: str, message: str, *args: object) -> None:
    """Log a warning the first time that `key` is seen in this process."""
    with _lock:
        if key in _warned:
            return
        _warned.add(key)
    logger.warning(message, *args)


def package_missing(name: str, needed_by: str, *, within: str) -> None:
    """Tell the user, once, how to install what a client library needs and does not bring.

    Args:
        name: the missing package, as it is imported and installed.
        needed_by: what needs it, in words for the log.
        within: the package whose code imports it.
    """
    with _lock:
        _missing[name] = within
    text = "tracetape: %s needs %s, which is not installed; install it with: pip install %s"
    warn_once(f"missing {name}", text, needed_by, name, name)


def told_missing(error: BaseException) -> str | None:
    """The package whose code met `error`, if a log line has named the remedy."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    with _lock:
        return _missing.get(error.name)


def faults() -> dict[str, int]:
    """Internal errors so far, by place."""
    with _lock:
        return dict(_faults)


def forget_faults() -> None:
    """Begin counting and warning again (for tests)."""
    with _lock:
        _faults.clear()
        _warned.clear()
        _missing.clear()


def guarded_method(method: Callable[_P, None]) -> Callable[_P, None]:
    """Report whatever fails in `method` of a traced call; the user's call goes on."""

    @wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the guard
            internal_error(f"tracing a call ({method.__name__})")

    return guarded
