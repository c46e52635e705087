"""WebSocket sessions: no tape can hold them, and one that should says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from tracetape.cassettes.patching import Patches
from tracetape.cassettes.transports.decision import concerned

__all__ = ["Watch"]

_MODULE = "websockets.client"  # what OpenAI's client speaks through


class Watch:
    """Sees sessions begin, once the library is imported; to import it here takes too long."""

    def __init__(self, patches: Patches) -> None:
        """Patch by `patches` while it is on."""
        self._patches = patches
        self._is_on = self._is_registered = False

    def start(self) -> None:
        """From now on sessions are seen."""
        self._is_on = True
        if _MODULE in sys.modules:
            self._patch(sys.modules[_MODULE])
        elif not self._is_registered:
            from wrapt import register_post_import_hook

            self._is_registered = True
            register_post_import_hook(self._patch, _MODULE)

    def stop(self) -> None:
        """Who imports the library from now on is left alone."""
        self._is_on = False

    def _patch(self, module: Any) -> None:
        protocol = getattr(module, "ClientProtocol", None)  # not before websockets 11
        if self._is_on and protocol is not None:
            self._patches.wrap(protocol, "__init__", _seen)


def _seen(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def begin(self: Any, uri: Any, *args: Any, **kwargs: Any) -> Any:
        scheme = "wss" if uri.secure else "ws"
        place = f"{scheme}://{uri.host}:{uri.port}"
        for tape in concerned(place):
            if tape.records:
                tape.refuse(
                    f"{place}: a WebSocket session cannot be recorded; reach its host for real, "
                    "by cassette(ignore_hosts=[…])"
                )
                break
        return original(self, uri, *args, **kwargs)

    return begin
