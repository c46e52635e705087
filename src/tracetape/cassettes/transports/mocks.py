"""Mocks that the user has set up himself win over a tape."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = [
    "RealSend",
    "count_for_respx",
    "is_of_responses",
    "is_refusal_of_responses",
    "respx_answers",
]


def respx_answers(request: Any) -> bool:
    """Whether an active route of respx is meant for a request (of httpx only: it sees no other)."""
    found = _route_of_respx(request)
    return found is not None and not getattr(found[1], "is_pass_through", False)


def count_for_respx(request: Any) -> None:
    """Tell a route of respx, which lets a request through, of one that a tape has answered.

    Such a request never comes as far down as respx; tests ask whether its routes were called.
    """
    found = _route_of_respx(request)
    if found is not None and hasattr(found[0], "record"):
        router, route = found
        router.record(request, response=None, route=route)


def _route_of_respx(request: Any) -> tuple[Any, Any] | None:
    mocks = sys.modules.get("respx.mocks")
    if mocks is None or type(request).__module__.partition(".")[0] != "httpx":
        return None
    return next(
        (
            (router, route)
            for mocker in mocks.Mocker.registry.values()
            for router in mocker.routers
            for route in router.routes
            if not route.pattern or route.pattern.match(request)  # no pattern: for all requests
        ),
        None,
    )


class RealSend:
    """In the class of a `responses` mock: what it lets through to the network passes a tape."""

    def __init__(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """`wrap` puts a tape before a `HTTPAdapter.send`."""
        self._wrap = wrap

    def __get__(self, mock: Any, owner: type) -> Any:
        """A tape before the function that the mock has kept, if there is none yet."""
        if mock is None:
            return self
        real = vars(mock)["_real_send"]
        return real if getattr(real, "is_taped", False) else self._wrap(real)

    def __set__(self, mock: Any, real: Any) -> None:
        """Kept where it would be without us."""
        vars(mock)["_real_send"] = real


def is_of_responses(send: Any) -> bool:
    """Whether a replaced `HTTPAdapter.send` is that of an active `responses` mock."""
    return getattr(send, "__module__", "").partition(".")[0] == "responses"


def is_refusal_of_responses(error: BaseException) -> bool:
    """Whether `responses` says that it has no answer for a request."""
    return str(error).startswith("Connection refused by Responses")
