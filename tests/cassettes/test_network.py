"""In replay nothing leaves this machine."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Tape, bypass, cassette, save
from tracetape.exceptions import CassetteMissError

OUTSIDE = "192.0.2.1"  # kept for documentation by RFC 5737: nobody answers


@pytest.fixture
def replaying(tape: Path) -> Callable[..., Any]:
    """A tape with nothing on it, for replay."""

    def open_tape(**options: Any) -> Any:
        save(tape, Tape([]))
        return cassette(tape, mode="none", **options)

    return open_tape


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The names that are looked up for real; `allowed.test` is this machine."""
    asked = []

    def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if host == "127.0.0.1" else OUTSIDE
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The addresses that are connected to for real; nothing is."""
    reached = []

    def connect(self: Any, address: Any) -> None:
        reached.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
    return reached


def test_all_libraries_get_a_miss(
    replaying: Any, ask: Callable[..., Any], names: Any, connected: Any
) -> None:
    """Those that a tape records, for any host."""
    with replaying(), pytest.raises(CassetteMissError, match="The cassette has no recordings"):
        ask("GET", "https://elsewhere.test/")
    assert names == connected == []


def test_other_connections_are_refused(replaying: Any, names: Any, connected: Any) -> None:
    """By name and by address, before anything is looked up."""
    with replaying():
        with pytest.raises(CassetteMissError, match=r"connection to elsewhere.test was refused"):
            urllib.request.urlopen("http://elsewhere.test/")
        with pytest.raises(CassetteMissError, match=OUTSIDE):
            socket.create_connection((OUTSIDE, 80))
        with socket.socket() as raw, pytest.raises(CassetteMissError, match=r"allow_hosts="):
            raw.connect((OUTSIDE, 80))
        with socket.socket() as raw, pytest.raises(CassetteMissError):
            raw.connect_ex((OUTSIDE, 80))
        with socket.socket(socket.AF_INET6) as raw, pytest.raises(CassetteMissError):
            raw.connect(("2001:db8::1", 80))
    assert names == connected == []


async def test_asyncios_connections_are_refused(replaying: Any, names: Any, connected: Any) -> None:
    """Its loop looks names up in a thread of its own."""
    with replaying():
        for host in ("elsewhere.test", OUTSIDE):
            with pytest.raises(CassetteMissError, match="was refused"):
                await asyncio.open_connection(host, 80)
    assert names == connected == []


def test_this_machine_is_reached(replaying: Any, server: Any, tmp_path: Path) -> None:
    """Loopback by name and address, and sockets of Unix."""
    with replaying():
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.server_port)).close()
        with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as asking:
            listening.bind(str(tmp_path / "s"))
            listening.listen()
            asking.connect(str(tmp_path / "s"))


def test_allowed_hosts_are_reached(replaying: Any, names: Any, connected: Any) -> None:
    """Also when the connection is made to the address that their name has."""
    with replaying(allow_hosts=["allowed.test"]):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("allowed.test", 80))
        with pytest.raises(CassetteMissError):
            socket.create_connection(("elsewhere.test", 80))
    assert names == ["allowed.test"]
    assert connected == [(OUTSIDE, 80)]


def test_our_own_exports_are_not_blocked(replaying: Any, names: Any, connected: Any) -> None:
    """What stands in `bypass` goes its way."""
    with replaying(), bypass(), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("collector.test", 4318))
    assert connected == [(OUTSIDE, 4318)]


def test_while_a_tape_records_nothing_is_blocked(tape: Path, names: Any, connected: Any) -> None:
    """Other connections are the program's own affair."""
    with cassette(tape), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("elsewhere.test", 80))


async def test_a_tape_that_records_is_not_blocked_by_one_that_replays(
    replaying: Any, tmp_path: Path, names: Any, connected: Any
) -> None:
    """Both are open in tasks of their own; names are looked up in threads of neither."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def replay() -> None:
        with replaying():
            begun.set()
            await done.wait()

    async def record() -> None:
        with cassette(tmp_path / "other.yaml"):
            await begun.wait()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("elsewhere.test", 80)
            done.set()

    await asyncio.gather(replay(), record())
    assert names == ["elsewhere.test"]


def test_everything_is_open_again_afterwards(replaying: Any, names: Any, connected: Any) -> None:
    """The block ends with the tape."""
    with replaying():
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("elsewhere.test", 80))


def test_datagrams_and_other_lookups_are_refused(replaying: Any) -> None:
    """As of statsd, syslog, or an old resolver; to this machine they go."""
    with replaying(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for send in (
            lambda: sender.sendto(b"x", (OUTSIDE, 8125)),
            lambda: sender.sendto(b"x", 0, (OUTSIDE, 8125)),
            lambda: sender.sendmsg([b"x"], [], 0, (OUTSIDE, 8125)),
            lambda: socket.gethostbyname("stats.test"),
            lambda: socket.gethostbyname_ex("stats.test"),
        ):
            with pytest.raises(CassetteMissError):
                send()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            assert sender.sendto(b"x", receiver.getsockname()) == 1
            assert receiver.recv(9) == b"x"
        assert socket.gethostbyname("localhost") == "127.0.0.1"


def test_a_host_may_be_allowed_by_one_port(replaying: Any, connected: Any) -> None:
    """The others of it stay closed."""
    with replaying(allow_hosts=[f"{OUTSIDE}:8123"]), socket.socket() as one:
        with pytest.raises(ConnectionRefusedError):
            one.connect((OUTSIDE, 8123))
        assert connected == [(OUTSIDE, 8123)]
        with pytest.raises(CassetteMissError):
            one.connect((OUTSIDE, 8124))
