"""Scopes: settings for the traces that begin inside, and parents in another process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import tracetape
from tracetape.entities import NoOpSpan, Trace

SESSION, USER = "mlflow.trace.session", "mlflow.trace.user"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
HEADER = f"00-{TRACE_ID}-{SPAN_ID}-01"

remote = tracetape.tracing.set_tracing_context_from_http_request_headers
headers_of_active_span = tracetape.tracing.get_tracing_context_headers_for_http_request


def one_trace() -> Trace:
    """A trace that begins here."""
    with tracetape.start_span() as span:
        pass
    trace = tracetape.get_trace(span.trace_id)
    assert trace is not None
    return trace


def said(trace: Trace) -> tuple[dict[str, str], dict[str, str]]:
    """What somebody said of a trace: tags and metadata but those that every trace has."""
    ours = ("mlflow.traceName", "mlflow.trace_schema.version", "mlflow.traceInputs")
    metadata = trace.info.trace_metadata
    return (
        {k: v for k, v in trace.info.tags.items() if k not in ours},
        {k: v for k, v in metadata.items() if k in (SESSION, USER) or "mlflow" not in k},
    )


def test_everything_that_a_scope_says(last_trace: Callable[[], Trace]) -> None:
    """It stands on each trace that begins inside, also in the store."""
    with tracetape.context(
        tags={"team": "a"}, metadata={"build": "7"}, session_id="s1", user="ann"
    ):
        expected = ({"team": "a"}, {"build": "7", SESSION: "s1", USER: "ann"})
        assert said(one_trace()) == expected
        assert said(one_trace()) == expected
        assert said(last_trace()) == expected
    assert said(one_trace()) == ({}, {})


def test_scopes_nest() -> None:
    """The inner one wins for each key, the rest is inherited; afterwards the outer one holds."""
    with tracetape.context(
        tags={"a": "1", "b": "1"}, metadata={"m": "1"}, session_id="s", user="u"
    ):
        with tracetape.context(tags={"b": "2", "c": "2"}, metadata={"n": "2"}, user="v"):
            assert said(one_trace()) == (
                {"a": "1", "b": "2", "c": "2"},
                {"m": "1", "n": "2", SESSION: "s", USER: "v"},
            )
        assert said(one_trace()) == ({"a": "1", "b": "1"}, {"m": "1", SESSION: "s", USER: "u"})


def test_the_named_arguments_win_over_metadata() -> None:
    """`session_id` is more than the key that it stands for."""
    with tracetape.context(metadata={SESSION: "key"}, session_id="argument"):
        assert said(one_trace())[1] == {SESSION: "argument"}


def test_a_trace_that_runs_is_not_touched() -> None:
    """Only those that begin inside are."""
    with tracetape.start_span() as root:
        with tracetape.context(tags={"late": "yes"}):
            with tracetape.start_span() as child:
                assert child.trace_id == root.trace_id
    trace = tracetape.get_trace(root.trace_id)
    assert trace is not None
    assert said(trace) == ({}, {})


def test_the_callers_dictionaries_are_copied() -> None:
    """What becomes of them inside changes nothing."""
    tags = {"a": "1"}
    with tracetape.context(tags=tags):
        tags["b"] = "2"
        assert said(one_trace())[0] == {"a": "1"}
    assert tags == {"a": "1", "b": "2"}


@pytest.mark.parametrize("settings", [{"tags": {"a": "1"}}, {"enabled": False}])
def test_a_scope_ends_with_an_exception(settings: dict[str, Any]) -> None:
    """Which goes on unchanged."""
    error = RuntimeError("inside")
    with pytest.raises(RuntimeError) as caught, tracetape.context(**settings):
        raise error
    assert caught.value is error
    assert said(one_trace()) == ({}, {})


def test_nothing_is_recorded_where_tracing_is_off() -> None:
    """Spans and decorated functions inside give nothing; inner scopes may switch it on again."""

    @tracetape.trace
    def work() -> Any:
        return tracetape.get_current_active_span()

    with tracetape.context(enabled=False):
        with tracetape.start_span() as span:
            assert isinstance(span, NoOpSpan)
            with tracetape.context(tags={"still": "off"}), tracetape.start_span() as inner:
                assert isinstance(inner, NoOpSpan)
        assert work() is None
        assert tracetape.get_last_active_trace_id() is None
        with tracetape.context(enabled=True):
            assert one_trace().info.trace_id == tracetape.get_last_active_trace_id()
        with tracetape.start_span() as span:
            assert isinstance(span, NoOpSpan)
    assert one_trace().data.spans


def test_tracing_off_below_a_span() -> None:
    """That span stays the current one, and is all that is recorded."""
    with tracetape.start_span("root") as root:
        with tracetape.context(enabled=False), tracetape.start_span("hidden") as hidden:
            assert isinstance(hidden, NoOpSpan)
        with tracetape.start_span("shown"):
            pass
    trace = tracetape.get_trace(root.trace_id)
    assert trace is not None
    assert [span.name for span in trace.data.spans] == ["root", "shown"]


def test_other_threads_are_not_concerned() -> None:
    """A thread that is started inside knows nothing of the scope."""
    seen: list[Trace] = []
    with tracetape.context(enabled=False, tags={"a": "1"}):
        thread = threading.Thread(target=lambda: seen.append(one_trace()))
        thread.start()
        thread.join()
    assert said(seen[0]) == ({}, {})


async def test_each_task_has_its_own() -> None:
    """Tasks inherit the scope that they are started in, and none touches another's."""

    async def work(name: str) -> str:
        with tracetape.context(tags={"name": name}):
            await asyncio.sleep(0)
            trace = one_trace()
            await asyncio.sleep(0)
        assert said(one_trace()) == ({}, {SESSION: "all"})
        assert said(trace)[1] == {SESSION: "all"}
        return said(trace)[0]["name"]

    with tracetape.context(session_id="all"):
        assert await asyncio.gather(*(work(str(n)) for n in range(20))) == [
            str(n) for n in range(20)
        ]
    assert said(one_trace()) == ({}, {})


def test_no_current_span_directly_inside() -> None:
    """A scope is no span; one around it stays current."""
    with tracetape.context(tags={"a": "1"}):
        assert tracetape.get_current_active_span() is None
        assert tracetape.get_active_trace_id() is None
    with tracetape.start_span() as span, tracetape.context(user="u"):
        assert tracetape.get_current_active_span() is span
        assert tracetape.get_active_trace_id() == span.trace_id


def test_headers_of_the_active_span() -> None:
    """`traceparent` as W3C Trace Context has it: version, trace, span, sampled."""
    with tracetape.start_span():
        with tracetape.start_span() as span:
            headers = headers_of_active_span()
    assert headers == {"traceparent": f"00-{span.trace_id[3:]}-{span.span_id}-01"}


@pytest.mark.parametrize("inside", ["nothing", "not recorded", "remote"])
def test_headers_without_an_active_span(inside: str, caplog: pytest.LogCaptureFixture) -> None:
    """There are none, and a warning."""
    if inside == "nothing":
        headers = headers_of_active_span()
    elif inside == "remote":
        with remote({"traceparent": HEADER}):
            headers = headers_of_active_span()
    else:
        with tracetape.context(enabled=False), tracetape.start_span():
            headers = headers_of_active_span()
    assert headers == {}
    (record,) = caplog.records
    assert "no active span" in record.getMessage()


@pytest.mark.parametrize("key", ["traceparent", "Traceparent", "TRACEPARENT"])
@pytest.mark.parametrize("value", [HEADER, f" {HEADER} ", f"cc-{TRACE_ID}-{SPAN_ID}-ff-what-else"])
def test_a_parent_in_another_process(key: str, value: str, last_trace: Callable[[], Trace]) -> None:
    """Spans join its trace, below the remote span, which is not current here."""
    with remote({"Accept": "*/*", key: value}):
        assert tracetape.get_current_active_span() is None
        assert tracetape.get_active_trace_id() is None
        with tracetape.start_span("served") as served:
            assert tracetape.get_current_active_span() is served
            assert (served.trace_id, served.parent_id) == (f"tr-{TRACE_ID}", SPAN_ID)
            with tracetape.start_span("below") as below:
                assert below.parent_id == served.span_id
        assert tracetape.get_current_active_span() is None
    trace = last_trace()
    assert trace.info.trace_id == f"tr-{TRACE_ID}"
    assert [(s.name, s.parent_id) for s in trace.data.spans] == [
        ("served", SPAN_ID),
        ("below", served.span_id),
    ]
    assert one_trace().info.trace_id != f"tr-{TRACE_ID}"


def test_a_round_trip_between_two_services(
    last_trace: Callable[[], Trace], run_python: Callable[..., Any], store_path: Any
) -> None:
    """Both parts are one trace in the store."""
    program = """
        import sys, tracetape
        from tracetape.tracing import set_tracing_context_from_http_request_headers as remote

        with remote({"traceparent": sys.argv[1]}):
            with tracetape.start_span("server"):
                pass
    """
    with tracetape.start_span("client") as client:
        run_python(
            program,
            headers_of_active_span()["traceparent"],
            TRACETAPE_STORE=f"sqlite:///{store_path}",
        )
    first, second = last_trace().data.spans
    assert (first.name, first.parent_id) == ("client", None)
    assert (second.name, second.parent_id) == ("server", client.span_id)


def test_a_remote_parent_goes_before_an_active_span(last_trace: Callable[[], Trace]) -> None:
    """A request that is served inside of a span of ours belongs to its own trace."""
    with tracetape.start_span("own") as own:
        with remote({"traceparent": HEADER}), tracetape.start_span("served") as served:
            assert served.trace_id == f"tr-{TRACE_ID}"
        with tracetape.start_span("next") as after:
            assert after.parent_id == own.span_id
    assert [span.name for span in last_trace().data.spans] == ["own", "next"]


def test_settings_hold_for_the_remote_part_too() -> None:
    """Whichever scope is the inner one."""
    with tracetape.context(user="ann"), remote({"traceparent": HEADER}):
        with tracetape.context(tags={"a": "1"}):
            assert said(one_trace()) == ({"a": "1"}, {USER: "ann"})


@pytest.mark.parametrize("flags", ["00", "02"])
def test_a_caller_that_does_not_sample(flags: str) -> None:
    """Nothing is recorded here either."""
    with remote({"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"}):
        with tracetape.start_span() as span:
            assert isinstance(span, NoOpSpan)
    assert tracetape.get_last_active_trace_id() is None
    assert one_trace().data.spans[0].parent_id is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"tracestate": "a=b"},
        {"traceparent": ""},
        {"traceparent": "nonsense"},
        {"traceparent": HEADER[:-1]},
        {"traceparent": HEADER.upper()},
        {"traceparent": HEADER + "00"},
        {"traceparent": f"00-{'0' * 32}-{SPAN_ID}-01"},
        {"traceparent": f"00-{TRACE_ID}-{'0' * 16}-01"},
        {"traceparent": f"ff-{TRACE_ID}-{SPAN_ID}-01"},
    ],
    ids=str,
)
def test_headers_of_no_use(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """One warning, and spans begin traces of their own."""
    with remote(headers), tracetape.start_span() as span:
        assert span.parent_id is None
        assert span.trace_id != f"tr-{TRACE_ID}"
    (record,) = caplog.records
    assert "traceparent" in record.getMessage()


def test_an_exception_inside_a_remote_context() -> None:
    """It goes on unchanged, and the context is over."""
    error = RuntimeError("inside")
    with pytest.raises(RuntimeError) as caught, remote({"traceparent": HEADER}):
        raise error
    assert caught.value is error
    assert one_trace().info.trace_id != f"tr-{TRACE_ID}"
