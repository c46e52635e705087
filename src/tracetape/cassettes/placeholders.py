"""Credentials and hosts for replay: the clients refuse to start without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from tracetape.cassettes.interaction import Interaction

__all__ = ["Placeholders"]

_KEY = "placeholder-of-tracetape-for-replay"
_OPENAI_HOST = "api.openai.com"
_OPENAI_PATHS = (
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/models",
    "/moderations",
    "/images/",
    "/audio/",
)
# Paths of the Databricks REST reference and of the SDK's own discovery.
_DATABRICKS_PATHS = ("/serving-endpoints", "/.well-known/databricks-config", "/api/2.", "/oidc/")


class Placeholders:
    """Sets environment variables that are missing, and takes them away again."""

    def __init__(self, interactions: Iterable[Interaction]) -> None:
        """Find out which clients a tape was recorded with."""
        self._wanted = {"OPENAI_API_KEY": _KEY}
        for interaction in interactions:
            self._wanted.update(_variables(interaction.request.url))
        self._set: list[str] = []

    def put(self) -> None:
        """Set what is missing."""
        for name, value in self._wanted.items():
            if not os.environ.get(name):
                os.environ[name] = value
                self._set.append(name)

    def remove(self) -> None:
        """Undo it, where the program has not set the variable itself meanwhile."""
        for name in self._set:
            if os.environ.get(name) == self._wanted[name]:
                del os.environ[name]
        self._set.clear()


def _variables(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    if parts.path.startswith(_DATABRICKS_PATHS):
        return {"DATABRICKS_HOST": origin, "DATABRICKS_TOKEN": _KEY}
    if parts.hostname == _OPENAI_HOST:
        return {}
    for path in _OPENAI_PATHS:
        base, found, _ = parts.path.partition(path)
        if found:
            return {"OPENAI_BASE_URL": origin + base}
    return {}
