"""Reading traces back: get_trace and get_last_active_trace_id."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.entities import LiveSpan, SpanStatus, Trace, TraceState
from tracetape.tracing.runtime import runtime


def get(trace_id: str | None) -> Trace:
    """A trace that must be there."""
    assert trace_id is not None
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    return trace


def test_no_trace_before_any_has_ended() -> None:
    """A running one does not count."""
    assert tracetape.get_last_active_trace_id() is None
    with tracetape.start_span():
        assert tracetape.get_last_active_trace_id() is None


def test_the_last_trace_is_the_one_whose_root_ended_last() -> None:
    """Whatever ended inside, and in whatever thread."""
    with tracetape.start_span("one") as one:
        with tracetape.start_span("child"):
            pass
    assert tracetape.get_last_active_trace_id() == one.trace_id
    ids: list[str] = []

    def work() -> None:
        with tracetape.start_span("two") as two:
            ids.append(two.trace_id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert tracetape.get_last_active_trace_id() == ids[0] != one.trace_id


def test_a_trace_can_be_read_as_soon_as_its_root_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even if nothing has been written yet."""
    store = runtime.recorder.store
    monkeypatch.setattr(type(store), "get_trace", lambda self, trace_id: None)
    with tracetape.start_span("root") as root:
        root.set_inputs("q")
        with tracetape.start_span("child"):
            pass
        root.set_outputs("a")
    monkeypatch.undo()
    trace = get(root.trace_id)
    assert [span.name for span in trace.data.spans] == ["root", "child"]
    assert trace.info.state == TraceState.OK
    assert (trace.data.request, trace.data.response) == ('"q"', '"a"')


def test_memory_and_store_tell_the_same() -> None:
    """What is known of a trace does not change when it is written."""
    with tracetape.start_span("root") as root:
        root.set_inputs({"q": "Käse"})
        for n in (1, 2):
            with tracetape.start_span(f"child {n}") as child:
                child.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": n})
        child_error = pytest.raises(ValueError)
        with child_error, tracetape.start_span("failed"):
            raise ValueError("x")
        root.set_outputs([1])
    fresh = get(root.trace_id)
    written = tracetape.get_trace(root.trace_id, flush=True)
    assert written is not None
    assert fresh.info == written.info
    assert [vars_of(span) for span in fresh.data.spans] == [
        vars_of(span) for span in written.data.spans
    ]


def vars_of(span: Any) -> dict[str, Any]:
    """All that a span shows."""
    names = "name span_type span_id parent_id start_time_ns end_time_ns status events attributes"
    return {name: getattr(span, name) for name in names.split()}


def test_a_running_trace_can_be_read() -> None:
    """It shows what there is so far, and is in progress."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("done"):
            pass
        with tracetape.start_span("open") as child:
            child.set_inputs(1)
            trace = get(root.trace_id)
            assert [span.name for span in trace.data.spans] == ["root", "done", "open"]
            assert [span.end_time_ns is None for span in trace.data.spans] == [True, False, True]
            assert trace.info.state == TraceState.IN_PROGRESS
            assert (trace.duration_ns, trace.info.execution_duration) == (None, None)
            assert trace.data.spans[2].inputs == 1
            assert trace.data.spans[2].status == SpanStatus("UNSET")
            assert not any(isinstance(span, LiveSpan) for span in trace.data.spans)


def test_a_running_trace_whose_first_spans_are_written_already() -> None:
    """Memory and store are joined."""
    with tracetape.start_span("root") as root:
        with tracetape.start_span("written"):
            pass
        assert tracetape.flush(20) == 0
        with tracetape.start_span("open"):
            names = [span.name for span in get(root.trace_id).data.spans]
    assert names == ["root", "written", "open"]


def test_a_trace_is_a_copy() -> None:
    """Changing it changes nothing that is stored."""
    with tracetape.start_span("root") as root:
        root.set_inputs({"a": [1]})
    tracetape.flush(20)
    trace = get(root.trace_id)
    trace.data.spans[0].inputs["a"].append(2)
    trace.data.spans.clear()
    trace.info.name = "changed"
    again = get(root.trace_id)
    assert again.data.spans[0].inputs == {"a": [1]}
    assert again.info.name == "root"


@pytest.mark.parametrize(
    "trace_id",
    ["tr-" + "0" * 31 + "9", "f" * 32, "tr-123", "", "nonsense", None, 7, "tr-" + "g" * 32],
)
def test_an_unknown_id_is_none_and_one_warning(
    trace_id: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the id and the place; with `silent` there is none."""
    assert tracetape.get_trace(trace_id) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert repr(trace_id) in record.getMessage()
    assert "traces.db" in record.getMessage()
    caplog.clear()
    assert tracetape.get_trace(trace_id, silent=True) is None
    assert caplog.records == []


def test_a_span_that_is_not_recorded_has_no_trace_and_the_warning_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Instead of MLflow's id for such spans, which says nothing to a user."""
    with tracetape.context(enabled=False), tracetape.start_span("off") as span:
        pass
    assert tracetape.get_trace(span.trace_id) is None
    (record,) = caplog.records
    assert "no trace of this span: tracing was off" in record.getMessage()
    assert span.trace_id not in record.getMessage()


def test_an_id_may_be_given_in_other_spellings() -> None:
    """Without the prefix, or in capitals."""
    with tracetape.start_span() as root:
        pass
    for text in (root.trace_id[3:], root.trace_id.upper().replace("TR-", "tr-")):
        assert get(text).info.trace_id == root.trace_id


def test_another_store_knows_other_traces(tmp_path: Path, query: Callable[..., Any]) -> None:
    """Changing the store writes what is queued to the old one first."""
    with tracetape.start_span("old") as old:
        pass
    tracetape.configure(store=str(tmp_path / "new.db"))
    with tracetape.start_span("new") as new:
        pass
    assert tracetape.get_trace(old.trace_id, silent=True) is None
    assert get(new.trace_id).info.name == "new"
    assert query("SELECT name FROM spans") == [("old",)]


@pytest.mark.parametrize("url", ["memory://", "relative.db", "sqlite:///deep/er/traces.db"])
def test_stores_to_choose_from(url: str) -> None:
    """In memory, by path, by URL."""
    tracetape.configure(store=url)
    with tracetape.start_span() as root:
        pass
    assert tracetape.flush(20) == 0
    assert get(root.trace_id).info.span_count == 1
    assert Path("relative.db").is_file() == (url == "relative.db")
    assert Path("deep/er/traces.db").is_file() == url.startswith("sqlite")


def test_stats_tell_what_became_of_the_spans(store_path: Path) -> None:
    """Recorded, written, lost, dropped; the store; our own faults."""
    for _ in range(3):
        with tracetape.start_span():
            pass
    tracetape.flush(20)
    stats = tracetape.stats()
    expected = {
        "recorded": 3,
        "written": 3,
        "queued": 0,
        "lost": 0,
        "dropped_spans": 0,
        "dropped_traces": 0,
        "dropped_changes": 0,
        "forgotten_spans": 0,
        "evicted_traces": 0,
        "unshared_spans": 0,
        "faults": {},
        "store": f"sqlite:///{store_path}",
    }
    assert {key: stats[key] for key in expected} == expected


def test_the_older_name_of_the_argument() -> None:
    """`request_id` is taken, with a warning at the line that says it; both names are refused."""
    with tracetape.start_span() as span:
        pass
    with pytest.warns(FutureWarning, match="'request_id' is deprecated") as warned:
        trace = tracetape.get_trace(request_id=span.trace_id)
    assert warned[0].filename == __file__
    assert trace is not None
    assert trace.info.trace_id == span.trace_id
    assert trace.info.experiment_id == "0"
    with pytest.raises(ValueError, match="Cannot specify both 'request_id'"):
        tracetape.get_trace(span.trace_id, request_id=span.trace_id)
