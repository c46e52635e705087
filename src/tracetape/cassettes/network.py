"""In replay, sockets connect to this machine only; what is asked for elsewhere fails at once."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from tracetape.cassettes.context import players
from tracetape.exceptions import CassetteMissError

__all__ = ["block", "unblock"]

_LOCAL = {"localhost", "ip6-localhost", "", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
_originals: dict[str, Callable[..., Any]] = {}


def block() -> None:
    """Watch all connections of this process; the open tapes say which are refused."""
    _originals["connect"] = socket.socket.connect
    _originals["connect_ex"] = socket.socket.connect_ex
    _originals["getaddrinfo"] = socket.getaddrinfo
    _set("connect", _connect)
    _set("connect_ex", _connect_ex)
    socket.getaddrinfo = _getaddrinfo


def unblock() -> None:
    """Put the originals back."""
    _set("connect", _originals["connect"])
    _set("connect_ex", _originals["connect_ex"])
    socket.getaddrinfo = _originals["getaddrinfo"]


def _set(method: str, function: Callable[..., Any]) -> None:
    setattr(socket.socket, method, function)


def _connect(self: socket.socket, address: Any) -> Any:
    _check(self.family, address)
    return _originals["connect"](self, address)


def _connect_ex(self: socket.socket, address: Any) -> Any:
    _check(self.family, address)
    return _originals["connect_ex"](self, address)


def _getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    # Looking a name up is the first that goes out; without a network it may take minutes.
    _check(socket.AF_INET, (host, port))
    return _originals["getaddrinfo"](host, port, *args, **kwargs)


def _check(family: int, address: Any) -> None:
    if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        return  # sockets of this machine, such as Unix's
    host = address[0]
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    tapes = players()
    if not tapes or any(not tape.replays for tape in tapes) or _is_local(text):
        return
    if any(tape.passes(f"//{text}") for tape in tapes):
        return
    raise CassetteMissError(
        f"a connection to {text} was refused: the cassette {tapes[0].path} is being replayed, and "
        "nothing may reach the network. Allow the host by cassette(allow_hosts=[…])."
    )


def _is_local(host: str) -> bool:
    if host.lower() in _LOCAL:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
