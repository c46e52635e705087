"""A span that cannot be kept as it is costs its own value at most, never its trace's others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

import tracetape
from tracetape import diagnostics
from tracetape._json import dumps
from tracetape.entities import SpanEvent, Trace
from tracetape.exchange.jsonl import trace_json
from tracetape.exchange.parquet import span_rows
from tracetape.live.live_span import LiveSpan
from tracetape.recorder import pipeline
from tracetape.store import dedup, rows, writing
from tracetape.tracing.runtime import runtime
from tracetape.views.preview import input_preview, output_preview

Query = Callable[..., Any]


def broken(*args: Any, **kwargs: Any) -> Any:
    """Stands in for a part of ours."""
    raise TypeError("broken")


def deep(levels: int) -> bytes:
    """JSON that orjson reads; from 255 levels on it does not write it."""
    return b'{"d":' + b"[" * levels + b"1" + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "data",
    [
        deep(255),
        deep(1000),
        b'{"d":' + b'[{"a":1,"b":[],"c":{}},' * 400 + b'"x"' + b"]" * 400 + b"}",
    ],
    ids=["255", "1000", "objects"],
)
def test_what_is_read_can_be_written(data: bytes) -> None:
    """However deep it is: byte for byte."""
    with pytest.raises(TypeError):
        orjson.dumps(orjson.loads(data))
    assert dumps(orjson.loads(data)) == data


@pytest.mark.parametrize("levels", [100, 255, 400])
def test_a_deep_answer_is_kept_with_its_trace(levels: int, last_trace: Callable[[], Trace]) -> None:
    """Its span, its value and the trace's root; what reads and exports it does so too."""
    data = deep(levels)
    with tracetape.start_span("root"):
        with tracetape.start_span("call") as span:
            assert isinstance(span, LiveSpan)
            span._keep_outputs(data)  # as the answer of a server is kept
            span._attributes = {"own": data}
            span.add_event(SpanEvent("e"))
            span._events = [("e", 1, data)]
    trace = last_trace()
    assert tracetape.stats()["lost"] == 0
    root, call = sorted(trace.data.spans, key=lambda one: one.parent_id or "")
    assert (root.name, dumps(call.outputs)) == ("root", data)
    assert dumps(call.get_attribute("own")) == data
    assert input_preview(root) is None
    assert output_preview(call)
    number = int(trace.info.trace_id[3:], 16)
    store: Any = runtime.recorder.store
    (line,) = store.get_each([number], trace_json)
    exported = {span["name"]: span for span in orjson.loads(line)["data"]["spans"]}
    for name in ("own", "mlflow.spanOutputs"):
        assert exported["call"]["attributes"][name].replace(" ", "") == data.decode()
    again = Trace.from_json(line)
    assert dumps(again.data.spans[1].outputs or again.data.spans[0].outputs) == data
    (table,) = store.get_each([number], span_rows)
    assert len(table) == 2


def test_what_is_too_deep_to_look_for_credentials_is_dropped_and_no_more(
    last_trace: Callable[[], Trace],
) -> None:
    """It says so in its own place; what stands beside it stays."""
    with tracetape.start_span("root"):
        with tracetape.start_span("call") as span:
            assert isinstance(span, LiveSpan)
            span._keep_outputs(b'{"a":1,' + deep(1000)[1:])
    by_name = {span.name: span for span in last_trace().data.spans}
    assert by_name.keys() == {"root", "call"}
    dropped = "[dropped: too many levels to look for credentials]"
    assert by_name["call"].outputs == {"a": 1, "d": dropped}


def fail_at_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    protected = pipeline.protected
    monkeypatch.setattr(
        pipeline,
        "protected",
        lambda record, trace: broken() if record.name == "bad" else protected(record, trace),
    )


def fail_at_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    make = rows.span_rows
    monkeypatch.setattr(
        writing,
        "span_rows",
        lambda traces, spans: (
            broken() if any(span.name == "bad" for span in spans) else make(traces, spans)
        ),
    )


@pytest.mark.parametrize("fail", [fail_at_reading, fail_at_writing])
@pytest.mark.parametrize("names", [("root", "bad"), ("bad", "child")])
def test_one_bad_span_takes_no_others_of_its_trace_along(
    fail: Callable[[pytest.MonkeyPatch], None],
    names: tuple[str, str],
    lenient: None,
    monkeypatch: pytest.MonkeyPatch,
    query: Query,
) -> None:
    """It alone is lost, and counted; the trace has ended all the same."""
    fail(monkeypatch)
    with tracetape.start_span(names[0]):
        with tracetape.start_span(names[1]):
            pass
    with tracetape.start_span("other"):
        pass
    assert tracetape.flush(20) == 0
    stats = tracetape.stats()
    assert (stats["recorded"], stats["written"], stats["lost"]) == (3, 2, 1)
    (kept,) = {*names} - {"bad"}
    assert query("SELECT name FROM spans ORDER BY name") == sorted([(kept,), ("other",)])
    assert query("SELECT state, span_count FROM traces") == [("OK", 1), ("OK", 1)]
    assert diagnostics.faults()


def test_a_value_that_cannot_be_shared_is_kept_whole(
    lenient: None, monkeypatch: pytest.MonkeyPatch, last_trace: Callable[[], Trace]
) -> None:
    """Nothing is lost; the fault is counted."""
    monkeypatch.setattr(dedup, "split", broken)
    with tracetape.start_span("root") as span:
        span.set_outputs(["long " * 500])
    assert last_trace().data.spans[0].outputs == ["long " * 500]
    assert diagnostics.faults() == {"sharing the parts of a value": 1}
