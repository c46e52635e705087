"""Every way in which a user hands over a key: its bytes are in no store, tape or log."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import httpx
import httpx2
import openai
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole
from rude_server import RudeServer, forms_of, rude_server

import tracetape
from tracetape.cassettes import cassette

KEY = "cnry-7Qx2Vb91LmZt/4+Kd0Wp"  # of no shape that anybody gives keys
BARE = "".join(one for one in KEY if one.isalnum())
QUOTED = quote(KEY, safe="")
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
pytestmark = [
    pytest.mark.filterwarnings("ignore:get_open_ai_client:DeprecationWarning"),
    # The clients that a way makes are its own to close, as in many a program.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RudeServer]:
    """The server; all is traced, chunks too."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    tracetape.autolog(chunk_events=True)
    with rude_server() as running:
        yield running
    tracetape.autolog(disable=True)


def ask(client: openai.OpenAI) -> None:
    """Plain, streamed, raw and failing calls."""
    chat = client.chat.completions
    chat.create(**ASK)
    list(chat.create(**ASK, stream=True))
    list(chat.with_raw_response.create(**ASK, stream=True).parse())
    client.responses.create(model="m", input="x")
    stream: Any = openai.Stream[object]
    list(
        client.post(
            "/other", cast_to=object, body=ASK | {"stream": True}, stream=True, stream_cls=stream
        )
    )
    with suppress(openai.OpenAIError):
        chat.create(**{**ASK, "model": "fail"})


def ask_async(client: openai.AsyncOpenAI) -> None:
    """The same of an async client."""

    async def run() -> None:
        async with client:
            await client.chat.completions.create(**ASK)
            async for _ in await client.chat.completions.create(**ASK, stream=True):
                pass
            with suppress(openai.OpenAIError):
                await client.chat.completions.create(**{**ASK, "model": "fail"})

    asyncio.run(run())


async def _key() -> str:
    return KEY


class Auth(httpx2.Auth):
    def auth_flow(self, request: Any) -> Any:
        request.headers["X-Gateway-Token"] = KEY
        yield request


class OldAuth(httpx.Auth):
    def auth_flow(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {KEY}"
        yield request


def _hook(request: Any) -> None:
    request.headers["Authorization"] = f"Token {KEY}"


AUTHORISED: dict[str, Callable[[], Any]] = {
    "basic": lambda: httpx2.Client(auth=("user", KEY)),
    "basic user": lambda: httpx2.Client(auth=(KEY, "")),
    "own auth": lambda: httpx2.Client(auth=Auth()),
    "httpx": lambda: httpx.Client(auth=OldAuth()),
    "event hook": lambda: httpx2.Client(event_hooks={"request": [_hook]}),
    "cookie": lambda: httpx2.Client(cookies={"session": KEY}),
    "headers": lambda: httpx2.Client(headers={"X-Auth": KEY}),
    "params": lambda: httpx2.Client(params={"api_key": KEY}),
}
GIVEN: dict[str, dict[str, Any]] = {
    "text": {"api_key": KEY},
    "function": {"api_key": lambda: KEY},
    "default headers": {"default_headers": {"AUTHORIZATION": f"Bearer {KEY}", "X-Api-Key": KEY}},
    "default query": {"default_query": {"api_key": KEY}},
}
AZURE: dict[str, dict[str, Any]] = {
    "key": {"api_key": KEY},
    "token": {"azure_ad_token": KEY},
    "function": {"azure_ad_token_provider": lambda: KEY},
}
EXTRA: dict[str, dict[str, Any]] = {
    "headers": {
        "extra_headers": {
            "x-PORTKEY-virtual-key": KEY,
            "Proxy-Authorization": "Basic " + b64encode(f"me:{KEY}".encode()).decode(),
        }
    },
    "query": {"extra_query": {"access_token": KEY, "sig": KEY}},
    "body": {
        "extra_body": {
            "password": KEY,
            "provider": {"secret": KEY},
            "options": [{"client_secret": KEY}],
            "data": {"api_key": KEY},
        }
    },
    "login in the body": {
        "extra_body": {
            "data_sources": [
                {"parameters": {"authentication": {"type": "api_key", "key": KEY}}},
                {"parameters": {"connection_string": f"mongodb://me:{KEY}@host/"}},
            ]
        }
    },
}


def _client(server: RudeServer, **given: Any) -> openai.OpenAI:
    base = {"base_url": f"{server.url}/v1", "api_key": "none", "max_retries": 0}
    return openai.OpenAI(**{**base, **given})


def _mcp(server: RudeServer, **tool: Any) -> None:
    client = _client(server)
    tools: Any = [{"type": "mcp", "server_label": "s", **tool}]
    client.responses.create(model="m", input="x", tools=tools)
    with suppress(openai.OpenAIError):
        client.responses.create(model="fail", input="x", tools=tools)


def _databricks(server: RudeServer, **login: Any) -> None:
    client = WorkspaceClient(host=server.url, **login)
    messages = [ChatMessage(role=ChatMessageRole.USER, content="x")]
    client.serving_endpoints.query("ep", messages=messages)
    with suppress(Exception):
        client.serving_endpoints.query("fail", messages=messages)
    client.serving_endpoints.get_open_ai_client().chat.completions.create(**ASK)


def _machine(server: RudeServer) -> None:
    server.token = KEY
    _databricks(server, client_id="cid", client_secret="machine")


def _profile(server: RudeServer) -> None:
    file = Path("databrickscfg")
    file.write_text(f"[DEFAULT]\nhost={server.url}\ntoken={KEY}\n")
    try:
        _databricks(server, profile="DEFAULT", config_file=str(file.absolute()))
    finally:
        file.unlink()


def _deployments(server: RudeServer, **login: str) -> None:
    """MLflow's client of Databricks, where MLflow is installed."""
    deployments = pytest.importorskip("mlflow.deployments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        for name, value in {"HOST": server.url, **login}.items():
            patch.setenv(f"DATABRICKS_{name}", value)
        client = deployments.get_deploy_client("databricks")
        for endpoint in ("chat", "fail"):
            with suppress(Exception):
                client.predict(endpoint=endpoint, inputs={"messages": ASK["messages"]})
            with suppress(Exception):
                list(client.predict_stream(endpoint=endpoint, inputs={"messages": []}))


def _proxy(server: RudeServer, library: Any) -> None:
    proxy = server.url.replace("://", f"://me:{QUOTED}@")
    option = "proxy" if "proxy" in signature(library.Client).parameters else "proxies"  # httpx 0.25
    http = library.Client(**{option: proxy})
    ask(_client(server, base_url="http://models.test/v1", http_client=http))


def _environment(server: RudeServer, **variables: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        proxied = "HTTP_PROXY" in variables
        base = {"base_url": "http://models.test/v1"} if proxied else {}
        if "OPENAI_BASE_URL" not in variables and not proxied:
            base = {"base_url": f"{server.url}/v1"}
        if "OPENAI_API_KEY" not in variables:
            base["api_key"] = "none"
        ask(openai.OpenAI(max_retries=0, **base))


def _retold(server: RudeServer) -> None:
    """The program's own errors, with what stood in its variables."""
    try:
        try:
            _client(server, api_key=KEY).chat.completions.create(**{**ASK, "model": "fail"})
        except openai.OpenAIError as error:
            raise RuntimeError(f"cannot log in with {KEY!r}") from error
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        last = ValueError(json.dumps({"key": KEY}))
        last.__context__ = error
        with tracetape.start_span("report") as span:
            span.record_exception(last)
            span.set_inputs({"stack": "".join(shown.format())})


def _refused_headers(server: RudeServer) -> None:
    for given in ({"api_key": f"{KEY}\n"}, {"default_headers": {"X-Api-Key": f"{KEY}\r\nX: 1"}}):
        with suppress(Exception):
            _client(server, **given).chat.completions.create(**ASK)


def _rotated(server: RudeServer) -> None:
    client = _client(server, api_key="the-first-key-12345")
    client.chat.completions.create(**ASK)
    client.api_key = KEY
    ask(client)


WAYS: dict[str, Callable[[RudeServer], Any]] = {
    **{f"openai, {n}": lambda s, g=g: ask(_client(s, **g)) for n, g in GIVEN.items()},
    **{
        f"client, {n}": lambda s, m=m: ask(_client(s, http_client=m()))
        for n, m in AUTHORISED.items()
    },
    **{
        f"azure, {n}": lambda s, g=g: ask(
            openai.AzureOpenAI(azure_endpoint=s.url, api_version="1", max_retries=0, **g)
        )
        for n, g in AZURE.items()
    },
    **{
        f"extra, {n}": lambda s, g=g: _client(s).chat.completions.create(**ASK, **g)
        for n, g in EXTRA.items()
    },
    "async function": lambda s: ask_async(
        openai.AsyncOpenAI(base_url=f"{s.url}/v1", api_key=_key, max_retries=0)
    ),
    "async azure": lambda s: ask_async(
        openai.AsyncAzureOpenAI(
            azure_endpoint=s.url, api_version="1", azure_ad_token_provider=_key, max_retries=0
        )
    ),
    "async auth": lambda s: ask_async(
        openai.AsyncOpenAI(
            base_url=f"{s.url}/v1",
            api_key="none",
            max_retries=0,
            http_client=httpx2.AsyncClient(auth=Auth()),
        )
    ),
    "with_options": lambda s: ask(_client(s).with_options(api_key=KEY)),
    "rotated": _rotated,
    "variable": lambda s: _environment(s, OPENAI_API_KEY=KEY),
    "variable of the base": lambda s: _environment(
        s, OPENAI_BASE_URL=s.url.replace("://", f"://me:{QUOTED}@") + "/v1"
    ),
    "variable of the proxy": lambda s: _environment(
        s, HTTP_PROXY=s.url.replace("://", f"://me:{QUOTED}@")
    ),
    "proxy": lambda s: _proxy(s, httpx2),
    "proxy, httpx": lambda s: _proxy(s, httpx),
    "path": lambda s: ask(_client(s, base_url=f"{s.url}/k/{BARE}/v1")),
    "path without a name": lambda s: ask(_client(s, base_url=f"{s.url}/gateway/{BARE}/v1")),
    "base query": lambda s: ask(_client(s, base_url=f"{s.url}/v1?api_key={QUOTED}")),
    "refused headers": _refused_headers,
    "mcp": lambda s: _mcp(
        s,
        server_url=f"https://me:{QUOTED}@x.test/sse?api_key={QUOTED}",
        authorization=KEY,
        headers={"X-Anything": KEY},
    ),
    "mcp path": lambda s: _mcp(s, server_url=f"https://x.test/key/{BARE}/sse"),
    "anthropic": lambda s: anthropic.Anthropic(base_url=s.url, api_key=KEY).messages.create(
        **ASK, max_tokens=1
    ),
    "anthropic token": lambda s: anthropic.Anthropic(
        base_url=s.url, auth_token=KEY
    ).messages.create(**ASK, max_tokens=1),
    "databricks token": lambda s: _databricks(s, token=KEY),
    "databricks password": lambda s: _databricks(s, username="me", password=KEY),
    "databricks profile": _profile,
    "databricks machine": lambda s: _databricks(s, client_id="cid", client_secret=KEY),
    "databricks machine's token": _machine,
    "mlflow token": lambda s: _deployments(s, TOKEN=KEY),
    "mlflow password": lambda s: _deployments(s, USERNAME="me", PASSWORD=KEY),
    "mlflow machine": lambda s: _deployments(s, CLIENT_ID="cid", CLIENT_SECRET=KEY),
    "upload": lambda s: _client(s, api_key=KEY).audio.transcriptions.create(
        model="m", file=("a.wav", b"RIFF"), prompt=f"it is {KEY}"
    ),
    "retold": _retold,
}


@pytest.mark.parametrize("way", WAYS)
def test_its_bytes_are_nowhere(
    way: str,
    server: RudeServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither in the store and its log, nor on a tape, nor in what we log."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG, logger="tracetape")
    with tracetape.start_span("outer"):  # nothing of it is known yet
        WAYS[way](server)
    with cassette(tmp_path / "tape.yaml", mode="all"):
        WAYS[way](server)
    assert tracetape.flush(20) == 0
    files = {one.name: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    assert {"traces.db", "tape.yaml"} <= files.keys()
    files["log"] = "\n".join(one.getMessage() for one in caplog.records).encode()
    assert not [(n, f) for n, data in files.items() for f in forms_of(KEY) if f.encode() in data]
    assert b"REDACTED" in files["traces.db"] + files.get("traces.db-wal", b"")
