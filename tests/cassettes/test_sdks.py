"""The real SDKs, recorded once from a server and replayed without it, without keys and hosts."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import cassette, load
from tracetape.exceptions import CassetteMissError

openai = pytest.importorskip("openai")
sdk = pytest.importorskip("databricks.sdk")

QUESTION = [{"role": "user", "content": "What is ML?"}]


def ask_plain() -> Any:
    with openai.OpenAI() as client:
        answer = client.chat.completions.create(model="m", messages=QUESTION)
    return answer.choices[0].message.content


def ask_streamed() -> Any:
    with openai.OpenAI() as client:
        stream = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def ask_raw() -> Any:
    with openai.OpenAI() as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=QUESTION)
        return raw.parse().choices[0].message.content


def ask_async() -> Any:
    async def main() -> Any:
        async with openai.AsyncOpenAI() as client:
            answer = await client.chat.completions.create(model="m", messages=QUESTION)
            return answer.choices[0].message.content

    return asyncio.run(main())


def ask_async_streamed() -> Any:
    async def main() -> Any:
        async with openai.AsyncOpenAI() as client:
            stream = await client.chat.completions.create(model="m", messages=QUESTION, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    return asyncio.run(main())


def ask_databricks() -> Any:
    return workspace().serving_endpoints.query("chat", prompt="What is ML?").id


def ask_databricks_by_openai() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = workspace().serving_endpoints.get_open_ai_client()
    with client:
        answer = client.chat.completions.create(model="m", messages=QUESTION)
    return answer.choices[0].message.content


def workspace() -> Any:
    return sdk.WorkspaceClient()


OPENAI = [ask_plain, ask_streamed, ask_raw, ask_async, ask_async_streamed]
DATABRICKS = [ask_databricks, ask_databricks_by_openai]


@pytest.fixture
def live(server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The environment of somebody who has keys, for the services that the server stands for."""
    server.routes["/.well-known/databricks-config"] = lambda handler: handler.plain(
        {"oidc_endpoint": f"{server.url}/oidc", "workspace_id": "1"}
    )
    server.routes["/serving-endpoints/chat/invocations"] = lambda handler: handler.plain(
        {"id": "q1", "choices": [], "object": "text_completion"}
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-live-key-of-somebody-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi0123456789abcdef0123456789abcdef")

    def stop() -> None:
        server.stop()
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DATABRICKS_HOST", "DATABRICKS_TOKEN"):
            monkeypatch.delenv(name)

    return stop


@pytest.mark.parametrize("program", [*OPENAI, *DATABRICKS])
def test_a_program_replays_without_key_host_and_server(tape: Path, live: Any, program: Any) -> None:
    """`OpenAI()` and `WorkspaceClient()` refuse to start without keys; a tape supplies them."""
    with cassette(tape):
        first = program()
    live()
    with cassette(tape, mode="none") as replaying:
        assert program() == first
    assert not replaying.unused


@pytest.mark.parametrize("program", [*OPENAI, *DATABRICKS])
def test_a_tape_recorded_elsewhere_shows_the_real_services(
    tape: Path, live: Any, program: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts are renamed on writing; a user with his own key replays with the default hosts."""
    with cassette(
        tape,
        rename_hosts={
            f"{server.url}/v1": "https://api.openai.com/v1",
            server.url: "https://example.cloud.databricks.com",
        },
    ):
        first = program()
    live()
    assert "127.0.0.1" not in tape.read_text()
    with cassette(tape, mode="none"):
        assert program() == first
    if program in OPENAI:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another-key-0123456789")
        with cassette(tape, mode="none"):
            assert program() == first


def test_credentials_are_not_on_the_tape(tape: Path, live: Any) -> None:
    """Neither the keys, nor who sent the request."""
    with cassette(tape):
        for program in (*OPENAI, *DATABRICKS):
            program()
    text = tape.read_text()
    for secret in ("sk-live", "dapi", "uthorization", "Bearer", "user-agent", "x-stainless"):
        assert secret not in text


@pytest.mark.parametrize("program", [ask_plain, ask_async, ask_streamed, ask_async_streamed])
def test_a_miss_reaches_the_program_of_openai_at_once(
    tape: Path, live: Any, program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK retries errors of the network for a while; a miss is none."""
    with cassette(tape):
        program()
    live()
    monkeypatch.setitem(QUESTION[0], "content", "What is AI?")
    with cassette(tape, mode="none") as replayed, pytest.raises(CassetteMissError) as caught:
        program()
    assert len(replayed.misses) == 1  # there was no second attempt, nor a wait for one
    assert 'body.messages[0].content: sent "What is AI?", recorded "What is ML?"' in str(
        caught.value
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_miss_reaches_the_program_of_databricks_at_once(
    tape: Path, live: Any, method: Any
) -> None:
    """The SDK would retry for five minutes what it takes for a broken connection."""
    with cassette(tape):
        ask_databricks()
    live()
    with cassette(tape, mode="none") as replayed:
        with pytest.raises(CassetteMissError, match=r"/api/2\.0/other"):
            workspace().api_client.do(method, "/api/2.0/other")
    assert len(replayed.misses) == 1


def test_a_workspace_whose_discovery_is_not_on_tape_starts_at_once(
    tape: Path, live: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Without network it would wait for minutes; the SDK warns, and goes on."""
    with cassette(tape):
        ask_databricks()
    live()
    kept = load(tape)
    kept.interactions = [i for i in kept.interactions if "well-known" not in i.request.url]
    from tracetape.cassettes import save

    save(tape, kept)
    with cassette(tape, mode="none") as replayed:
        assert ask_databricks() == "q1"
    assert len(replayed.misses) == 1
    assert "is not on the cassette" in caplog.text


def test_the_retries_of_an_sdk_are_replayed(server: Any, tape: Path, live: Any) -> None:
    """A 429 and the answer after it are two interactions, in this order."""
    times = []

    def limited(handler: Any) -> Any:
        times.append(1)
        if len(times) == 1:
            error = {"error": {"message": "slow down"}}
            return handler.plain(error, 429, [("Retry-After-Ms", "1")])
        return handler.plain({"object": "list", "data": [], "model": "m"})

    server.routes["/v1/embeddings"] = limited

    def program() -> None:
        with openai.OpenAI() as client:
            client.embeddings.create(model="m", input="x", encoding_format="float")

    with cassette(tape):
        program()
    live()
    with cassette(tape, mode="none") as replaying:
        program()
    assert replaying.played == 2
    assert [one.response.status for one in load(tape).interactions] == [429, 200]


def test_uploads_match_by_their_parts(server: Any, tape: Path, live: Any) -> None:
    """The boundary between the parts is made up anew for each request."""
    server.routes["/v1/files"] = lambda handler: handler.plain({"id": "f1", "object": "file"})

    def upload(text: Any) -> Any:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k") as client:
            return client.files.create(file=("a.jsonl", text), purpose="batch").id

    with cassette(tape):
        upload(b"hello\xff")
    live()
    with cassette(tape, mode="none"):
        assert upload(b"hello\xff") == "f1"
    with cassette(tape, mode="none"), pytest.raises(CassetteMissError, match="body"):
        upload(b"other\xff")
