"""What is said of a trace beside its spans: while it runs, and afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.entities import Trace, TraceState
from tracetape.exceptions import InvalidTypeError, InvalidValueError, TracetapeException

UNKNOWN = "tr-" + "0" * 31 + "1"


def read(trace_id: str, flush: bool = False) -> Trace:
    """A trace that exists."""
    trace = tracetape.get_trace(trace_id, flush=flush)
    assert trace is not None
    return trace


def finished(name: str = "work") -> str:
    """Id of a trace whose root has just ended."""
    with tracetape.start_span(name) as span:
        tracetape.update_current_trace(tags={"a": "1", "b": "1"})
    return span.trace_id


def test_everything_that_can_be_said(last_trace: Callable[[], Trace]) -> None:
    """It stands on the running trace, on the finished one, and in the store."""
    with tracetape.start_span() as span:
        span.set_inputs({"q": 1})
        tracetape.update_current_trace(
            tags={"team": "a"},
            metadata={"build": "7"},
            client_request_id="req-1",
            request_preview="asked",
            response_preview="answered",
            state="ERROR",
            model_id="m-1",
            session_id="s-1",
            user="ann",
        )
        running = read(span.trace_id)
    for trace in (running, read(span.trace_id), last_trace()):
        info = trace.info
        assert info.tags["team"] == "a"
        assert info.client_request_id == "req-1"
        assert (info.request_preview, info.response_preview) == ("asked", "answered")
        expected = {
            "build": "7",
            "mlflow.modelId": "m-1",
            "mlflow.trace.session": "s-1",
            "mlflow.trace.user": "ann",
        }
        assert expected.items() <= info.trace_metadata.items()
    assert last_trace().info.state == TraceState.ERROR
    assert last_trace().data.spans[0].status.status_code == "OK"


def test_the_last_word_wins(last_trace: Callable[[], Trace]) -> None:
    """Key by key, from anywhere in the trace; None says nothing."""
    with tracetape.start_span():
        tracetape.update_current_trace(
            tags={"a": "1", "b": "1"}, metadata={"m": "1"}, client_request_id="1", user="ann"
        )
        with tracetape.start_span():
            tracetape.update_current_trace(
                tags={"b": "2", "c": "2"}, client_request_id="2", request_preview="p"
            )
        tracetape.update_current_trace(client_request_id=None, request_preview=None, user=None)
        tracetape.update_current_trace()
    info = last_trace().info
    assert {key: info.tags[key] for key in "abc"} == {"a": "1", "b": "2", "c": "2"}
    assert (info.trace_metadata["m"], info.trace_metadata["mlflow.trace.user"]) == ("1", "ann")
    assert (info.client_request_id, info.request_preview) == ("2", "p")


def test_named_values_win_over_metadata(last_trace: Callable[[], Trace]) -> None:
    """`user` is more than the key that it stands for."""
    with tracetape.start_span():
        tracetape.update_current_trace(metadata={"mlflow.trace.user": "key"}, user="argument")
    assert last_trace().info.trace_metadata["mlflow.trace.user"] == "argument"


@pytest.mark.parametrize("state", ["OK", "ERROR", TraceState.OK, TraceState.ERROR])
@pytest.mark.parametrize("fails", [True, False])
def test_the_state(state: Any, fails: bool, last_trace: Callable[[], Trace]) -> None:
    """It holds whatever the root's status is, and does not touch that."""
    try:
        with tracetape.start_span():
            tracetape.update_current_trace(state=state)
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert last_trace().info.state == str(state).rpartition(".")[2]
    assert last_trace().data.spans[0].status.status_code == ("ERROR" if fails else "OK")


@pytest.mark.parametrize("state", ["", "ok", "IN_PROGRESS", TraceState.IN_PROGRESS, 1, []])
def test_a_state_that_is_none(state: Any) -> None:
    """Refused with its name."""
    with tracetape.start_span() as span:
        with pytest.raises(
            ValueError, match="State must be either 'OK' or 'ERROR', but got '"
        ) as e:
            tracetape.update_current_trace(tags={"a": "1"}, state=state)
    assert isinstance(e.value, InvalidValueError)
    assert "a" not in read(span.trace_id).info.tags


@pytest.mark.parametrize("which", ["request_preview", "response_preview"])
@pytest.mark.parametrize("value", [1, {"a": 1}, b"bytes"])
def test_a_preview_that_is_no_string(which: str, value: Any) -> None:
    """Refused with its name and type."""
    message = f"The `{which}` parameter must be a string, got {type(value).__name__}."
    with tracetape.start_span():
        with pytest.raises(TypeError) as caught:
            tracetape.update_current_trace(**{which: value})
    assert isinstance(caught.value, InvalidTypeError)
    assert str(caught.value) == message


@pytest.mark.parametrize("which", ["tags", "metadata"])
def test_values_that_are_no_strings(
    which: str, last_trace: Callable[[], Trace], caplog: pytest.LogCaptureFixture
) -> None:
    """They become strings, with one warning."""
    with tracetape.start_span():
        tracetape.update_current_trace(**{which: {"a": 1, "b": None, "c": "fine"}})  # type: ignore[arg-type]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert which in record.getMessage()
    assert "fine" not in record.getMessage()
    info = last_trace().info
    found = info.tags if which == "tags" else info.trace_metadata
    assert {key: found[key] for key in "abc"} == {"a": "1", "b": "None", "c": "fine"}


def test_a_client_request_id_becomes_a_string(last_trace: Callable[[], Trace]) -> None:
    """Programs count their requests."""
    with tracetape.start_span():
        tracetape.update_current_trace(client_request_id=7)  # type: ignore[arg-type]
    assert last_trace().info.client_request_id == "7"


@pytest.mark.parametrize("inside", ["nothing", "not recorded", "scope"])
def test_without_a_span(inside: str, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, and nothing else."""
    if inside == "nothing":
        tracetape.update_current_trace(tags={"a": "1"})
    elif inside == "scope":
        with tracetape.context(user="ann"):
            tracetape.update_current_trace(tags={"a": "1"})
    else:
        with tracetape.context(enabled=False), tracetape.start_span():
            tracetape.update_current_trace(tags={"a": "1"})
    (record,) = caplog.records
    assert "No active trace found" in record.getMessage()


def test_tags_of_a_running_trace(last_trace: Callable[[], Trace]) -> None:
    """They are set and removed at once, also in a copy taken before the end."""
    with tracetape.start_span() as span:
        tracetape.set_trace_tag(span.trace_id, "a", "1")
        tracetape.set_trace_tag(trace_id=span.trace_id, key="b", value="1")
        assert read(span.trace_id).info.tags["a"] == "1"
        tracetape.set_trace_tag(span.trace_id, "a", "2")
        tracetape.delete_trace_tag(span.trace_id, "b")
        assert "b" not in read(span.trace_id).info.tags
    tags = last_trace().info.tags
    assert tags["a"] == "2"
    assert "b" not in tags


@pytest.mark.parametrize("written", [True, False], ids=["written", "right after the end"])
def test_tags_of_a_finished_trace(
    written: bool, last_trace: Callable[[], Trace], query: Callable[..., Any]
) -> None:
    """They are set and removed, as everybody sees at once and the store in a moment."""
    trace_id = finished()
    if written:
        assert tracetape.flush(20) == 0
    tracetape.set_trace_tag(trace_id, "a", "2")
    tracetape.set_trace_tag(trace_id, "new", "1")
    tracetape.delete_trace_tag(trace_id, "b")
    for trace in (read(trace_id), read(trace_id, flush=True), last_trace()):
        tags = trace.info.tags
        assert (tags["a"], tags["new"], "b" in tags) == ("2", "1", False)
        assert [span.name for span in trace.data.spans] == ["work"]


def test_a_tag_that_comes_back() -> None:
    """Deleted and set again, it is there."""
    trace_id = finished()
    tracetape.delete_trace_tag(trace_id, "a")
    tracetape.set_trace_tag(trace_id, "a", "again")
    assert read(trace_id).info.tags["a"] == "again"
    assert read(trace_id, flush=True).info.tags["a"] == "again"


def test_a_trace_of_another_process(run_python: Callable[..., Any], store_path: Path) -> None:
    """Whoever has the store can tag its traces."""
    made = run_python(
        """
        import tracetape
        with tracetape.start_span() as span:
            print(span.trace_id)
        """,
        TRACETAPE_STORE=f"sqlite:///{store_path}",
    )
    trace_id = made.stdout.strip()
    tracetape.set_trace_tag(trace_id, "a", "1")
    assert read(trace_id, flush=True).info.tags["a"] == "1"
    tracetape.delete_trace_tag(trace_id, "a")
    assert "a" not in read(trace_id, flush=True).info.tags


def test_a_value_that_is_no_string() -> None:
    """It becomes one."""
    trace_id = finished()
    tracetape.set_trace_tag(trace_id, "n", 7)  # type: ignore[arg-type]
    assert read(trace_id).info.tags["n"] == "7"


def test_the_name_of_a_trace_can_be_changed() -> None:
    """It is a tag like any other."""
    trace_id = finished("before")
    assert read(trace_id).info.tags["mlflow.traceName"] == "before"
    tracetape.set_trace_tag(trace_id, "mlflow.traceName", "after")
    assert read(trace_id, flush=True).info.tags["mlflow.traceName"] == "after"


def test_the_older_name_of_the_argument(recwarn: pytest.WarningsRecorder) -> None:
    """`request_id` is taken, with a warning at the line that says it."""
    trace_id = finished()
    tracetape.set_trace_tag(request_id=trace_id, key="c", value="1")
    tracetape.delete_trace_tag(request_id=trace_id, key="a")
    tags = read(trace_id).info.tags
    assert (tags["c"], "a" in tags) == ("1", False)
    assert [(each.category, each.filename) for each in recwarn] == [(FutureWarning, __file__)] * 2
    assert "'request_id' is deprecated" in str(recwarn[0].message)


CHANGES: list[Any] = [
    pytest.param(lambda **ids: tracetape.set_trace_tag(key="a", value="1", **ids), id="set"),
    pytest.param(lambda **ids: tracetape.delete_trace_tag(key="a", **ids), id="delete"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_both_names_of_the_argument(change: Callable[..., Any]) -> None:
    """Refused, since they may differ; as is neither."""
    trace_id = finished()
    with pytest.raises(ValueError, match=r"Cannot specify both 'request_id'"):
        change(trace_id=trace_id, request_id=trace_id)
    with pytest.raises(ValueError, match="trace_id is missing"):
        change()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("trace_id", [UNKNOWN, "tr-nonsense", "", "MLFLOW_NO_OP_SPAN_TRACE_ID"])
def test_an_unknown_trace(change: Callable[..., Any], trace_id: str) -> None:
    """Refused with its id."""
    with pytest.raises(TracetapeException, match=r"Trace with ID '.*' not found") as caught:
        change(trace_id=trace_id)
    assert repr(trace_id) in str(caught.value)


def test_a_tag_that_is_not_there() -> None:
    """It cannot be deleted, neither from a running nor from a finished trace."""
    trace_id = finished()
    with tracetape.start_span() as span:
        for one in (trace_id, span.trace_id):
            with pytest.raises(TracetapeException, match="No trace tag with key 'never'"):
                tracetape.delete_trace_tag(one, "never")


def test_a_span_that_ends_after_a_tag_was_set() -> None:
    """It does not bring back what was said of the trace before."""
    with tracetape.start_span("root") as root:
        tracetape.update_current_trace(tags={"a": "1", "b": "1"})
        late = tracetape.start_span_no_context("late", parent_span=root)
    tracetape.set_trace_tag(root.trace_id, "a", "2")
    tracetape.delete_trace_tag(root.trace_id, "b")
    assert tracetape.flush(20) == 0
    late.end()
    for flush in (False, True):
        tags = read(root.trace_id, flush=flush).info.tags
        assert (tags["a"], "b" in tags) == ("2", False)


def test_a_tag_is_seen_at_once() -> None:
    """However far the writing is."""
    trace_id = finished()
    for n in range(200):
        tracetape.set_trace_tag(trace_id, "n", str(n))
        assert read(trace_id).info.tags["n"] == str(n)


@pytest.mark.parametrize("bad", [{"state": "FOO"}, {"request_preview": 1}, {"response_preview": 1}])
def test_without_a_trace_nothing_is_refused(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """There is nothing that it could be said of: a warning, as in MLflow."""
    tracetape.update_current_trace(**bad)
    assert "No active trace found" in caplog.text


class Unsayable:
    """A value of a program's whose own code fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_metadata_of_feedback_that_cannot_be_told_as_text() -> None:
    """Its error stays away from the program, as that of a tag does."""
    with tracetape.start_span() as span:
        pass
    tracetape.log_feedback(trace_id=span.trace_id, value=1, metadata={"a": Unsayable()})
    trace = tracetape.get_trace(span.trace_id)
    assert trace is not None
    assert trace.info.assessments[0].metadata == {"a": "<Unsayable: str() failed>"}


@pytest.mark.parametrize(
    "said",
    [
        {"tags": {"a": Unsayable()}},
        {"metadata": {"a": Unsayable()}},
        {"tags": {Unsayable(): "a"}},
        {"client_request_id": Unsayable()},
        {"model_id": Unsayable()},
        {"session_id": Unsayable()},
        {"user": Unsayable()},
    ],
    ids=lambda said: next(iter(said)),
)
def test_a_value_that_cannot_be_told_as_text(
    said: dict[str, Any], last_trace: Callable[[], Trace]
) -> None:
    """Its error stays away from the program; the type's name stands for it."""
    with tracetape.start_span():
        tracetape.update_current_trace(**said)
    info = last_trace().info
    told = [*info.tags.items(), *info.trace_metadata.items(), info.client_request_id]
    assert "<Unsayable: str() failed>" in str(told)


def test_a_tag_that_cannot_be_told_as_text() -> None:
    """Of a finished trace, too."""
    trace_id = finished()
    tracetape.set_trace_tag(trace_id, "k", Unsayable())  # type: ignore[arg-type]
    assert read(trace_id).info.tags["k"] == "<Unsayable: str() failed>"


def test_an_exception_whose_own_text_cannot_be_told() -> None:
    """The program gets its exception, not what the exception's code raises."""

    class MineError(Exception):
        def __str__(self) -> str:
            raise SystemExit(3)

    @tracetape.trace
    def fail() -> None:
        raise MineError

    with pytest.raises(MineError):
        fail()
