"""Work handed to another thread, with its place in the trace."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from tracetape.tracing.current import Current, current

__all__ = ["call_inside", "carry"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


def carry(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function`, whose spans land below the span that is current now, wherever it is called.

    For threads, executors and callbacks: ``executor.submit(tracetape.carry(work), item)``. Only
    the current span is carried, no other context.
    """
    place = current.get()
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def carried_async(*args: Any, **kwargs: Any) -> Any:
            before = current.get()
            current.set(place)
            try:
                return await function(*args, **kwargs)
            finally:
                current.set(before)

        return cast("Callable[_P, _R]", carried_async)

    @functools.wraps(function)
    def carried(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return call_inside(place, function, *args, **kwargs)

    return carried


def call_inside(place: Current, function: Callable[..., _R], /, *args: Any, **kwargs: Any) -> _R:
    """Call `function` with `place` current, also when that is nothing."""
    before = current.get()
    current.set(place)
    try:
        return function(*args, **kwargs)
    finally:
        current.set(before)
