"""Who serves a model, told by the base URL of the API."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["provider_of", "register_provider"]

_rules: list[Callable[[str, str], str | None]] = []

_HOSTS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure",
    "api.groq.com": "groq",
    "api.together.xyz": "together",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "gemini",
}


def register_provider(rule: Callable[[str, str], str | None]) -> None:
    """Add a rule: from (host, path) of a base URL to the provider's name, or None."""
    if rule not in _rules:
        _rules.append(rule)
        provider_of.cache_clear()


@lru_cache(maxsize=256)
def provider_of(url: str, default: str) -> tuple[str, str]:
    """The provider's name, and the URL without credentials, query or a trailing slash."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    clean = f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
    for rule in _rules:
        name = rule(host, parts.path)
        if name is not None:
            return name, clean.rstrip("/")
    for suffix, name in _HOSTS.items():
        if host == suffix or host.endswith(f".{suffix}"):
            return name, clean.rstrip("/")
    return default, clean.rstrip("/")
