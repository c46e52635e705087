"""Integrations that others wrote: found by `autolog`, switched on like ours, harmless if broken."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from groq import Groq

import tracetape
from tracetape.cassettes import cassette
from tracetape.cassettes.rewrite import write
from tracetape.entities import Span, SpanStatusCode
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.exchange.from_trace import interactions_of
from tracetape.instrument import Integration, inspection, register, third_party
from tracetape.testing import CapturedTraces
from tracetape.tracing.runtime import runtime

EXAMPLE = Path(__file__).parents[2] / "examples" / "integrations" / "tracetape_groq"
ASK: dict[str, Any] = {"model": "llama", "messages": [{"role": "user", "content": "Capital?"}]}
ANSWER = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "llama-3",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution: what pip leaves of it, a module and its entry point."""
    monkeypatch.setattr(third_party, "third_party", third_party.ThirdParty())
    monkeypatch.setattr(tracetape.instrument.registry, "third_party", third_party.third_party)
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def install(name: str, reference: str) -> None:
        metadata = site / f"tracetape_{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Name: tracetape-{name}\nVersion: 1.0\n")
        points = f"[console_scripts]\nx = y:z\n\n[tracetape.integrations]\n{name} = {reference}\n"
        (metadata / "entry_points.txt").write_text(points)

    yield install
    tracetape.autolog(disable=True)
    for module in set(sys.modules) - before:
        if module.startswith(("tracetape_groq", "broken_")):
            del sys.modules[module]


@pytest.fixture
def groq_installed(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example, as if its user had installed it."""
    monkeypatch.syspath_prepend(EXAMPLE)
    install("groq", "tracetape_groq:INTEGRATION")


def ask(**options: Any) -> Any:
    """One chat with the real client of groq; only the server is made up."""
    received: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        received.append(request)
        if not json.loads(request.content).get("stream"):
            return httpx.Response(200, json=ANSWER)
        delta = {"role": "assistant", "content": "Paris."}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
        chunk = {**ANSWER, "object": "chat.completion.chunk", "choices": [choice], "usage": None}
        chunk["x_groq"] = {"id": "r1", "usage": ANSWER["usage"]}
        text = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    http_client = httpx.Client(transport=httpx.MockTransport(serve))
    client = Groq(api_key="any", http_client=http_client)
    answer = client.chat.completions.create(**ASK, **options)
    return list(answer) if options.get("stream") else answer


def only_span(traces: CapturedTraces) -> Span:
    """The one span of the one trace."""
    (trace,) = traces
    (span,) = trace.data.spans
    return span


@pytest.mark.usefixtures("groq_installed")
@pytest.mark.parametrize("stream", [False, True])
def test_an_installed_distribution_is_found_by_autolog(
    traces: CapturedTraces, stream: bool
) -> None:
    """By its entry point: the program says nothing of it."""
    tracetape.autolog()
    ask(stream=stream)
    span = only_span(traces)
    assert (span.span_type, span.provider, span.model_name) == ("CHAT_MODEL", "groq", "llama-3")
    assert span.inputs["messages"] == ASK["messages"]
    assert span.outputs["choices"][0]["message"]["content"] == "Paris."
    assert span.token_usage == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert span.status.status_code is SpanStatusCode.OK


@pytest.mark.usefixtures("groq_installed")
@pytest.mark.parametrize("stream", [False, True])
def test_its_calls_become_a_cassette(
    traces: CapturedTraces, stream: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its table of endpoints says how, and which variables a replay sets for its client."""
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    tracetape.autolog()
    asked = ask(stream=stream)
    store = runtime.recorder.store
    write(tmp_path / "made.yaml", interactions_of(only_span(traces), store.get_attachment))
    tracetape.autolog(disable=True)
    with cassette(tmp_path / "made.yaml", mode="none"):
        answer = Groq().chat.completions.create(**ASK, stream=stream)
        if not stream:
            assert answer.choices == asked.choices
        else:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == "Paris."
    assert "GROQ_API_KEY" not in os.environ


@pytest.mark.usefixtures("groq_installed")
def test_it_is_switched_off_as_ours_are(traces: CapturedTraces) -> None:
    """By name, and with all others."""
    tracetape.autolog(disable=True)  # the fixture has switched all on
    tracetape.autolog(exclude=["groq"])
    ask()
    tracetape.autolog()
    tracetape.autolog(disable=True)
    ask()
    assert not list(traces)


@pytest.mark.usefixtures("groq_installed")
def test_doctor_lists_it() -> None:
    """With the version of the package, and what it patches."""
    found = {each.name: each for each in inspection.find_integrations()}
    assert "Groq.request" in found["groq"].patched
    assert found["groq"].version


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module_of_theirs", "ModuleNotFoundError"),
        ("raise RuntimeError('of theirs')", "RuntimeError: of theirs"),
        ("INTEGRATION = 3", "int, not a tracetape.instrument.Integration"),
        ("", "has no attribute 'INTEGRATION'"),
    ],
)
def test_a_broken_one_disables_only_itself(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str, said: str
) -> None:
    """One line says which, and why; `doctor` says it too."""
    (tmp_path / "site-packages" / "broken_part.py").write_text(source)
    install("broken", "broken_part:INTEGRATION")
    tracetape.autolog()
    tracetape.autolog()
    records = [each for each in caplog.records if each.name == "tracetape"]
    (line,) = [each.getMessage() for each in records]
    assert "the integration broken is off" in line
    assert said in line
    assert "openai" in tracetape.instrument.registry.active()
    found = {each.name: each for each in inspection.find_integrations()}
    assert said in str(found["broken"].error)


def test_one_named_as_ours_is_ignored_with_a_warning(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours goes on."""
    install("openai", "broken_part:INTEGRATION")
    tracetape.autolog()
    (line,) = [each.getMessage() for each in caplog.records if each.name == "tracetape"]
    assert "the entry point 'openai' of another distribution is ignored" in line
    assert "openai" in tracetape.instrument.registry.active()


def test_the_level_of_capture_goes_by_the_integrations_name(
    traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    """Not by that of the package, where the two differ."""
    monkeypatch.syspath_prepend(EXAMPLE)
    import tracetape_groq

    template = tracetape_groq.TEMPLATE._replace(name="fast")
    register(tracetape_groq.INTEGRATION._replace(name="fast", targets=template.targets()))
    tracetape.autolog(capture={"fast": "metadata"})
    ask()
    assert only_span(traces).inputs is None


@pytest.mark.usefixtures("install")
def test_a_program_registers_one_of_its_own(
    traces: CapturedTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before `autolog` or after it."""
    monkeypatch.syspath_prepend(EXAMPLE)
    import tracetape_groq

    tracetape.autolog()
    ask()
    assert not list(traces)
    register(tracetape_groq.INTEGRATION)
    ask()
    assert only_span(traces).provider == "groq"


@pytest.mark.usefixtures("install")
def test_what_cannot_be_registered() -> None:
    """The error says what to give instead."""
    with pytest.raises(InvalidTypeError, match=r"Integration, got str"):
        register("groq")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="give yours another name"):
        register(Integration("openai", "openai", "pip install openai", ()))
    with pytest.raises(InvalidValueError, match="no integration 'groc'"):
        tracetape.autolog(exclude=["groc"])
