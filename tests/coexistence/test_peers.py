"""Another instrumentation of the same calls beside ours: `make coexistence` installs each.

The far end's bodies have the shapes of OpenAI's API reference, "Chat completions".
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import tracetape
from tracetape.testing import CapturedTraces

http: Any = importlib.import_module("httpx2" if int(openai.__version__[0]) >= 3 else "httpx")
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
HEAD = {"id": "c-1", "created": 1, "model": "m-1"}
Switch = Callable[[bool], None]


def _mlflow(on: bool) -> None:
    mlflow = importlib.import_module("mlflow")
    mlflow.openai.autolog(disable=not on)


def _otel(module: str) -> Switch:
    def switch(on: bool) -> None:
        instrumentor = importlib.import_module(module).OpenAIInstrumentor()
        instrumentor.instrument() if on else instrumentor.uninstrument()

    return switch


def _langfuse(on: bool) -> None:
    if on:  # its import is its activation, and there is no way back
        importlib.import_module("langfuse.openai")


PEERS: dict[str, tuple[str, Switch]] = {
    "mlflow": ("mlflow", _mlflow),
    "langfuse": ("langfuse", _langfuse),
    "opentelemetry": (
        "opentelemetry.instrumentation.openai_v2",
        _otel("opentelemetry.instrumentation.openai_v2"),
    ),
    "openinference": (
        "openinference.instrumentation.openai",
        _otel("openinference.instrumentation.openai"),
    ),
}


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # its parent is missing


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Switch]:
    """Switch another instrumentation on and off."""
    module, switch = PEERS[request.param]
    wanted = os.environ.get("TRACETAPE_COEXISTENCE_PEER")
    if wanted and wanted != request.param:
        pytest.skip(f"this environment is for {wanted}")
    if not _installed(module):
        assert not wanted, f"{module} is missing where it was to be tested"
        pytest.skip(f"{module} is not installed: `make coexistence` tests beside it")
    yield switch
    tracetape.autolog(disable=True)
    switch(False)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """What the peers record goes to a file of the test's, or nowhere."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("LANGFUSE_TRACING_ENABLED", "false")
    monkeypatch.chdir(tmp_path)


def _answer(request: Any) -> Any:
    if not json.loads(request.content).get("stream"):
        message = {"role": "assistant", "content": "Hi"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return http.Response(200, json={**HEAD, "object": "chat.completion", "choices": choices})
    body = ""
    for text in "Hi":
        choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
        one = {**HEAD, "object": "chat.completion.chunk", "choices": choices}
        body += f"data: {json.dumps(one)}\n\n"
    kind = {"content-type": "text/event-stream"}
    return http.Response(200, content=f"{body}data: [DONE]\n\n".encode(), headers=kind)


def _text(one: Any) -> str:
    return "".join(choice.delta.content or "" for choice in one.choices)


def _client(is_async: bool) -> Any:
    transport = http.MockTransport(_answer)
    if is_async:
        return openai.AsyncOpenAI(api_key="k", http_client=http.AsyncClient(transport=transport))
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))


def plain() -> str:
    return str(_client(False).chat.completions.create(**ASK).choices[0].message.content)


def streamed() -> str:
    return "".join(map(_text, _client(False).chat.completions.create(**ASK, stream=True)))


def async_plain() -> str:
    async def ask() -> str:
        answer = await _client(True).chat.completions.create(**ASK)
        return str(answer.choices[0].message.content)

    return asyncio.run(ask())


def async_streamed() -> str:
    async def ask() -> str:
        stream = await _client(True).chat.completions.create(**ASK, stream=True)
        return "".join([_text(one) async for one in stream])

    return asyncio.run(ask())


WAYS = (plain, streamed, async_plain, async_streamed)


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def ask(request: pytest.FixtureRequest) -> Callable[[], str]:
    """One call, which gives the answer's text."""
    way: Callable[[], str] = request.param
    return way


@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("ours_off_first", [True, False])
def test_our_spans_and_the_answers_are_the_same_beside_a_peer(
    peer: Switch,
    ask: Callable[[], str],
    ours_first: bool,
    ours_off_first: bool,
    traces: CapturedTraces,
) -> None:
    """One span of ours while ours is on, none afterwards, and always the same answer."""
    switches: list[Switch] = [lambda on: tracetape.autolog(disable=not on), peer]
    for switch in switches if ours_first else switches[::-1]:
        switch(True)
    assert ask() == "Hi"
    assert [len(trace.data.spans) for trace in traces[:]] == [1]
    first, second = switches if ours_off_first else switches[::-1]
    first(False)
    assert ask() == "Hi"
    assert len(traces) == (1 if ours_off_first else 2)
    second(False)
    assert ask() == "Hi"
    assert len(traces) == (1 if ours_off_first else 2)
