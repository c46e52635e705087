"""The low-level client: traces made, read, changed and removed by their ids."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape import Client
from tracetape.entities import (
    Expectation,
    Feedback,
    Link,
    NoOpSpan,
    SpanStatusCode,
    SpanType,
    Trace,
    TraceState,
)
from tracetape.exceptions import InvalidTypeError, InvalidValueError, StoreError, TracetapeException
from tracetape.tracing.runtime import runtime

UNKNOWN = "tr-" + "0" * 31 + "1"


@pytest.fixture
def client() -> Client:
    """A client."""
    return Client()


def finished(name: str = "t", **values: Any) -> str:
    """The id of a trace that has ended."""
    with tracetape.start_span(name) as span:
        if values:
            span.set_inputs(values)
    return span.trace_id


def tree(trace: Trace) -> dict[str, str | None]:
    """The name of each span's parent, by name."""
    names = {span.span_id: span.name for span in trace.data.spans}
    return {span.name: names.get(span.parent_id or "") for span in trace.data.spans}


# -- making ----------------------------------------------------------------------------------


def test_a_trace_by_hand(client: Client) -> None:
    """With all that can be said of its root and of a span below."""
    link = Link("tr-" + "0" * 31 + "5", "0" * 15 + "6")
    root = client.start_trace(
        "root",
        SpanType.CHAIN,
        inputs={"q": 1},
        attributes={"a": "b"},
        tags={"t": "1"},
        experiment_id="7",
        start_time_ns=5,
        run_id="run",
        links=[link],
    )
    assert tracetape.get_current_active_span() is None
    child = client.start_span(
        "child",
        root.trace_id,
        root.span_id,
        SpanType.TOOL,
        inputs=[1],
        attributes={"c": 2},
        start_time_ns=6,
        links=[link],
    )
    client.end_span(
        root.trace_id, child.span_id, outputs="out", attributes={"d": 3}, status="ERROR"
    )
    client.end_trace(root.trace_id, outputs="answer", attributes={"e": 4}, end_time_ns=2_000_005)

    trace = client.get_trace(root.trace_id, flush=True)
    assert tree(trace) == {"root": None, "child": "root"}
    assert (trace.info.state, trace.info.experiment_id) == (TraceState.OK, "7")
    assert trace.info.execution_duration == 2
    assert trace.info.tags == {"mlflow.traceName": "root", "t": "1"}
    assert trace.info.trace_metadata["mlflow.sourceRun"] == "run"
    first, second = trace.data.spans
    assert (first.inputs, first.outputs, first.span_type) == ({"q": 1}, "answer", "CHAIN")
    assert (first.get_attribute("a"), first.get_attribute("e")) == ("b", 4)
    assert (first.start_time_ns, first.end_time_ns, first.links) == (5, 2_000_005, [link])
    assert (second.inputs, second.outputs, second.span_type) == ([1], "out", "TOOL")
    assert (second.get_attribute("c"), second.get_attribute("d")) == (2, 3)
    assert second.status.status_code is SpanStatusCode.ERROR
    assert (second.start_time_ns, second.links) == (6, [link])


def test_below_a_span_of_the_fluent_api(client: Client, last_trace: Callable[[], Trace]) -> None:
    """And a trace by hand is no place for one."""
    with tracetape.start_span("root") as root:
        child = client.start_span("child", root.trace_id, root.span_id)
        assert tracetape.get_current_active_span() is root
        child.set_inputs(1)
        child.end()
        with pytest.raises(TracetapeException, match="Another trace is already set in the global"):
            client.start_trace("another")
    assert tree(last_trace()) == {"root": None, "child": "root"}


def test_many_threads_share_a_trace(client: Client) -> None:
    """Begun in one, ended in another, by other clients: no span is lost or misplaced."""
    root = client.start_trace("root")

    def work(number: int) -> None:
        for turn in range(20):
            span = Client().start_span(f"{number}.{turn}", root.trace_id, root.span_id)
            inner = Client().start_span(f"{number}.{turn}.in", root.trace_id, span.span_id)
            done = threading.Thread(target=Client().end_span, args=(root.trace_id, inner.span_id))
            done.start()
            done.join()
            Client().end_span(root.trace_id, span.span_id)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.end_trace(root.trace_id)
    trace = client.get_trace(root.trace_id, flush=True)
    assert len(trace.data.spans) == 1 + 4 * 20 * 2
    assert tree(trace) == {
        "root": None,
        **{f"{n}.{t}": "root" for n in range(4) for t in range(20)},
        **{f"{n}.{t}.in": f"{n}.{t}" for n in range(4) for t in range(20)},
    }


def test_below_a_span_that_has_ended_and_is_written(client: Client) -> None:
    """As long as something of its trace is open."""
    root = client.start_trace("root")
    parent = client.start_span("parent", root.trace_id, root.span_id)
    client.end_span(root.trace_id, parent.span_id)
    assert tracetape.flush() == 0
    late = client.start_span("late", root.trace_id, parent.span_id)
    client.end_span(root.trace_id, late.span_id)
    client.end_trace(root.trace_id)
    trace = client.get_trace(root.trace_id, flush=True)
    assert tree(trace) == {"root": None, "parent": "root", "late": "parent"}


def test_a_span_may_outlive_its_trace(client: Client) -> None:
    """It is ended by its own end, and kept."""
    root = client.start_trace("root")
    child = client.start_span("child", root.trace_id, root.span_id)
    client.end_trace(root.trace_id)
    client.end_span(root.trace_id, child.span_id, outputs=1)
    trace = client.get_trace(root.trace_id, flush=True)
    assert [(span.name, span.outputs) for span in trace.data.spans] == [
        ("root", None),
        ("child", 1),
    ]


def test_ending_what_has_ended_or_is_unknown(client: Client) -> None:
    """A span is left as it is; a trace says so."""
    root = client.start_trace("root")
    client.end_span(root.trace_id, "0" * 16)
    client.end_span(UNKNOWN, root.span_id)
    client.end_trace(root.trace_id, outputs="first")
    client.end_span(root.trace_id, root.span_id, outputs="second")
    for _ in range(2):
        with pytest.raises(TracetapeException, match=r"Trace with ID tr-\w+ already finished"):
            client.end_trace(root.trace_id)
        tracetape.flush()
    assert client.get_trace(root.trace_id).data.response == '"first"'


def test_errors_of_spans(client: Client) -> None:
    """What cannot be begun says why."""
    root = client.start_trace("root")
    with pytest.raises(InvalidValueError, match=r"start_span\(\) must be called with an explicit"):
        client.start_span("s", root.trace_id)
    with pytest.raises(InvalidValueError, match="Trace ID must be provided to start a span"):
        client.start_span("s", "", root.span_id)
    for trace_id in (root.trace_id, UNKNOWN, "nonsense"):
        with pytest.raises(TracetapeException, match="Parent span with ID 'ab' not found"):
            client.start_span("s", trace_id, "ab")
    client.end_trace(root.trace_id)
    for _ in range(2):  # before it is written, and afterwards
        with pytest.raises(TracetapeException, match=f"Parent span with ID '{root.span_id}'"):
            client.start_span("s", root.trace_id, root.span_id)
        tracetape.flush()
    with pytest.raises(TracetapeException, match=f"Trace with ID '{UNKNOWN}' not found"):
        client.end_trace(UNKNOWN)


def test_what_is_not_recorded(client: Client) -> None:
    """Spans that record nothing, and nothing that fails."""
    with tracetape.context(enabled=False):
        root = client.start_trace("root")
    assert isinstance(root, NoOpSpan)
    child = client.start_span("child", root.trace_id, root.span_id)
    assert isinstance(child, NoOpSpan)
    client.end_span(child.trace_id, child.span_id)
    client.end_trace(root.trace_id)
    assert client.search_traces(flush=True) == []


# -- reading ---------------------------------------------------------------------------------


def test_an_unknown_trace(client: Client) -> None:
    """An error, where `tracetape.get_trace` gives None."""
    for trace_id in (UNKNOWN, "nonsense"):
        with pytest.raises(TracetapeException, match=f"Trace with ID '{trace_id}' not found"):
            client.get_trace(trace_id)


def test_a_running_trace_is_read(client: Client) -> None:
    """As it is now."""
    root = client.start_trace("root", inputs=1)
    trace = client.get_trace(root.trace_id)
    assert (trace.info.state, trace.data.request) == (TraceState.IN_PROGRESS, "1")
    client.end_trace(root.trace_id)


def test_the_older_name_of_a_traces_id(client: Client, recwarn: pytest.WarningsRecorder) -> None:
    """Every method takes it, and warns at the line that says it."""
    root = client.start_trace("root")
    ids = {"request_id": root.trace_id}
    child = client.start_span("child", parent_id=root.span_id, **ids)
    client.end_span(span_id=child.span_id, **ids)
    client.set_trace_tag(key="a", value="1", **ids)
    client.set_trace_tag(key="b", value="2", **ids)
    client.delete_trace_tag(key="a", **ids)
    client.end_trace(**ids)
    trace = client.get_trace(**ids)
    assert [(each.category, each.filename) for each in recwarn] == [(FutureWarning, __file__)] * 7
    assert "'request_id' is deprecated" in str(recwarn[0].message)
    assert tree(trace) == {"root": None, "child": "root"}
    assert trace.info.tags == {"mlflow.traceName": "root", "b": "2"}


def test_the_older_name_of_the_places_of_a_search(client: Client) -> None:
    """It warns at the line that says it."""
    finished("t")
    with pytest.warns(FutureWarning, match="`experiment_ids` parameter is deprecated") as warned:
        found = client.search_traces(experiment_ids=["0"], flush=True)
    assert (len(found), warned[0].filename) == (1, __file__)


def test_pages(client: Client) -> None:
    """Each goes on where the one before ended; the last one has no token."""
    made = [finished(f"t{n}") for n in range(7)][::-1]
    token, pages = None, []
    while True:
        page = client.search_traces(max_results=3, page_token=token, flush=True)
        pages.append([trace.info.trace_id for trace in page])
        token = page.token
        if token is None:
            break
    assert pages == [made[:3], made[3:6], made[6:]]
    assert client.search_traces(max_results=7).token is None
    assert client.search_traces(max_results=0) == []
    (found,) = client.search_traces(filter_string="name = 't3'", include_spans=False)
    assert (found.info.trace_id, found.data.spans) == (made[3], [])
    assert isinstance(client.search_traces().to_list(), list)


def test_pages_of_a_search_in_text(client: Client) -> None:
    """They come off the index, and in the same order."""
    made = [finished(f"t{n}", word="needle") for n in range(5)][::-1]
    search = {"filter_string": "trace.text LIKE '%needle%'", "max_results": 2}
    first = client.search_traces(**search, flush=True)  # type: ignore[arg-type]
    second = client.search_traces(**search, page_token=first.token)  # type: ignore[arg-type]
    third = client.search_traces(**search, page_token=second.token)  # type: ignore[arg-type]
    found = [trace.info.trace_id for page in (first, second, third) for trace in page]
    assert found == made
    assert third.token is None


@pytest.mark.filterwarnings("ignore:The `experiment_ids` parameter is deprecated:FutureWarning")
def test_bad_searches(client: Client) -> None:
    """Each says what is wrong."""
    for token in ("xx", "####", "LTE=", 5):
        with pytest.raises(InvalidValueError, match="Invalid page token"):
            client.search_traces(page_token=token)  # type: ignore[arg-type]
    for name in ("locations", "experiment_ids"):
        with pytest.raises(InvalidTypeError, match=rf"Did you mean to use {name}=\['0'\]"):
            client.search_traces(**{name: "0"})  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="max_results must be a number from 0 up"):
        client.search_traces(max_results=-1)


# -- changing --------------------------------------------------------------------------------


def test_tags(client: Client) -> None:
    """Of a running trace and of one that has ended."""
    root = client.start_trace("root")
    client.set_trace_tag(root.trace_id, "a", "1")
    client.set_trace_tag(root.trace_id, "b", "2")
    client.end_trace(root.trace_id)
    client.delete_trace_tag(root.trace_id, "a")
    tags = client.get_trace(root.trace_id, flush=True).info.tags
    assert tags == {"mlflow.traceName": "root", "b": "2"}


def test_assessments(client: Client) -> None:
    """The same as those of the functions."""
    trace_id = finished()
    good = client.log_feedback(trace_id=trace_id, value=True, rationale="so")
    right = client.log_expectation(trace_id=trace_id, name="answer", value=[1])
    issue = client.log_issue(trace_id=trace_id, issue_id="i-1")
    own = client.log_assessment(trace_id, Feedback("own", 1))
    assert tracetape.get_trace(trace_id).info.assessments == [good, right, issue, own]  # type: ignore[union-attr]
    assert good.assessment_id is not None
    assert right.assessment_id is not None
    assert client.get_assessment(trace_id, good.assessment_id) == good
    client.update_assessment(trace_id, right.assessment_id, Expectation("answer", [2]))
    new = client.override_feedback(trace_id=trace_id, assessment_id=good.assessment_id, value=False)
    assert own.assessment_id is not None
    client.delete_assessment(trace_id, own.assessment_id)
    left = client.get_trace(trace_id).search_assessments()
    assert [one.assessment_id for one in left] == [
        right.assessment_id,
        issue.assessment_id,
        new.assessment_id,
    ]


# -- removing --------------------------------------------------------------------------------


def test_traces_are_removed_by_id(
    client: Client, query: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """With everything that is only theirs, for good."""
    kept, gone = finished("kept", text="stays here"), finished("gone", text="vanishes now")
    client.log_feedback(trace_id=gone, value=1)
    assert client.delete_traces("0", trace_ids=[gone, UNKNOWN, "nonsense"]) == 1
    assert tracetape.get_trace(gone, silent=True) is None
    assert [trace.info.trace_id for trace in client.search_traces()] == [kept]
    assert query("SELECT count(*) FROM spans") == [(1,)]
    assert query("SELECT count(*) FROM assessments") == [(0,)]
    assert client.search_traces(filter_string="trace.text LIKE '%vanishes%'") == []
    assert client.delete_traces("0", trace_ids=[gone]) == 0


def test_traces_are_removed_by_age(client: Client) -> None:
    """The oldest first, at most so many; those that began at that moment, too."""
    made = [finished(f"t{n}") for n in range(5)]
    times = [client.get_trace(trace_id).info.request_time for trace_id in made]
    assert client.delete_traces("0", max_timestamp_millis=times[0] - 1) == 0
    assert client.delete_traces("0", max_timestamp_millis=times[4], max_traces=2) == 2
    assert [t.info.trace_id for t in client.search_traces()] == made[:1:-1]
    now = int(time.time() * 1000)
    assert client.delete_traces(max_timestamp_millis=now) == 3
    assert client.search_traces() == []


def test_more_than_a_batch_is_removed(client: Client) -> None:
    """By age and by id."""
    made = [finished() for _ in range(120)]
    now = int(time.time() * 1000)
    assert client.delete_traces("0", max_timestamp_millis=now, max_traces=60) == 60
    assert client.delete_traces("0", trace_ids=made) == 60
    assert client.search_traces(flush=True) == []


def test_only_traces_of_the_experiment_are_removed(client: Client) -> None:
    """Those that have none are in MLflow's default one."""
    plain, mine = finished(), client.start_trace("mine", experiment_id="7")
    client.end_trace(mine.trace_id)
    now = int(time.time() * 1000)
    assert client.delete_traces("7", trace_ids=[plain]) == 0
    assert client.delete_traces("8", max_timestamp_millis=now) == 0
    assert client.delete_traces("7", max_timestamp_millis=now) == 1
    assert [trace.info.trace_id for trace in client.search_traces()] == [plain]


def test_running_traces_are_kept(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """None of their spans is lost, and by id there is a warning."""
    root = client.start_trace("root")
    child = client.start_span("child", root.trace_id, root.span_id)
    client.end_span(root.trace_id, child.span_id)
    over = finished("over")
    now = int(time.time() * 1000)
    assert client.delete_traces("0", max_timestamp_millis=now) == 1
    assert tracetape.get_trace(over, silent=True) is None
    assert client.delete_traces("0", trace_ids=[root.trace_id]) == 0
    assert "Kept what still runs in this process: 1 trace" in caplog.text
    client.end_trace(root.trace_id)
    assert len(client.get_trace(root.trace_id, flush=True).data.spans) == 2
    assert client.delete_traces("0", trace_ids=[root.trace_id]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Either `max_timestamp_millis` or `trace_ids` must be specified"),
        ({"trace_ids": []}, "Either `max_timestamp_millis` or `trace_ids` must be specified"),
        ({"max_traces": 1}, "Either `max_timestamp_millis` or `trace_ids` must be specified"),
        (
            {"max_timestamp_millis": 1, "trace_ids": ["a"]},
            "Only one of `max_timestamp_millis` and `trace_ids` can be specified",
        ),
        ({"max_traces": 1, "trace_ids": ["a"]}, "`max_traces` can't be specified if `trace_ids`"),
        ({"max_timestamp_millis": 1, "max_traces": 0}, "must be a positive integer, received 0"),
    ],
)
def test_what_to_remove_must_be_clear(
    client: Client, arguments: dict[str, Any], message: str
) -> None:
    """In MLflow's words, and nothing is removed."""
    trace_id = finished()
    with pytest.raises(InvalidValueError, match=message):
        client.delete_traces("0", **arguments)
    assert client.get_trace(trace_id, flush=True)


def test_a_store_that_cannot_remove(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be older than this method."""
    trace_id = finished()
    monkeypatch.delattr(type(runtime.recorder.store), "delete")
    with pytest.raises(StoreError, match="cannot remove traces"):
        client.delete_traces("0", trace_ids=[trace_id])


def test_words_of_mlflow(caplog: pytest.LogCaptureFixture) -> None:
    """Its name of the client, and its arguments, once with a warning."""
    assert tracetape.MlflowClient is Client
    Client(tracking_uri="http://localhost:5000")
    assert "Client(tracking_uri=…) is ignored" in caplog.text
