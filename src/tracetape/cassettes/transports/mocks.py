"""Mocks that the user has set up himself win over a tape."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["respx_answers"]


def respx_answers(request: Any) -> bool:
    """Whether an active route of respx is meant for a request (of httpx only: it sees no other)."""
    mocks = sys.modules.get("respx.mocks")
    if mocks is None or type(request).__module__.partition(".")[0] != "httpx":
        return False
    return any(
        route.pattern is not None and route.pattern.match(request)
        for mocker in mocks.Mocker.registry.values()
        for router in mocker.routers
        for route in router.routes
    )
