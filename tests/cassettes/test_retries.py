"""No SDK waits for an answer that comes from a tape."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.cassettes import cassette

anthropic = pytest.importorskip("anthropic")
anyio = pytest.importorskip("anyio")
openai = pytest.importorskip("openai")
sdk = pytest.importorskip("databricks.sdk")

ERROR = {"error": {"message": "slow down"}, "error_code": "REQUEST_LIMIT_EXCEEDED"}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each wait of an SDK was to be; none is."""
    asked: list[float] = []
    real = time.sleep

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(time, "sleep", lambda seconds: asked.append(seconds) or real(0))
    monkeypatch.setattr(anyio, "sleep", sleep)
    return asked


@pytest.fixture
def refusing(server: Any) -> Callable[..., None]:
    """Make a path of the server refuse its first request, with some headers."""

    def refuse(path: str, answer: Any, headers: list[tuple[str, str]], status: int = 429) -> None:
        times = [0]

        def route(handler: Any) -> None:
            times[0] += 1
            if times[0] == 1:
                handler.plain(ERROR, status, headers)
            else:
                handler.plain(answer)

        server.routes[path] = route

    return refuse


def openai_sync(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k") as client:
        client.models.list()


def openai_async(url: str) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
            await client.models.list()

    asyncio.run(main())


def openai_in_a_thread(url: str) -> None:
    async def main() -> None:
        await asyncio.to_thread(openai_sync, url)

    asyncio.run(main())


def anthropic_sync(url: str) -> None:
    with anthropic.Anthropic(base_url=url, api_key="k") as client:
        client.models.list()


def anthropic_async(url: str) -> None:
    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k") as client:
            await client.models.list()

    asyncio.run(main())


SDKS = [openai_sync, openai_async, openai_in_a_thread, anthropic_sync, anthropic_async]
HEADERS = {
    "seconds": [("Retry-After", "30")],
    "date": [("Retry-After", "DATE")],
    "milliseconds": [("Retry-After-Ms", "30000")],
    "none": [],
    "should": [("X-Should-Retry", "true")],
}


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("ask", SDKS)
def test_what_a_service_asked_for_is_not_waited_for(
    ask: Callable[[str], None],
    headers: str,
    server: Any,
    refusing: Callable[..., None],
    tape: Path,
    waits: list[float],
) -> None:
    """Nor what the SDK makes up; while it records, it waits."""
    soon = email.utils.formatdate(time.time() + 50, usegmt=True)
    given = [(name, value.replace("DATE", soon)) for name, value in HEADERS[headers]]
    refusing("/v1/models", {"object": "list", "data": []}, given)
    with cassette(tape):
        ask(server.url)
    assert any(wait > 0.1 for wait in waits)
    server.stop()
    waits.clear()
    with cassette(tape, mode="none") as replayed:
        ask(server.url)
    assert replayed.all_played
    assert [wait for wait in waits if wait] == []


@pytest.mark.parametrize("status", [429, 503])
def test_databricks_waits_for_no_recorded_answer(
    status: int,
    server: Any,
    refusing: Callable[..., None],
    tape: Path,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own clock, which all of its retries ask to sleep."""
    server.routes["/.well-known/databricks-config"] = lambda handler: handler.plain({})
    refusing("/api/2.0/thing", {"ok": 1}, [("Retry-After", "40")], status)

    def ask() -> Any:
        workspace = sdk.WorkspaceClient(host=server.url, token="t")
        return workspace.api_client.do("GET", "/api/2.0/thing")

    with cassette(tape):
        assert ask() == {"ok": 1}
    assert max(waits) > 30
    server.stop()
    waits.clear()
    with cassette(tape, mode="none"):
        assert ask() == {"ok": 1}
    assert [wait for wait in waits if wait] == []


def test_recorded_errors_of_the_network_are_not_waited_for(
    server: Any, tape: Path, waits: list[float]
) -> None:
    """They are tried again as on the tape, at once."""
    server.stop()
    with cassette(tape), pytest.raises(openai.APIConnectionError):
        openai_sync(server.url)
    assert any(wait > 0.1 for wait in waits)
    waits.clear()
    with cassette(tape, mode="none") as replayed, pytest.raises(openai.APIConnectionError):
        openai_sync(server.url)
    assert replayed.played == 3
    assert [wait for wait in waits if wait] == []


def test_what_takes_its_time_is_looked_at_again_at_once(
    server: Any, tape: Path, waits: list[float]
) -> None:
    """Both SDKs sleep between two looks at a thing that is not ready."""
    looks = [0, 0]

    def batch(handler: Any) -> None:
        looks[0] += 1
        counts = dict.fromkeys(("cancelled", "completed", "failed", "total"), 0)
        counts["in_progress"] = int(looks[0] < 3)
        handler.plain(
            {"id": "b", "object": "o", "created_at": 1, "status": "s", "vector_store_id": "v"}
            | {"file_counts": counts}
        )

    def endpoint(handler: Any) -> None:
        looks[1] += 1
        update = "IN_PROGRESS" if looks[1] < 3 else "NOT_UPDATING"
        handler.plain({"name": "e", "state": {"config_update": update}})

    server.routes["/v1/vector_stores/v/file_batches/b"] = batch
    server.routes["/api/2.0/serving-endpoints/e"] = endpoint
    server.routes["/.well-known/databricks-config"] = lambda handler: handler.plain({})

    def ask() -> None:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k") as client:
            client.vector_stores.file_batches.poll("b", vector_store_id="v")
        workspace = sdk.WorkspaceClient(host=server.url, token="t")
        workspace.serving_endpoints.wait_get_serving_endpoint_not_updating(
            "e", timeout=datetime.timedelta(seconds=9)
        )

    with cassette(tape):
        ask()
    assert len([wait for wait in waits if wait > 0.5]) == 4
    server.stop()
    waits.clear()
    with cassette(tape, mode="none"):
        ask()
    assert [wait for wait in waits if wait] == []


def test_real_answers_are_waited_for_while_a_tape_replays(
    server: Any, refusing: Callable[..., None], tape: Path, waits: list[float]
) -> None:
    """Those of an ignored host, and those that a tape records; the program's own sleeps, too."""
    with cassette(tape):
        openai_sync(server.url)
    refusing("/v1/models", {"object": "list", "data": []}, [("Retry-After", "30")])
    with cassette(tape, mode="none"):
        openai_sync(server.url)
        with cassette(tape.with_name("other.yaml"), ignore_hosts=["127.0.0.1"]):
            openai_sync(server.url)
        time.sleep(7)
    assert [wait for wait in waits if wait] == [30, 7]
    waits.clear()
    refusing("/v1/models", {"object": "list", "data": []}, [("Retry-After", "31")])
    with cassette(tape, mode="new_episodes"):
        openai_sync(server.url)  # from the tape
        openai_sync(server.url)
    assert [wait for wait in waits if wait] == [31]


@pytest.fixture
def traced() -> Iterator[None]:
    """Every integration is on, and has put its own hooks where the SDKs ask how long to wait."""
    tracetape.autolog()
    yield
    tracetape.autolog(disable=True)


@pytest.mark.usefixtures("traced")
def test_tracing_does_not_bring_the_waits_back(
    server: Any,
    refusing: Callable[..., None],
    tape: Path,
    waits: list[float],
) -> None:
    """Its hooks are on the clients' own classes, before ours."""
    refusing("/v1/models", {"object": "list", "data": []}, [("Retry-After", "30")])
    with cassette(tape):
        openai_sync(server.url)
    server.stop()
    waits.clear()
    with cassette(tape, mode="none"), tracetape.start_span("work"):
        openai_sync(server.url)
    assert [wait for wait in waits if wait] == []


def test_everything_is_as_before_afterwards(tape: Path, server: Any) -> None:
    """Also in the modules of Databricks' services."""
    from databricks.sdk.service import serving

    with cassette(tape):
        openai_sync(server.url)
        assert serving.time is time  # a service takes the time that it takes
    with cassette(tape, mode="none"):
        openai_sync(server.url)
        assert serving.time is not time
    assert serving.time is time
    assert not hasattr(openai._resource.SyncAPIResource._sleep, "__wrapped__")
