"""Credentials and hosts for replay: the clients refuse to start without them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit

from tracetape._system import lasting_lock
from tracetape.cassettes.file.model import Headers, Interaction

__all__ = ["Placeholders", "is_placeholder"]

_KEY = "placeholder-of-tracetape-for-replay"
_OPENAI = "https://api.openai.com"
_ANTHROPIC, _ANTHROPIC_PATH = "https://api.anthropic.com", "/v1/messages"
_AZURE_PATH = "/openai/deployments/"  # Azure's client has other variables
_OPENAI_PATHS = (
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/moderations",
    "/responses",
    "/audio/speech",
    "/audio/transcriptions",
    "/images/generations",
    "/v1/models",
)
# Paths of the Databricks REST reference and of the SDK's own discovery.
_DATABRICKS_PATHS = (
    "/serving-endpoints",
    "/ai-gateway/",  # mlflow/v1, openai/v1 and the others of the gateway
    "/.well-known/databricks-config",
    "/api/2.",
    "/oidc/",
)
# Where one of these is set, the user has another way to log in, and two are an error of the SDK's.
_DATABRICKS_LOGINS = (
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_USERNAME",
    "DATABRICKS_AUTH_TYPE",
    "DATABRICKS_CONFIG_PROFILE",
    "ARM_CLIENT_ID",
    "GOOGLE_CREDENTIALS",
)

_lock = lasting_lock()
_active: list[Placeholders] = []
_put: dict[str, str] = {}


class Placeholders:
    """Environment variables that are missing; those of the newest tape count."""

    def __init__(self, interactions: Iterable[Interaction], *, is_missing: bool = False) -> None:
        """Find out which clients a tape was recorded with.

        Args:
            interactions: what is on the tape.
            is_missing: there is no tape; a client must start, for its request to say so.
        """
        keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY") if is_missing else ()
        self._wanted: dict[str, str] = dict.fromkeys(keys, _KEY)
        bases: set[str] = set()
        anthropic: set[str] = set()
        for interaction in interactions:
            parts = urlsplit(interaction.request.url)
            origin = f"{parts.scheme}://{parts.netloc}"
            before, of_anthropic, rest = parts.path.partition(_ANTHROPIC_PATH)
            if of_anthropic and (not rest or rest.startswith("/")):
                self._wanted["ANTHROPIC_API_KEY"] = _KEY
                anthropic.add(origin + before)
            if parts.path.startswith(_DATABRICKS_PATHS):
                self._wanted.setdefault("DATABRICKS_HOST", origin)
                self._wanted["DATABRICKS_TOKEN"] = _KEY
            elif (base := _openai_base(origin, parts.path)) is not None:
                self._wanted["OPENAI_API_KEY"] = _KEY
                bases.add(base)
        # With two services on one tape the program itself must say which it means.
        if len(bases) == 1 and not bases & {_OPENAI, f"{_OPENAI}/v1"}:
            self._wanted["OPENAI_BASE_URL"] = bases.pop()
        if len(anthropic) == 1 and _ANTHROPIC not in anthropic:
            self._wanted["ANTHROPIC_BASE_URL"] = anthropic.pop()

    def put(self) -> None:
        """Set what is missing."""
        with _lock:
            _active.append(self)
            _apply()

    def remove(self) -> None:
        """Undo it, where the program has not set the variable itself meanwhile."""
        with _lock:
            _active.remove(self)
            _apply()


def is_placeholder(headers: Headers) -> bool:
    """Whether a request logs in with a placeholder: no service knows it."""
    return any(_KEY in value for _, value in headers)


def _openai_base(origin: str, path: str) -> str | None:
    if _AZURE_PATH in path:
        return None
    if origin == _OPENAI:
        return _OPENAI
    for known in _OPENAI_PATHS:
        base, found, rest = path.partition(known)
        if found and (not rest or rest.startswith("/")):
            return origin + base + ("/v1" if known.startswith("/v1/") else "")
    return None


def _apply() -> None:
    """Bring the environment to what the open tapes want, leaving alone what is the user's."""
    wanted: dict[str, str] = {}
    for placeholders in _active:
        wanted.update(placeholders._wanted)
    if any(os.environ.get(name) for name in _DATABRICKS_LOGINS):
        wanted.pop("DATABRICKS_TOKEN", None)
    if os.environ.get("ANTHROPIC_AUTH_TOKEN"):
        wanted.pop("ANTHROPIC_API_KEY", None)  # the client would send both
    for name in {*wanted, *_put}:
        current = os.environ.get(name)
        if current and current != _put.get(name):
            _put.pop(name, None)  # the user's own
        elif name in wanted:
            _put[name] = os.environ[name] = wanted[name]
        else:
            del _put[name]
            os.environ.pop(name, None)
