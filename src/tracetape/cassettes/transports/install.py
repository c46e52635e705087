"""One patch a process for each library that is installed, while any tape is open."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from tracetape.cassettes.transports import httpx_family, requests_adapter

__all__ = ["install", "uninstall"]

_undo: list[tuple[Any, str, Any]] = []


def install() -> None:
    """Wrap the one public method of each transport that every request passes."""
    for name in ("httpx", "httpx2"):
        if importlib.util.find_spec(name) is not None:
            library = importlib.import_module(name)
            _patch(library.HTTPTransport, "handle_request", httpx_family.wrap, library)
            _patch(
                library.AsyncHTTPTransport, "handle_async_request", httpx_family.wrap_async, library
            )
    if importlib.util.find_spec("requests") is not None:
        adapters = importlib.import_module("requests.adapters")
        _patch(adapters.HTTPAdapter, "send", requests_adapter.wrap)


def uninstall() -> None:
    """Put the originals back."""
    while _undo:
        owner, method, original = _undo.pop()
        setattr(owner, method, original)


def _patch(owner: Any, method: str, wrap: Any, *arguments: Any) -> None:
    original = getattr(owner, method)
    _undo.append((owner, method, original))
    setattr(owner, method, wrap(original, *arguments))
