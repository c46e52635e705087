"""One patch a process for each library that is installed, while any tape is open."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from tracetape._modules import is_installed
from tracetape.cassettes.patches import Patches
from tracetape.cassettes.transports import (
    httpx_family,
    other_libraries,
    requests_adapter,
    retries,
)
from tracetape.cassettes.transports.imports import ImportHooks
from tracetape.cassettes.transports.mocks import RealSend
from tracetape.cassettes.transports.websockets import patch_websockets

__all__ = ["install", "uninstall"]

_patches = Patches()


def _patch_httpx(patches: Patches, library: Any) -> None:
    if hasattr(library, "AsyncHTTPTransport"):  # the program's own module may have the name
        wrap = partial(httpx_family.wrap, library=library)
        wrap_async = partial(httpx_family.wrap_async, library=library)
        patches.wrap(library.HTTPTransport, "handle_request", wrap)
        patches.wrap(library.AsyncHTTPTransport, "handle_async_request", wrap_async)


def _patch_requests(patches: Patches, adapters: Any) -> None:
    if hasattr(adapters, "HTTPAdapter"):
        patches.wrap(adapters.HTTPAdapter, "send", requests_adapter.wrap)
        mocks = sys.modules.get("responses")  # one that is imported later keeps our `send`
        if mocks is not None and hasattr(mocks, "RequestsMock"):
            patches.put(mocks.RequestsMock, "_real_send", RealSend(requests_adapter.wrap))


_RECORDED: dict[str, Callable[[Patches, Any], None]] = {
    "httpx": _patch_httpx,
    "httpx2": _patch_httpx,
    "requests.adapters": _patch_requests,
}
_hooks = ImportHooks(
    _patches,
    {
        **_RECORDED,
        # No tape records these; to import them takes too long.
        "http.client": other_libraries.patch_http_client,
        "urllib3.connectionpool": other_libraries.patch_urllib3,
        "aiohttp.client": other_libraries.patch_aiohttp,
        "websockets.client": patch_websockets,
    },
)


def install() -> None:
    """Wrap the one public method of each transport that every request passes.

    A program may take a method before its first request, so those libraries that can be imported
    are imported here; the others are wrapped once the program has imported them.
    """
    for name in _RECORDED:
        if is_installed(name.partition(".")[0]):
            with suppress(ImportError):  # half an installation, or a name that is another's
                importlib.import_module(name)
    _hooks.start()


def uninstall() -> None:
    """Put the originals back."""
    _hooks.stop()
    retries.undo()
    _patches.undo()
