"""`autolog(chunk_events=True)`: MLflow's events, one for each chunk that the user gets."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from far_end import ASK, VERSION, FarEnd, chunk, events, http

import tracetape
from tracetape.entities import Span
from tracetape.testing import CapturedTraces

STREAM = {"content-type": "text/event-stream"}
SENT = (chunk({"role": "assistant", "content": "Käse"}), chunk({"content": " 🧀"}))


def chunk_events(traces: CapturedTraces) -> list[tuple[str, Any]]:
    """Names and values of the chunks of the only span."""
    span = only_span(traces)
    return [(event.name, event.attributes.get("mlflow.chunk.value")) for event in span.events]


def only_span(traces: CapturedTraces) -> Span:
    """The only one."""
    ((span,),) = [trace.data.spans for trace in traces]
    return span


async def read(far_end: FarEnd, way: str, **asked: Any) -> None:
    """Reads a stream to its end."""
    if way == "async":
        stream = await far_end.async_client().chat.completions.create(**ASK, stream=True, **asked)
        assert [one async for one in stream]
        return
    completions = far_end.client().chat.completions
    if way == "raw":
        assert list(completions.with_raw_response.create(**ASK, stream=True, **asked).parse())
    else:
        assert list(completions.create(**ASK, stream=True, **asked))


@pytest.mark.parametrize("way", ["sync", "async", "raw"])
async def test_each_chunk_is_an_event(way: str, far_end: FarEnd, traces: CapturedTraces) -> None:
    """With what the server sent, spelled as MLflow spells JSON, in order of time."""
    tracetape.autolog(chunk_events=True)
    far_end.answers = [http.Response(200, headers=STREAM, content=events(*SENT))]
    await read(far_end, way)
    found = chunk_events(traces)
    assert [name for name, _ in found] == ["mlflow.chunk.item.0", "mlflow.chunk.item.1"]
    values = [json.loads(text) for _, text in found]
    assert values == list(SENT)
    assert [text for _, text in found] == [json.dumps(one, ensure_ascii=False) for one in values]
    span = only_span(traces)
    times = [event.timestamp for event in span.events]
    assert span.start_time_ns <= times[0] <= times[1]
    assert span.end_time_ns is not None
    assert times[1] <= span.end_time_ns


@pytest.mark.parametrize("way", ["sync", "async", "raw"])
async def test_no_chunk_is_kept_unasked(way: str, far_end: FarEnd, traces: CapturedTraces) -> None:
    """Also not after a call of autolog that asked for it."""
    tracetape.autolog(chunk_events=True)
    tracetape.autolog()
    await read(far_end, way)
    assert chunk_events(traces) == []


@pytest.mark.skipif(VERSION < (1, 26), reason="no argument stream_options")
def test_a_chunk_that_is_hidden_is_no_event(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Numbers are those of the chunks that the user got."""
    tracetape.autolog(chunk_events=True, stream_usage=True)
    got = list(far_end.client().chat.completions.create(**ASK, stream=True))
    found = chunk_events(traces)
    assert [json.loads(text)["id"] for _, text in found] == [one.id for one in got]
    assert only_span(traces).token_usage is not None


def test_chunks_obey_how_much_is_kept(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Of a span without content the events have none."""
    tracetape.autolog(chunk_events=True, capture="metadata")
    list(far_end.client().chat.completions.create(**ASK, stream=True))
    found = chunk_events(traces)
    assert found
    assert {text for _, text in found} == {None}


def test_a_stream_that_breaks_off_has_its_chunks_first(
    far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Then the exception."""
    tracetape.autolog(chunk_events=True)
    failing = {"error": {"message": "Server overloaded"}}
    far_end.answers = [http.Response(200, headers=STREAM, content=events(SENT[0], failing))]
    # openai 1.0 has its own words for it.
    with pytest.raises(openai.APIError, match=r"overloaded|ocurred during streaming"):
        list(far_end.client().chat.completions.create(**ASK, stream=True))
    names = [name for name, _ in chunk_events(traces)]
    assert names == ["mlflow.chunk.item.0", "exception"]
