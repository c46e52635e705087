"""The provider of a model, by the base URL of the API and by the class of the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from tracetape.instrument.hosts import provider_of_host
from tracetape.privacy.urls import clean_path

__all__ = ["provider_of", "provider_of_client", "register_provider"]

_rules: list[Callable[[str, str], str | None]] = []

# Clients that speak to one provider only, by whatever gateway; sync and async.
_CLIENTS = {
    "AnthropicBedrock": "bedrock",
    "AnthropicFoundry": "azure",
    "AnthropicGoogleCloud": "vertex_ai",
    "AnthropicVertex": "vertex_ai",
    "AzureOpenAI": "azure",
    "BedrockOpenAI": "bedrock",
    "DatabricksOpenAI": "databricks",
}


def register_provider(rule: Callable[[str, str], str | None]) -> None:
    """Add a rule: from (host, path) of a base URL to the provider's name, or None."""
    if rule not in _rules:
        _rules.append(rule)
        provider_of.cache_clear()


@lru_cache(maxsize=256)
def provider_of(url: str, default: str | None = None) -> tuple[str | None, str]:
    """The provider's name, and the URL without credentials, query or a trailing slash.

    The name of a host that is not known is `default`.
    """
    parts = urlsplit(url)
    path = clean_path(parts.path)  # some gateways have a key in it
    host = (parts.hostname or "").lower()
    clean = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{path}"
    names = (rule(host, parts.path) for rule in _rules)
    name = next((name for name in names if name is not None), None)
    return name or provider_of_host(host) or default, clean.rstrip("/")


@lru_cache(maxsize=256)
def provider_of_client(client: type) -> str | None:
    """Whom clients of this class, or of one derived from it, speak to; None: anybody."""
    names = (base.__name__.removeprefix("Async") for base in client.__mro__)
    return next((_CLIENTS[name] for name in names if name in _CLIENTS), None)
