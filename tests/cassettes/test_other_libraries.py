"""Requests of libraries that no tape holds."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import sys
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import Tape, cassette, save
from tracetape.exceptions import CassetteMissError

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")

OUTSIDE = "192.0.2.1"  # kept for documentation by RFC 5737: nobody answers


def by_urllib(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(url, timeout=5).read()


def by_http_client(url: str) -> None:
    place, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(place, timeout=5)
    connection.request("GET", f"/{path}")
    connection.getresponse().read()
    connection.close()


def by_urllib3(url: str) -> None:
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        pool.request("GET", url)


def by_aiohttp(url: str) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def main() -> None:
        base, _, path = url.removeprefix("http://").partition("/")
        async with aiohttp.ClientSession(f"http://{base}") as session:
            async with session.get(f"/{path}") as response:
                await response.read()

    asyncio.run(main())


def by_aiohttps_websocket(url: str) -> None:
    aiohttp = pytest.importorskip("aiohttp")

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError):  # the server knows none
                await session.ws_connect(url)

    asyncio.run(main())


OTHERS = [by_urllib, by_http_client, by_urllib3, by_aiohttp, by_aiohttps_websocket]


@pytest.mark.parametrize("ask", OTHERS)
def test_what_cannot_be_recorded_is_named_at_the_end(
    ask: Callable[[str], None], server: Any, tape: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with how often it was asked, and without credentials; the tape is whole else."""
    with cassette(tape) as recording:
        for _ in range(2):
            ask(f"{server.url}/elsewhere?api_key=hidden")
        httpx.get(f"{server.url}/kept", trust_env=False)
        requests.get(f"{server.url}/kept", proxies={"http": ""})
    (line,) = [line for line in caplog.text.splitlines() if "not recorded" in line]
    assert f"not recorded: GET {server.url}/elsewhere?api_key=REDACTED (" in line
    assert line.endswith(", 2 times")
    assert recording.recorded == 2
    assert sum(recording.unrecorded.values()) == 2


@pytest.mark.parametrize("ask", OTHERS)
def test_in_replay_they_are_misses(ask: Callable[[str], None], tape: Path) -> None:
    """Before anything leaves the machine."""
    save(tape, Tape([]))
    with cassette(tape, mode="none") as replaying:
        with pytest.raises(CassetteMissError) as caught:
            ask(f"http://{OUTSIDE}/elsewhere")
    assert f"GET http://{OUTSIDE}/elsewhere: a connection to {OUTSIDE} was" in str(caught.value)
    assert len(replaying.misses) == 1


@pytest.mark.parametrize("ask", OTHERS)
def test_this_machine_and_allowed_hosts_are_reached(
    ask: Callable[[str], None], server: Any, tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by every other connection; an ignored host's requests are missing on no tape."""
    save(tape, Tape([]))
    with cassette(tape, mode="none") as replaying:
        ask(f"{server.url}/here")
    assert not replaying.misses
    with cassette(tape, mode="all", ignore_hosts=["127.0.0.1"]) as recording:
        ask(f"{server.url}/here")
    assert not recording.unrecorded
    monkeypatch.setattr(
        "tracetape.cassettes.transports.other_libraries.is_local", lambda host: False
    )
    with cassette(tape, mode="none", allow_hosts=[server.url.removeprefix("http://")]):
        ask(f"{server.url}/here")


def test_other_connections_are_named_too(
    tape: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database's, by its name; to this machine, and those of requests that are seen, are not."""

    def connect(self: socket.socket, address: Any) -> None:
        raise ConnectionRefusedError

    def lookup(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (OUTSIDE, port))]

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with cassette(tape):
        for place in ((OUTSIDE, 5432), ("127.0.0.1", 1)):
            with socket.socket() as one, pytest.raises(ConnectionRefusedError):
                one.connect(place)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("db.test", 5432))
        with pytest.raises(requests.ConnectionError):
            requests.get("http://taped.test/", proxies={"http": ""})
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://taped.test/", trust_env=False)
    told = [line.strip() for line in caplog.text.splitlines() if "not recorded" in line]
    assert told == [
        f"not recorded: a connection to {OUTSIDE}:5432",
        "not recorded: a connection to db.test:5432",
    ]


CHILD = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), timeout=1)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def child(run_command: Any) -> Callable[..., str]:
    """What a Python says that is started with the environment of now."""

    def run(*arguments: str, source: str = CHILD) -> str:
        command = [sys.executable, "-c", textwrap.dedent(source), *arguments]
        done = run_command(command, dict(os.environ))
        return str(done.stdout + done.stderr)

    return run


def test_python_processes_that_are_started_in_replay_stay_off_the_network(
    tape: Path, child: Callable[..., str]
) -> None:
    """By address and by name, whatever library asks; this machine is reached."""
    save(tape, Tape([]))
    before = dict(os.environ)
    with cassette(tape, mode="none"):
        for host in (OUTSIDE, "elsewhere.test", "2001:db8::1"):
            assert child(host).startswith("CassetteMissError a connection to ")
            assert str(tape) in child(host)
        assert child("127.0.0.1").startswith("ConnectionRefusedError [Errno")
        assert child("localhost").startswith("ConnectionRefusedError [Errno")
    assert dict(os.environ) == before


def test_their_own_python_needs_no_tracetape(tape: Path, child: Callable[..., str]) -> None:
    """Without site-packages it is refused as well, by an error of Python's own."""
    save(tape, Tape([]))
    source = "import sys; sys.modules['tracetape'] = None\n" + CHILD
    with cassette(tape, mode="none"):
        said = child(OUTSIDE, source=source)
    assert said.startswith("ConnectionRefusedError a connection to '192.0.2.1' was refused")


def test_what_a_tape_allows_its_children_reach(tape: Path, child: Callable[..., str]) -> None:
    """By name, by address, and by both with a port."""
    save(tape, Tape([]))
    with cassette(tape, mode="none", allow_hosts=[OUTSIDE, "elsewhere.test:9"]):
        assert "CassetteMissError" not in child(OUTSIDE)
        assert "CassetteMissError" not in child("elsewhere.test")
        assert "CassetteMissError" in child("192.0.2.2")


def test_a_child_with_a_tape_of_its_own_is_ruled_by_that(
    tape: Path, child: Callable[..., str]
) -> None:
    """It may record."""
    save(tape, Tape([]))
    source = """
    import socket, sys, tracetape
    def connect():
        try:
            socket.create_connection((sys.argv[1], 9), timeout=0.2)
        except Exception as error:
            return type(error).__name__
    with tracetape.cassette("own.yaml", mode="all"):
        print(connect())
    print(connect())
    """
    with cassette(tape, mode="none"):
        first, second = child(OUTSIDE, source=source).splitlines()[:2]
    assert first != "CassetteMissError"
    assert second == "CassetteMissError"


def test_a_child_that_outlives_the_tape_is_free(tape: Path, start_python: Any) -> None:
    """A pool's process may be used again when no tape is open."""
    save(tape, Tape([]))
    source = """
    import socket
    for line in iter(input, "end"):
        try:
            socket.getaddrinfo("192.0.2.1", 9)
            print("free", flush=True)
        except Exception as error:
            print(type(error).__name__, flush=True)
    """
    with cassette(tape, mode="none"):
        process = start_python(
            source,
            **{name: os.environ[name] for name in ("PYTHONPATH", "TRACETAPE_REPLAY")},
        )
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "CassetteMissError\n"
    out, errors = process.communicate("\nend\n")
    assert out == "free\n", errors


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_children_of_multiprocessing_stay_off_the_network(how: str, run_python: Any) -> None:
    """Those that begin as a Python of their own; forks have the tape itself."""
    source = f"""
    import multiprocessing, socket, sys, tracetape, pathlib
    def connect(host):
        try:
            socket.create_connection((host, 9), timeout=1)
        except Exception as error:
            return type(error).__name__
    if __name__ == "__main__":
        pathlib.Path("t.yaml").write_text("version: 1\\ninteractions: []\\n")
        with tracetape.cassette("t.yaml", mode="none"):
            with multiprocessing.get_context({how!r}).Pool(1) as pool:
                print(pool.apply(connect, ["192.0.2.1"]))
    """
    Path("program.py").write_text(textwrap.dedent(source))
    done = run_python("import runpy; runpy.run_path('program.py', run_name='__main__')")
    assert done.stdout == "CassetteMissError\n"


def test_while_a_tape_records_children_are_free(tape: Path, child: Callable[..., str]) -> None:
    """Nothing is blocked then, nor if another tape records."""
    save(tape, Tape([]))
    with cassette(tape.with_name("new.yaml")):
        assert "CassetteMissError" not in child("127.0.0.1")
        assert "TRACETAPE_REPLAY" not in os.environ
        with cassette(tape, mode="none"):
            assert "TRACETAPE_REPLAY" not in os.environ
    with cassette(tape, mode="none"):
        with cassette(tape.with_name("another.yaml")):
            assert "TRACETAPE_REPLAY" not in os.environ
        assert "TRACETAPE_RECORD" not in os.environ
        assert "CassetteMissError" in child(OUTSIDE)


def test_what_children_connect_to_is_named_at_the_end_of_the_recording(
    tape: Path, child: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """By name or address; not this machine, what is allowed, and what has a tape of its own."""
    source = """
    import socket, sys, tracetape
    def connect(host):
        try:
            socket.create_connection((host, 9), timeout=0.1)
        except Exception as error:
            print(type(error).__name__)
    for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "nowhere.invalid", "127.0.0.1"):
        connect(host)
    with tracetape.cassette("own.yaml"):
        connect("192.0.2.3")
    """
    before = dict(os.environ)
    with cassette(tape, allow_hosts=["192.0.2.2"]) as recording:
        assert "CassetteMissError" not in child(source=source)
    assert recording.unrecorded == {
        f"a connection to {OUTSIDE}:9 by a child process": 2,
        "a connection to nowhere.invalid:9 by a child process": 1,
    }
    assert "not recorded: a connection to 192.0.2.1:9 by a child process, 2 times" in caplog.text
    assert dict(os.environ) == before


def test_what_the_program_sets_meanwhile_stays(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was set before comes back."""
    save(tape, Tape([]))
    monkeypatch.setenv("PYTHONPATH", "mine")
    with cassette(tape, mode="none"):
        assert os.environ["PYTHONPATH"].endswith(f"{os.pathsep}mine")
    assert os.environ["PYTHONPATH"] == "mine"
    with cassette(tape, mode="none"):
        os.environ["PYTHONPATH"] = "other"
    assert os.environ["PYTHONPATH"] == "other"


def test_a_fork_leaves_the_file_of_its_parent_alone(tape: Path, child: Callable[..., str]) -> None:
    """It closes the tape that it has inherited; the parent's children stay guarded."""
    save(tape, Tape([]))
    with cassette(tape, mode="none"):
        pid = os.fork()
        if not pid:
            try:
                with cassette(tape, mode="none"):
                    pass
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert Path(os.environ["TRACETAPE_REPLAY"]).exists()
        assert "CassetteMissError" in child(OUTSIDE)
