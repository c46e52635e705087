"""Packages that databricks-sdk imports only when it is called, and does not install."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracetape.instrument import call_watched, package_missing

__all__ = ["wrap_http_client"]

_NEEDS = "get_open_ai_client() of databricks-sdk"


def wrap_http_client(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    """Tells how to install httpx where it is missing; the SDK's error stays what it is."""

    def missing(error: BaseException) -> None:
        if isinstance(error, ModuleNotFoundError) and error.name == "httpx" and is_on():
            package_missing(error.name, _NEEDS, within="databricks")

    def method(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
        return call_watched(original, missing, owner, *args, **kwargs)

    return method
