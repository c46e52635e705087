"""Credentials of a client: their values are redacted wherever they turn up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.request import getproxies_environment
from weakref import ref

from tracetape.privacy.names import is_credential, is_credential_header, is_secret_in_query
from tracetape.privacy.urls import secrets_in_url
from tracetape.privacy.values import (
    remember,
    secrets_in_headers,
    those_that_tell,
)

__all__ = [
    "ClientSecrets",
    "of_request",
    "remember_environment",
    "secrets_of_attributes",
    "secrets_of_exception",
]

_NONE: frozenset[str] = frozenset()
_MANY_CLIENTS = 256
_MANY_CAUSES = 20
_VARIABLES = ("ANTHROPIC_", "AZURE_", "DATABRICKS_", "OPENAI_")
# Set by SDKs before each request if a function gives them.
_CHANGING = ("api_key", "auth_token", "_azure_ad_token")


class ClientSecrets:
    """The secrets of clients of one SDK; looked for once a client, and again when a key changes."""

    def __init__(self) -> None:
        """No client is known yet."""
        self._found: dict[int, tuple[Any, tuple[Any, ...], frozenset[str]]] = {}

    def of(self, client: Any) -> frozenset[str]:
        """Credentials that a client sends with each request."""
        now = tuple([getattr(client, name, None) for name in _CHANGING])
        known = self._found.get(id(client))
        if known is not None and known[0]() is client and known[1] == now:
            return known[2]
        if len(self._found) >= _MANY_CLIENTS:
            self._found.clear()
        found = remember(_of_client(client))
        self._found[id(client)] = (ref(client), now, found)
        return found


def _of_client(client: Any) -> Iterator[str]:
    for name in _CHANGING:
        value = getattr(client, name, None)
        if isinstance(value, str):
            yield value
    yield from secrets_of_attributes(vars(client))
    inner = getattr(client, "_inner", None)  # where databricks-sdk has its configuration
    if isinstance(inner, dict):
        yield from secrets_of_attributes(inner)
    yield from secrets_in_url(str(getattr(client, "base_url", "")))
    for name in ("_custom_headers", "_custom_query"):
        yield from of_request(getattr(client, name, None), None)
        yield from of_request(None, getattr(client, name, None))
    transport = getattr(client, "_client", None)
    yield from of_request(getattr(transport, "headers", None), getattr(transport, "params", None))
    yield from _of_proxies(transport)


def _of_proxies(transport: Any) -> Iterator[str]:
    """Credentials for the proxies of httpx's client and of the environment."""
    mounts = getattr(transport, "_mounts", None)
    for one in (getattr(transport, "_transport", None), *(mounts or {}).values()):
        pool = getattr(one, "_pool", None)
        yield from secrets_in_headers(getattr(pool, "_proxy_headers", None) or ())
        for value in getattr(pool, "_proxy_auth", None) or ():  # of a SOCKS proxy: user, password
            yield value.decode("latin-1") if isinstance(value, bytes) else str(value)
    for address in getproxies_environment().values():
        yield from secrets_in_url(address)


def remember_environment() -> None:
    """Take note of what the SDKs find in the environment, before a client of theirs is made."""
    remember(
        value
        for name, value in os.environ.items()
        if name.startswith(_VARIABLES) and is_credential(name)
    )


def of_request(headers: Any, query: Any) -> list[str]:
    """Credentials in the headers and the query of a request."""
    found: list[str] = []
    if headers is not None and hasattr(headers, "items"):
        found += secrets_in_headers(headers)
    if query is not None and hasattr(query, "items"):
        found += [
            value
            for name, value in query.items()
            if isinstance(value, str) and is_secret_in_query(str(name), value)
        ]
    return found


def secrets_of_attributes(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Values that an object keeps under names of credentials."""
    for name, value in list(attributes.items()):
        if isinstance(value, str) and (is_credential(name) or is_credential_header(name)):
            yield value


def secrets_of_exception(exception: BaseException) -> frozenset[str]:
    """Credentials of the requests that an exception and its causes refer to."""
    found: list[str] = []
    seen: set[int] = set()
    waiting: list[Any] = [exception]
    while waiting and len(seen) < _MANY_CAUSES:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        for request in (_part(one, "request"), _part(_part(one, "response"), "request")):
            if request is not None:
                found += of_request(_part(request, "headers"), None)
                found += secrets_in_url(str(_part(request, "url") or ""))
    return those_that_tell(found) if found else _NONE


def _part(one: Any, name: str) -> Any:
    try:
        return getattr(one, name, None)
    except RuntimeError:  # httpx's, where there is none
        return None
