"""One patch a process for each library that is installed, while any tape is open."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import ModuleType

from tracetape._modules import is_installed
from tracetape.cassettes.patching import Patches
from tracetape.cassettes.transports import elsewhere, httpx_family, requests_adapter, retries
from tracetape.cassettes.transports.mocks import RealSend
from tracetape.cassettes.transports.sightings import Watch
from tracetape.cassettes.transports.sockets import patch_websockets

__all__ = ["install", "uninstall"]

_patches = Patches()
_others = Watch(
    _patches,
    {
        "http.client": elsewhere.patch_http_client,
        "urllib3.connectionpool": elsewhere.patch_urllib3,
        "aiohttp.client": elsewhere.patch_aiohttp,
        "websockets.client": patch_websockets,
    },
)


def install() -> None:
    """Wrap the one public method of each transport that every request passes.

    A library that is imported only later must be seen too, so those that are installed are
    imported here.
    """
    for name in ("httpx", "httpx2"):
        library = _library(name)
        if library is not None:
            wrap = partial(httpx_family.wrap, library=library)
            wrap_async = partial(httpx_family.wrap_async, library=library)
            _patches.wrap(library.HTTPTransport, "handle_request", wrap)
            _patches.wrap(library.AsyncHTTPTransport, "handle_async_request", wrap_async)
    adapters = _library("requests.adapters")
    if adapters is not None:
        _patches.wrap(adapters.HTTPAdapter, "send", requests_adapter.wrap)
        mocks = sys.modules.get("responses")  # one that is imported later keeps our `send`
        if mocks is not None and hasattr(mocks, "RequestsMock"):
            _patches.put(mocks.RequestsMock, "_real_send", RealSend(requests_adapter.wrap))
    _others.start()


def uninstall() -> None:
    """Put the originals back."""
    _others.stop()
    retries.undo()
    _patches.undo()


def _library(name: str) -> ModuleType | None:
    if not is_installed(name.partition(".")[0]):
        return None
    try:
        library = importlib.import_module(name)
    except ImportError:
        return None  # half an installation: nobody can use it either
    # The program's own module or folder may have the name.
    return (
        library
        if hasattr(library, "AsyncHTTPTransport") or hasattr(library, "HTTPAdapter")
        else None
    )
