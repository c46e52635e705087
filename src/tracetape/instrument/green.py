"""Green threads keep the parent span: gevent's and eventlet's, behind `autolog(threads=True)`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from types import FrameType
from typing import Any

from tracetape.instrument.integration import Target
from tracetape.tracing.current import Current, current
from tracetape.tracing.threads import call_inside

__all__ = ["targets"]

_PASSING = ("gevent", "eventlet", "tracetape")  # packages that start what others ask for


def targets(is_library: Callable[[FrameType], bool]) -> tuple[Target, ...]:
    """A function that starts a green thread.

    Args:
        is_library: whether the code of a frame is not the program's own; what such code starts
            serves the whole program.
    """

    def here() -> Current:
        """The place that a green thread started now inherits."""
        place = current.get()
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and _package(frame) in _PASSING:
            frame = frame.f_back
        return None if frame is not None and is_library(frame) else place

    def wrap_gevent(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        # Its classes are compiled, so that no method can be replaced; it calls this for each.
        def begins(greenlet: Any) -> None:
            if not is_on() or current.get() is None or greenlet.gr_context is not None:
                return
            place = here()
            if place is not None:
                context = Context()
                context.run(current.set, place)
                greenlet.gr_context = context

        sys.modules["gevent.greenlet"].Greenlet.add_spawn_callback(begins)
        return lambda *args, **kwargs: original(*args, **kwargs)

    def wrap_spawn(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        def spawn(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            place = here() if is_on() and current.get() is not None else None
            if place is None:
                return original(func, *args, **kwargs)
            return original(call_inside, place, func, *args, **kwargs)

        return spawn

    def wrap_spawn_after(
        original: Callable[..., Any], is_on: Callable[[], bool]
    ) -> Callable[..., Any]:
        def spawn_after(seconds: float, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            place = here() if is_on() and current.get() is not None else None
            if place is None:
                return original(seconds, func, *args, **kwargs)
            return original(seconds, call_inside, place, func, *args, **kwargs)

        return spawn_after

    return (
        Target("gevent", "", "spawn", wrap_gevent, optional=True),
        *(
            Target(module, "", name, wrap, optional=True)
            for module in ("eventlet", "eventlet.greenthread")
            for name, wrap in (
                ("spawn", wrap_spawn),
                ("spawn_n", wrap_spawn),
                ("spawn_after", wrap_spawn_after),
            )
        ),
    )


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
