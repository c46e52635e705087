"""In replay, sockets connect to this machine only; what is asked for elsewhere fails at once.

So do those of a test whose network is blocked.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import Any

from tracetape._system import lasting_lock
from tracetape.cassettes.context import is_bypassed, is_seen, open_for_sockets
from tracetape.cassettes.miss import printable
from tracetape.cassettes.options import is_host, names
from tracetape.cassettes.patches import Patches
from tracetape.exceptions import InvalidValueError, NetworkBlockedError

__all__ = ["Block", "block_of_here", "fall", "is_local", "stand", "unwatch", "watch"]

_PATTERN = re.compile(r"[\w.*-]+(:\d{1,5})?")

_LOCAL = {"localhost", "ip6-localhost", "", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
_patches = Patches()
# Addresses of hosts that a tape allows: a connection is made to an address, not to a name.
_allowed: set[str] = set()
_names: dict[str, str] = {}  # of addresses that were looked up
_lock = lasting_lock()
_watchers = 0  # the open tapes together are one, each block is another


def watch() -> None:
    """Watch all connections of this process: the open tapes, or a block, say which are refused."""
    global _watchers
    with _lock:
        _watchers += 1
        if _watchers == 1:
            _patch()


def unwatch(*, tapes: bool = False) -> None:
    """No longer for one; the last one puts the originals back.

    Args:
        tapes: all are closed, and what they allowed is so no more.
    """
    global _watchers
    with _lock:
        _watchers -= 1
        if tapes:
            _allowed.clear()
        if not _watchers:
            _patches.undo()
            _names.clear()


def _patch() -> None:
    _patches.wrap(socket.socket, "connect", _checked)
    _patches.wrap(socket.socket, "connect_ex", _checked)
    _patches.wrap(socket.socket, "sendto", _checked_datagram)
    if hasattr(socket.socket, "sendmsg"):  # not on Windows
        _patches.wrap(socket.socket, "sendmsg", _checked_message)
    _patches.wrap(socket, "getaddrinfo", _checked_lookup)
    for name in ("gethostbyname", "gethostbyname_ex"):
        _patches.wrap(socket, name, _checked_name)


def _checked(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        _check_address(self, address, is_connection=self.type == socket.SOCK_STREAM)
        return original(self, address)

    return connect


def _checked_datagram(original: Callable[..., Any]) -> Callable[..., Any]:
    def sendto(self: socket.socket, data: Any, *flags_and_address: Any) -> Any:
        if flags_and_address:
            _check_address(self, flags_and_address[-1])
        return original(self, data, *flags_and_address)

    return sendto


def _checked_message(original: Callable[..., Any]) -> Callable[..., Any]:
    def sendmsg(self: socket.socket, buffers: Any, *more: Any) -> Any:
        if len(more) > 2:  # ancillary data, flags, address
            _check_address(self, more[2])
        return original(self, buffers, *more)

    return sendmsg


def _check_address(connection: socket.socket, address: Any, *, is_connection: bool = False) -> None:
    # Sockets of this machine, such as Unix's, have other families.
    if connection.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
        _check(*address[:2], is_connection=is_connection)


def _checked_lookup(original: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        # Looking a name up is the first that goes out; without a network it may take minutes.
        allowed = _check(host, port)
        found = original(host, port, *args, **kwargs)
        addresses = [str(address[0]) for *_, address in found]
        if allowed is not None:
            allowed.update(addresses)
        if isinstance(host, str):
            _names.update(dict.fromkeys(addresses, host))
        return found

    return getaddrinfo


def _checked_name(original: Callable[..., Any]) -> Callable[..., Any]:
    def gethostbyname(host: Any) -> Any:
        allowed = _check(host)
        found = original(host)
        if allowed is not None:
            allowed.update([found] if isinstance(found, str) else found[2])
        return found

    return gethostbyname


def _check(host: Any, port: Any = None, *, is_connection: bool = False) -> set[str] | None:
    """Where to note the addresses of a host that is allowed by name, with the port or without.

    While a tape records all goes its way, and a connection is noted that no request has announced.

    Raises:
        CassetteMissError: all tapes that are concerned forbid it.
        NetworkBlockedError: there are none, and the network is blocked.
    """
    tapes = open_for_sockets()
    block = None if is_bypassed() else block_of_here()
    if not tapes and block is None:
        return None
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    place = _bracketed(text) if port is None else f"{_bracketed(text)}:{port}"
    if any(tape.passes(f"//{place}") for tape in tapes):
        return _allowed
    if block is not None and block.passes(_bracketed(text), port):
        return block.addresses
    if text in _allowed or is_local(text) or (block is not None and text in block.addresses):
        return None
    if not tapes:
        assert block is not None
        raise block.refusal(printable(text))
    recording = next((tape for tape in tapes if tape.records), None)
    if recording is not None:
        if is_connection and not is_seen():
            recording.not_recorded_connection(f"{_bracketed(_names.get(text, text))}:{port}")
        return None
    raise tapes[0].refuse_connection(
        f"a connection to {printable(text)} was refused: the cassette {tapes[0].path} is being "
        "replayed, and nothing may reach the network. Cassettes hold requests of httpx2, httpx and "
        "requests, but no WebSocket sessions. To reach the host for real, use "
        f"{tapes[0].advice.allow}."
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_local(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    if host.lower() in _LOCAL:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


class Block:
    """Where connections may go, and which were refused.

    Attributes:
        allowed: names of hosts and patterns with `*`, in lower case, with or without a port.
        addresses: those of hosts that are allowed by name.
        refused: what was refused, each text once.
        reason: why nothing else is reached: the beginning of a sentence.
        remedy: how a user allows a host.
    """

    def __init__(
        self,
        allowed_hosts: Collection[str],
        reason: str,
        remedy: str,
        before_refusal: Callable[[], object],
    ) -> None:
        """It blocks nothing yet.

        Args:
            allowed_hosts: as the attribute, in any case.
            reason: as the attribute, as is the next one.
            remedy: of the user's.
            before_refusal: called before each.

        Raises:
            InvalidValueError: what is allowed is not a host.
        """
        for value in names("allowed_hosts", allowed_hosts, "localhost"):
            if not is_host(value) and not _PATTERN.fullmatch(value):
                raise InvalidValueError(
                    f"allowed_hosts takes names of hosts, with or without a port, and patterns "
                    f"such as '*.example.com', not {value!r}"
                )
        # A regular expression of pytest-recording's begins with a point.
        lower = {value.lower() for value in allowed_hosts}
        self.allowed = sorted(one[1:] if one.startswith(".*") else one for one in lower)
        self.addresses: set[str] = set()
        self.refused: dict[str, None] = {}
        self.reason, self.remedy = reason, remedy
        self._before_refusal = before_refusal

    def passes(self, name: str, port: object) -> bool:
        """Whether a host may be reached; an IPv6 address is in brackets."""
        host = name.lower()
        return any(
            fnmatchcase(one, pattern.replace("[", "[[]"))
            for pattern in self.allowed
            for one in (host, host.strip("[]"), f"{host}:{port}")
        )

    def refusal(self, place: str) -> NetworkBlockedError:
        """The error for a connection, which is noted."""
        text = (
            f"Network is disabled: a connection to {place} was refused, because {self.reason}. To "
            f"reach the host for real, use {self.remedy}; to record what it answers, "
            "@pytest.mark.cassette."
        )
        self.refused[text] = None
        self._before_refusal()
        return NetworkBlockedError(text)


_standing: list[Block] = []


def block_of_here() -> Block | None:
    """The one that was put up last."""
    return _standing[-1] if _standing else None


def stand(block: Block) -> None:
    """Put it up."""
    _standing.append(block)


def fall(block: Block) -> None:
    """Take it away."""
    _standing.remove(block)
