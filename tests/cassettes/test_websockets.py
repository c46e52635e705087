"""WebSocket sessions are on no tape, and the tape says so."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import cassette, load
from tracetape.exceptions import CassetteError, CassetteMissError

openai = pytest.importorskip("openai")
websockets = pytest.importorskip("websockets.sync.server")

# The SDK connects in a way that new versions of websockets advise against.
pytestmark = pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")


@pytest.fixture
def url() -> Iterator[str]:
    """A server that says everything back."""

    def echo(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    with websockets.serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        server.shutdown()
        thread.join()


def talk(url: str) -> str:
    client = openai.OpenAI(api_key="k", base_url=url)
    with client.realtime.connect(model="m") as connection:
        connection.send({"type": "response.create"})
        said: dict[str, str] = json.loads(connection.recv_bytes())
        return said["type"]


async def talk_async(url: str) -> str:
    client = openai.AsyncOpenAI(api_key="k", base_url=url)
    async with client.realtime.connect(model="m") as connection:
        await connection.send({"type": "response.create"})
        said: dict[str, str] = json.loads(await connection.recv_bytes())
        return said["type"]


def test_a_session_while_recording_is_told_at_the_end(url: str, tape: Path) -> None:
    """The program has its session; the tape is not taken for whole."""
    with pytest.raises(CassetteError, match=r"ws://127\.0\.0\.1:\d+: a WebSocket session cannot"):
        with cassette(tape):
            assert talk(url) == "response.create"
    assert not tape.exists() or load(tape).incomplete


async def test_async_sessions_too(url: str, tape: Path) -> None:
    """They speak through the same protocol."""
    with pytest.raises(CassetteError, match=r"allow_hosts"):
        async with cassette(tape):
            assert await talk_async(url) == "response.create"


def test_a_session_with_an_ignored_host_is_none_of_the_tapes(url: str, tape: Path) -> None:
    """Nothing is missing on it then."""
    with cassette(tape, ignore_hosts=["127.0.0.1"]):
        assert talk(url) == "response.create"
    assert talk(url) == "response.create"  # nor without any tape


def test_in_replay_a_session_is_refused(tape: Path) -> None:
    """At once, and with the reason."""
    tape.write_text("version: 1\ninteractions: []\n")
    with cassette(tape, mode="none"):
        with pytest.raises(CassetteMissError, match="no WebSocket sessions"):
            talk("https://api.openai.com/v1")


def test_the_library_is_not_imported_for_it(run_python: Any, tape: Path) -> None:
    """Most programs have no use for it; one that imports it under an open tape is seen."""
    assert "websockets" in sys.modules
    done = run_python(
        """
        import sys
        from tracetape import cassette
        with cassette("tape.yaml", mode="all"):
            print("websockets" in sys.modules)
            from websockets.client import ClientProtocol
            print(hasattr(ClientProtocol.__init__, "__wrapped__"))
        print(hasattr(ClientProtocol.__init__, "__wrapped__"))
        """
    )
    assert done.stdout.split() == ["False", "True", "False"]
