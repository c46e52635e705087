"""Guards and watchers for integrations, which hold no try/except and no context variable."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from tracetape.diagnostics import internal_error
from tracetape.entities import LiveSpan
from tracetape.instrument.beginning import noticed
from tracetape.instrument.call import Call, calling
from tracetape.tracing.current import Scope, current
from tracetape.tracing.threads import call_inside

__all__ = [
    "Notice",
    "call_unrecorded",
    "call_watched",
    "call_watched_async",
    "current_call",
    "guarded",
    "parsed_json",
    "quietly",
]

Failed = Callable[[BaseException], None]


class guarded:  # noqa: N801 - reads as a statement: `with guarded("…"):`
    """Report what fails inside as an internal error, and go on after it."""

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        """Take what is being done, in words for the log."""
        self._where = where

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(exception, Exception):
            return False
        internal_error(self._where)
        return True


def quietly(function: Callable[[], Any]) -> Any:
    """Call a function of the user's that may fail; None if it does."""
    try:
        return function()
    except Exception:  # noqa: BLE001 - it is not ours
        return None


def parsed_json(text: str | bytes, otherwise: Any) -> Any:
    """The value of a JSON text with whole numbers of any size; `otherwise`, if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise


def call_watched(original: Callable[..., Any], failed: Failed, *args: Any, **kwargs: Any) -> Any:
    """Call `original`; if it raises, `failed` sees the exception on its way to the user."""
    try:
        return original(*args, **kwargs)
    except BaseException as exception:
        with guarded("noting a failure"):
            failed(exception)
        raise


async def call_watched_async(
    original: Callable[..., Awaitable[Any]], failed: Failed, *args: Any, **kwargs: Any
) -> Any:
    """Await `original`, as `call_watched` calls it."""
    try:
        return await original(*args, **kwargs)
    except BaseException as exception:
        with guarded("noting a failure"):
            failed(exception)
        raise


def call_unrecorded(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call `function` below a span that is not recorded: neither is what it calls."""
    return call_inside(Scope(current.get(), dropped=True), function, *args, **kwargs)


def current_call() -> Call | None:
    """The call of an integration that is under way here."""
    return calling.get()


class Notice:
    """Sees the calls of integrations that begin in this context until it is over.

    Attributes:
        spans: the spans of the calls.
    """

    __slots__ = ("_before", "spans")

    def __init__(self) -> None:
        """Begin to see."""
        self.spans: list[LiveSpan] = []
        self._before = noticed.get()
        noticed.set(self.spans)

    def over(self) -> None:
        """See no more; an outer one sees what this one has."""
        if noticed.get() is self.spans:  # another task may have set another one
            noticed.set(self._before)
        if self._before is not None:
            self._before.extend(self.spans)
