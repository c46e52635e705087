"""One program that says its key wherever it can: no way out of the store has it, in any form."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import agents
import openai
import pyarrow.parquet
import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, function_tool
from click.testing import CliRunner
from rude_server import RudeServer, forms_of, rude_server

import tracetape
from tracetape.cassettes import cassette
from tracetape.cli.main import main
from tracetape.entities import SpanEvent
from tracetape.exceptions import TracetapeException

KEY = "cnry-9Wd3Xc70NpYs/5+Je1Vq"  # of no shape that anybody gives keys
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": f"I am {KEY}"}]}


@pytest.fixture
def server() -> Iterator[RudeServer]:
    """It says again whatever it was sent."""
    agents.set_trace_processors([])
    tracetape.autolog(chunk_events=True)
    with rude_server() as running:
        yield running
    tracetape.autolog(disable=True)


@function_tool
def login(word: str) -> str:
    """Log in."""
    return f"logged in with {word} and {KEY}"


async def _agent(client: openai.AsyncOpenAI) -> None:
    model = OpenAIResponsesModel("m", openai_client=client)
    config = RunConfig(workflow_name=f"flow {KEY}", group_id=KEY, trace_metadata={"key": KEY})
    helper = Agent(name=f"helper {KEY}", instructions=f"log in with {KEY}", model=model)
    first = Agent(name="a", tools=[login], model=model, handoffs=[helper])
    await Runner.run(first, KEY, run_config=config)
    await client.close()


@tracetape.trace(name=f"program of {KEY}", attributes={"note": KEY})
def program(server: RudeServer, login: dict[str, Any]) -> dict[str, Any]:
    """A program whose answers, tags, errors and so on all have the key."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)
    tools: Any = [
        {
            "type": "mcp",
            "server_label": "s",
            "server_url": f"{server.url}/{KEY}",
            "authorization": KEY,
            "headers": {"X-Any": KEY},
        }
    ]
    with client:
        tracetape.update_current_trace(
            tags={"tag": KEY, KEY: "tag"},
            metadata={"metadata": KEY},
            session_id=f"session {KEY}",
            user=KEY,
            client_request_id=KEY,
            request_preview=KEY,
            response_preview=KEY,
        )
        client.chat.completions.create(**ASK, user=KEY, metadata={"k": KEY})
        list(client.chat.completions.create(**ASK, stream=True))
        raw = client.chat.completions.with_raw_response.create(**ASK)
        client.responses.create(model="m", input=KEY, tools=tools)
        for model in ("fail", "m"):
            with suppress(openai.OpenAIError), tracetape.start_span("refused") as span:
                span.add_event(SpanEvent(f"event {KEY}", attributes={KEY: KEY}))
                client.chat.completions.create(**{**ASK, "model": model}, tools=tools)
    with suppress(RuntimeError), tracetape.start_span(f"error of {KEY}"):
        raise RuntimeError(f"{raw.http_request.headers!r} {raw.http_response!r}") from ValueError(
            KEY
        )
    base = server.url.replace("://", "://me:" + KEY.replace("/", "%2F") + "@")
    for address in (f"{base}/k/{KEY.replace('/', '')}/v1?api_key={KEY}", "http://127.0.0.1:9/"):
        other = openai.OpenAI(base_url=address, api_key=f"{KEY}\n", max_retries=0)
        with suppress(openai.OpenAIError), other:
            other.chat.completions.create(**ASK)
    asyncio.run(_agent(openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY)))
    return {"answer": KEY, KEY: login}


def test_no_view_export_or_log_has_the_key(
    server: RudeServer, store_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Raw bytes of the store and its log, all exports, a tape, a test made of a trace, views."""
    caplog.set_level(logging.DEBUG, logger="tracetape")
    with warnings.catch_warnings(record=True) as warned:
        # A key is known from its first call on.
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
            client.chat.completions.create(**ASK)
        with cassette(tmp_path / "tape.yaml", mode="all"):
            program(server, {"login": KEY})
        with suppress(TracetapeException):
            tracetape.log_feedback(trace_id="tr-0", value=KEY)
        span_id = tracetape.get_last_active_trace_id() or ""
        tracetape.log_feedback(
            trace_id=span_id,
            value={"a": KEY},
            rationale=KEY,
            metadata={"b": KEY},
            error=RuntimeError(KEY),
        )
        tracetape.set_trace_tag(span_id, "later", KEY)
        assert tracetape.flush(20) == 0

    said = {"stats": str(tracetape.stats()), "warnings": " ".join(str(w.message) for w in warned)}
    store = ["--store", str(store_path)]
    for name, command in {
        "ls": ["ls", *store],
        "show": ["show", span_id, *store],
        "show --full": ["show", span_id, "--full", *store],
        "doctor": ["doctor"],
        "jsonl": ["export", "--jsonl", "out.jsonl", *store],
        "json": ["export", "--json", "out.json", *store],
        "parquet": ["export", "--parquet", "out.parquet", *store],
        "otlp": ["export", "--otlp", f"{server.url}/collect", *store],
        "tape of the trace": [
            *("cassette", "from-trace", span_id, "-o", "made.yaml", "--test", "test_made.py"),
            *store,
        ],
        "check": ["cassette", "check", "."],
    }.items():
        done = CliRunner().invoke(main, command)
        said[name] = done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), name
    for trace in tracetape.search_traces(return_type="list"):
        said["to_dict"] = str(trace.to_dict())
        said["to_json"] = trace.to_json()
        said["repr"] = repr(trace) + str(trace.data.spans)
    bodies = {f"collected {n}": data for n, data in enumerate(server.collected)}
    files = {one.name: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    assert {"traces.db", "tape.yaml", "out.jsonl", "out.json", "out.parquet"} <= files.keys()
    files["rows"] = str(pyarrow.parquet.read_table("out.parquet").to_pylist()).encode()
    files["proto"] = trace.to_proto().SerializeToString()
    log = "\n".join(caplog.handler.format(one) for one in caplog.records if "tracetape" in one.name)
    texts = {name: text.encode() for name, text in {**said, "log": log}.items()}

    everything = {**files, **texts, **bodies}
    leaks = [
        f"{name}: …{data[max(0, at - 60) : at + 40]!r}…"
        for name, data in everything.items()
        for form in forms_of(KEY)
        if (at := data.find(form.encode())) >= 0
    ]
    assert leaks == []
    for name in ("traces.db", "out.jsonl", "rows", "proto", "to_json", "show --full"):
        assert b"REDACTED" in everything[name] + files.get(f"{name}-wal", b""), name
    assert bodies
