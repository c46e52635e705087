"""WebSocket sessions: no tape can hold them, and one that should says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tracetape.cassettes.patches import Patches
from tracetape.cassettes.transports.decision import concerned

__all__ = ["patch_websockets"]


def patch_websockets(patches: Patches, client: Any) -> None:
    """See sessions begin; `client` is the module that OpenAI's client speaks through."""
    protocol = getattr(client, "ClientProtocol", None)  # not before websockets 11
    if protocol is not None:
        patches.wrap(protocol, "__init__", _seen)


def _seen(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def begin(self: Any, uri: Any, *args: Any, **kwargs: Any) -> Any:
        scheme = "wss" if uri.secure else "ws"
        place = f"{scheme}://{uri.host}:{uri.port}"
        for tape in concerned(place):
            if tape.records:
                tape.refuse(
                    f"{place}: a WebSocket session cannot be recorded; to reach its host for real, "
                    f"use {tape.advice.allow}"
                )
                break
        return original(self, uri, *args, **kwargs)

    return begin
