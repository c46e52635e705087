"""Mocks that the user has set up himself win over a tape."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_of_responses", "is_refusal_of_responses", "respx_answers"]


def respx_answers(request: Any) -> bool:
    """Whether an active route of respx is meant for a request (of httpx only: it sees no other)."""
    mocks = sys.modules.get("respx.mocks")
    if mocks is None or type(request).__module__.partition(".")[0] != "httpx":
        return False
    return any(
        not route.pattern or route.pattern.match(request)  # no pattern: for all requests
        for mocker in mocks.Mocker.registry.values()
        for router in mocker.routers
        for route in router.routes
    )


def is_of_responses(send: Any) -> bool:
    """Whether a replaced `HTTPAdapter.send` is that of an active `responses` mock."""
    return getattr(send, "__module__", "").partition(".")[0] == "responses"


def is_refusal_of_responses(error: BaseException) -> bool:
    """Whether `responses` says that it has no answer for a request."""
    return str(error).startswith("Connection refused by Responses")
