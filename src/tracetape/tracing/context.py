"""Which span is current: one context variable, set and set back, never reset by a token."""

from __future__ import annotations

from contextvars import ContextVar

from tracetape.entities import LiveSpan

__all__ = ["current", "current_span"]

# The innermost span entered in this context. It may have ended meanwhile, in another task or
# thread: readers go on to the nearest open span above it.
current: ContextVar[LiveSpan | None] = ContextVar("tracetape_current_span", default=None)


def current_span() -> LiveSpan | None:
    """The innermost open span of this context."""
    span = current.get()
    while span is not None and span._end is not None:
        span = span._previous
    return span
