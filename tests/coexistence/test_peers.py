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
# MLflow warns of itself, and this suite makes errors of warnings: only ours are to stay errors.
pytestmark = pytest.mark.filterwarnings("default", "error:::tracetape")


class Peer:
    """Another instrumentation, and how many calls it has recorded so far, if we can know."""

    module: str

    def switch(self, on: bool) -> None:
        """Begin or stop to trace."""
        raise NotImplementedError

    def recorded(self) -> int | None:
        """Its own count."""
        return None


class MLflow(Peer):
    module = "mlflow"

    def __init__(self) -> None:
        self._earlier: int | None = None

    def switch(self, on: bool) -> None:
        mlflow = importlib.import_module("mlflow")
        if self._earlier is None:
            self._earlier = self._stored()  # by the tests before
        mlflow.openai.autolog(disable=not on)

    def recorded(self) -> int | None:
        return self._stored() - (self._earlier or 0)

    @staticmethod
    def _stored() -> int:
        mlflow = importlib.import_module("mlflow")
        mlflow.flush_trace_async_logging()
        traces = mlflow.search_traces(locations=["0"], return_type="list")
        return sum(len(trace.data.spans) for trace in traces)


class Langfuse(Peer):
    module = "langfuse"

    def switch(self, on: bool) -> None:
        if on:  # its import is its activation, and there is no way back
            importlib.import_module("langfuse.openai")


class OpenTelemetry(Peer):
    def __init__(self, module: str) -> None:
        self.module = module
        self._exporter: Any = None

    def switch(self, on: bool) -> None:
        instrumentor = importlib.import_module(self.module).OpenAIInstrumentor()
        if not on:
            instrumentor.uninstrument()
            return
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        export = importlib.import_module("opentelemetry.sdk.trace.export")
        memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
        self._exporter = memory.InMemorySpanExporter()
        provider = sdk.TracerProvider()
        provider.add_span_processor(export.SimpleSpanProcessor(self._exporter))
        instrumentor.instrument(tracer_provider=provider)

    def recorded(self) -> int | None:
        return len(self._exporter.get_finished_spans())


PEERS: dict[str, Callable[[], Peer]] = {
    "mlflow": MLflow,
    "langfuse": Langfuse,
    "opentelemetry": lambda: OpenTelemetry("opentelemetry.instrumentation.openai_v2"),
    "openinference": lambda: OpenTelemetry("openinference.instrumentation.openai"),
}


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # its parent is missing


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """Another instrumentation, which is off."""
    found = PEERS[request.param]()
    module = found.module
    wanted = os.environ.get("TRACETAPE_COEXISTENCE_PEER")
    if wanted and wanted != request.param:
        pytest.skip(f"this environment is for {wanted}")
    if not _installed(module):
        assert not wanted, f"{module} is missing where it was to be tested"
        pytest.skip(f"{module} is not installed: `make coexistence` tests beside it")
    yield found
    tracetape.autolog(disable=True)
    found.switch(False)


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests: MLflow's exporter keeps the first that it meets."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, mlflow_uri: str) -> None:
    """What the peers record goes to a file of the tests', or nowhere."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
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
def test_both_record_each_call_once_and_the_answers_stay(
    peer: Peer,
    ask: Callable[[], str],
    ours_first: bool,
    ours_off_first: bool,
    traces: CapturedTraces,
) -> None:
    """One span each while both are on, of ours none afterwards, and always the same answer."""
    switches: list[Switch] = [lambda on: tracetape.autolog(disable=not on), peer.switch]
    for switch in switches if ours_first else switches[::-1]:
        switch(True)
    assert ask() == "Hi"
    assert [len(trace.data.spans) for trace in traces[:]] == [1]
    assert peer.recorded() in (1, None)
    first, second = switches if ours_off_first else switches[::-1]
    first(False)
    assert ask() == "Hi"
    assert len(traces) == (1 if ours_off_first else 2)
    assert peer.recorded() in (2 if ours_off_first else 1, None)
    second(False)
    assert ask() == "Hi"
    assert len(traces) == (1 if ours_off_first else 2)
