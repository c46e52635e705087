"""Tests whose network is blocked, by the mark or for all of a run."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

import tracetape
from tracetape.cassettes import bypass
from tracetape.cassettes.network import Block
from tracetape.cassettes.transports import retries
from tracetape.exceptions import CassetteMissError, InvalidValueError, NetworkBlockedError
from tracetape.testing.network_block import standing

pytest_plugins = ["pytester"]

ELSEWHERE = (
    "192.0.2.1",
    9,
)  # nobody has this address; a datagram's socket sends nothing to connect
TESTS = """
    import socket, subprocess, sys, pytest
    from tracetape.exceptions import CassetteMissError

    def connect(host="192.0.2.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect((host, 9))

    def test_without_a_mark():
        pytest.raises(RuntimeError, connect) if RECORDS else connect()

    @pytest.mark.block_network
    class TestMarked:
        def test_refused(self):
            with pytest.raises(RuntimeError, match="^Network is disabled"):
                connect()

        def test_this_machine(self):
            connect("127.0.0.1")

        @pytest.mark.block_network(allowed_hosts=["192.0.2.*"])
        def test_allowed(self):
            connect()
            child = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('{}', 9))"
            run = lambda to: subprocess.run(
                [sys.executable, "-c", child.format(to)], capture_output=True, text=True, timeout=60
            )
            assert run("192.0.2.7").returncode == 0
            assert "the test is marked block_network" in run("198.51.100.1").stderr

        @pytest.mark.cassette
        def test_tape(self):
            connect() if RECORDS else pytest.raises(CassetteMissError, connect)

    @pytest.mark.block_network(allowed_hosts="localhost")
    def test_no_list():
        pass

    @pytest.mark.block_network("localhost")
    def test_no_name():
        pass

    @pytest.mark.block_network
    def test_swallowed():
        try:
            connect()
        except RuntimeError:
            pass
        assert False
"""


@pytest.fixture
def block() -> Iterator[Block]:
    """One that stands, and allows a host."""
    with standing(
        Block(["Allowed.example:9", "192.0.2.8"], "it is so", "a knife", retries.watch)
    ) as block:
        yield block


def connect(place: tuple[str, int] = ELSEWHERE) -> None:
    """As far as it goes without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(place)


def test_nothing_but_this_machine_and_what_is_allowed(block: Block) -> None:
    """By address and by name, in threads and loops; a refusal says why, and what to do."""
    connect(("127.0.0.1", 9))
    connect(("192.0.2.8", 9))
    found: list[BaseException] = []

    def try_it() -> None:
        try:
            connect()
        except NetworkBlockedError as error:
            found.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert [str(one) for one in found] == [
        "Network is disabled: a connection to 192.0.2.1 was refused, because it is so. To reach "
        "the host for real, use a knife; to record what it answers, @pytest.mark.cassette."
    ]
    for name in ("elsewhere.example", "allowed.example"):  # that one with another port
        with pytest.raises(NetworkBlockedError, match=name):
            socket.getaddrinfo(name, 80)

    async def ask() -> None:
        await asyncio.get_running_loop().getaddrinfo("elsewhere.example", 80)

    with pytest.raises(NetworkBlockedError):
        asyncio.run(ask())
    assert len(block.refused) == 3
    with bypass():
        connect()


def test_a_tape_decides_for_its_requests(block: Block, tmp_path: object) -> None:
    """One that records goes its way; one that replays allows what it allows, and the block."""
    with tracetape.cassette("recorded.yaml") as tape:
        connect()
    assert tape.unrecorded == {}  # datagrams are none
    with tracetape.cassette("other.yaml", mode="none", allow_hosts=["192.0.2.1"]):
        connect()
        connect(("192.0.2.8", 9))
        with pytest.raises(CassetteMissError):
            connect(("192.0.2.2", 9))
    with pytest.raises(NetworkBlockedError):
        connect()


def test_sdks_do_not_try_again(block: Block) -> None:
    """They would wait for seconds: a refusal is none that a second attempt changes."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(api_key="x", base_url="https://elsewhere.example/v1", max_retries=9)
    with pytest.raises(NetworkBlockedError, match=r"elsewhere\.example"):
        client.models.list()


@pytest.mark.parametrize("value", ["https://a.example", "a b", r".*\\.a\\.example", ""])
def test_what_is_no_host_is_refused(value: str) -> None:
    """Since no connection would fit."""
    with pytest.raises(InvalidValueError, match="names of hosts"):
        Block([value], "", "", print)


@pytest.mark.parametrize("records", [False, True], ids=["replaying", "recording"])
def test_marks_and_options(pytester: pytest.Pytester, records: bool) -> None:
    """The nearest mark counts, a cassette records all the same, the report names refusals."""
    pytester.makeini("[pytest]\naddopts = -p no:recording --strict-markers\n")
    pytester.makepyfile(f"    RECORDS = {records}\n{TESTS}")
    options = ["--block-network", "--allowed-hosts=198.51.100.9, b.example"] if records else []
    mode = "--cassette-mode=once" if records else "--cassette-mode=none"
    outcome = pytester.runpytest_subprocess(mode, *options)
    outcome.assert_outcomes(passed=5, failed=1, errors=2)
    outcome.stdout.fnmatch_lines(
        [
            "*test_no_list*",
            "*allowed_hosts takes a list of names, not 'localhost'*",
            "*block_network takes allowed_hosts only: write @pytest.mark.block_network(*",
            "*- cassettes -*",
            "Network is disabled: a connection to 192.0.2.1 was refused, because the test is *",
        ]
    )
