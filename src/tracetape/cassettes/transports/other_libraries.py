"""Requests of libraries that no tape holds: named while one records, refused while it replays."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from tracetape.cassettes.context import is_seen, open_for_sockets, seen
from tracetape.cassettes.network import is_local
from tracetape.cassettes.patches import Patches

__all__ = ["patch_aiohttp", "patch_http_client", "patch_urllib3"]

_PORTS = {"http": 80, "https": 443}


def patch_http_client(patches: Patches, client: Any) -> None:
    """See the requests of `http.client`, and so those of urllib."""
    patches.wrap(client.HTTPConnection, "putrequest", _putrequest)
    patches.wrap(client.HTTPConnection, "connect", _connect)


def patch_urllib3(patches: Patches, pools: Any) -> None:
    """See the requests of urllib3 that do not come from requests, such as botocore's."""
    pool = getattr(pools, "HTTPConnectionPool", None)
    if hasattr(pool, "urlopen"):
        patches.wrap(pool, "urlopen", _urlopen)


def patch_aiohttp(patches: Patches, client: Any) -> None:
    """See the requests of aiohttp, its WebSocket sessions included."""
    session = getattr(client, "ClientSession", None)
    if hasattr(session, "_request"):
        patches.wrap(session, "_request", _request)


def _putrequest(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        scheme = "https" if self.default_port == _PORTS["https"] else "http"
        host, port = (
            (self._tunnel_host, self._tunnel_port) if self._tunnel_host else (self.host, self.port)
        )
        _tell(method, _whole(scheme, host, port, url), "urllib (http.client)")
        return original(self, method, url, *args, **kwargs)

    return putrequest


def _connect(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
        with seen():
            return original(self, *args, **kwargs)

    return connect


def _urlopen(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        _tell(method, _whole(self.scheme, self.host, self.port, url), "urllib3")
        with seen():
            return original(self, method, url, *args, **kwargs)

    return urlopen


def _request(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    async def request(self: Any, method: str, str_or_url: Any, *args: Any, **kwargs: Any) -> Any:
        url = str_or_url
        if hasattr(self, "_build_url"):  # a session may have a base
            try:
                url = self._build_url(str_or_url)
            except Exception:  # noqa: BLE001 - the library will say what is wrong
                url = str_or_url
        _tell(method, str(url), "aiohttp")
        with seen():
            return await original(self, method, str_or_url, *args, **kwargs)

    return request


def _whole(scheme: str, host: str | None, port: int | None, path: str) -> str:
    if "://" in path.partition("?")[0]:  # as a proxy is asked
        return path
    name = f"[{host}]" if host and ":" in host else host or ""
    place = name if port in (None, _PORTS.get(scheme)) else f"{name}:{port}"
    return f"{scheme}://{place}{path}"


def _tell(method: str, url: str, library: str) -> None:
    """Let a request pass, or refuse it.

    Raises:
        CassetteMissError: a tape replays, and the request is to leave this machine.
    """
    if is_seen():
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return  # no URL: the library will say so
    tapes = open_for_sockets()
    if not tapes or any(tape.passes(url) for tape in tapes):
        return
    for tape in tapes:
        if tape.records:
            tape.not_recorded(method, url, library)
            return
    if not is_local(host):
        raise tapes[0].missed_elsewhere(method, url, library)
