"""What becomes of our own faults: one log line each, a counter, never the user's exception."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter

from tracetape._system import lasting_lock

__all__ = ["faults", "forget_faults", "internal_error", "logger", "warn_once"]

logger = logging.getLogger("tracetape")

_lock = lasting_lock()
_faults: Counter[str] = Counter()
_warned: set[str] = set()


def _strict() -> bool:
    # Our own suite sets it, so that no fault of ours hides behind the guard.
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
            exc_info=logger.isEnabledFor(logging.DEBUG),
        )


def warn_once(key: str, message: str, *args: object) -> None:
    """Log a warning the first time that `key` is seen in this process."""
    with _lock:
        if key in _warned:
            return
        _warned.add(key)
    logger.warning(message, *args)


def faults() -> dict[str, int]:
    """Internal errors so far, by place."""
    with _lock:
        return dict(_faults)


def forget_faults() -> None:
    """Begin counting and warning anew (for tests)."""
    with _lock:
        _faults.clear()
        _warned.clear()
