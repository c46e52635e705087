"""search_traces: which traces it finds, in which order and form."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

import tracetape
from tracetape.entities import Trace
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.tracing.runtime import runtime

NASTY = 'it\'s 100% "odd" [*?] `$.a` \\ ü'


def found(filter_string: str | None = None, **other: Any) -> list[str | None]:
    """Names of the traces that are found."""
    traces = tracetape.search_traces(
        filter_string=filter_string, return_type="list", flush=True, **other
    )
    return [trace.info.name for trace in traces]


@pytest.fixture
def traces(request: pytest.FixtureRequest) -> None:
    """Three finished traces: alpha, beta, which failed, and gamma."""
    with tracetape.start_span("alpha", span_type="CHAIN") as span:
        span.set_inputs({"question": "What is a Kalman filter?"})
        with tracetape.start_span("call", span_type="LLM", attributes={"model": "g-1", "n": 3}):
            tracetape.update_current_trace(
                tags={"env": "prod", NASTY: NASTY}, metadata={"user": "ann"}
            )
        span.set_outputs("It estimates a state.")
    with tracetape.start_span("beta", attributes={"deep": {"a": [1]}, "yes": True}) as span:
        span.set_inputs('say "hi" to Ünal\nnow')
        tracetape.update_current_trace(
            tags={"env": "test"}, client_request_id="r-2", session_id="s1"
        )
        span.record_exception(ValueError("no such thing"))
        # Longer than the others, however busy the machine is.
        span.end(status="ERROR", end_time_ns=span.start_time_ns + 30_000_000_000)
    with tracetape.start_span("gamma", span_type="TOOL"), tracetape.start_span("call"):
        pass
    if getattr(request, "param", False):
        build_index()


def build_index() -> None:
    """Have all texts in the full-text index, as after a while of idle time."""
    tracetape.flush()
    while runtime.recorder.store.maintain():
        pass


@pytest.mark.parametrize(
    ("filter_string", "names"),
    [
        ("status = 'OK'", ["gamma", "alpha"]),
        ("status != 'OK'", ["beta"]),
        ("status IN ('OK', 'ERROR')", ["gamma", "beta", "alpha"]),
        ("name = 'alpha'", ["alpha"]),
        ("name LIKE '%a%a%'", ["gamma", "alpha"]),
        ("name LIKE 'ALPHA'", []),
        ("name ILIKE 'ALPHA'", ["alpha"]),
        ("name RLIKE '^(al|be)'", ["beta", "alpha"]),
        ("name LIKE '_eta'", ["beta"]),
        ("tag.`mlflow.traceName` = 'beta'", ["beta"]),
        ("client_request_id = 'r-2'", ["beta"]),
        ("client_request_id IS NULL", ["gamma", "alpha"]),
        # A busy machine may take as long for the others.
        ("execution_time_ms >= 30 AND status = 'ERROR'", ["beta"]),
        ("execution_time_ms >= 3600000", []),
        ("tag.env = 'prod'", ["alpha"]),
        ("tag.env != 'prod'", ["beta"]),
        ("tag.env IS NULL", ["gamma"]),
        ("tag.env IS NOT NULL AND status = 'OK'", ["alpha"]),
        ("metadata.user LIKE 'a%'", ["alpha"]),
        ("metadata.`mlflow.trace.session` = 's1'", ["beta"]),
        ("span.name = 'call'", ["gamma", "alpha"]),
        ("span.type = 'LLM' OR span.type = 'TOOL'", ["gamma", "alpha"]),
        ("span.status = 'ERROR'", ["beta"]),
        ("span.name = 'call' AND span.type = 'LLM'", ["alpha"]),
        ("span.name = 'call' AND span.type = 'TOOL'", []),
        ("NOT span.name = 'call'", ["beta"]),
        ("span.attributes.model = 'g-1'", ["alpha"]),
        ("span.attributes.model LIKE 'g%'", ["alpha"]),
        ("span.attributes.n = '3'", ["alpha"]),
        ("span.attributes.n > 2.5", ["alpha"]),
        ("span.attributes.n > 3", []),
        ("span.attributes.yes = 'true'", ["beta"]),
        ("span.attributes.deep LIKE '%[1]%'", ["beta"]),
        ("span.attributes.`mlflow.spanType` = 'TOOL'", ["gamma"]),
        ("trace.text LIKE '%Kalman%'", ["alpha"]),
        ("trace.text LIKE '%kalman%'", []),
        ("trace.text ILIKE '%kalman%'", ["alpha"]),
        ("trace.text LIKE '%say \"hi\" to%'", ["beta"]),
        ("trace.text ILIKE '%ÜNAL%'", ["beta"]),
        ("trace.text LIKE '%Ünal\nnow%'", ["beta"]),
        ("trace.text LIKE '%no such thing%'", ["beta"]),
        ("trace.text LIKE '%nowhere%'", []),
        ("(name = 'alpha' OR name = 'beta') AND NOT status = 'ERROR'", ["alpha"]),
        ("timestamp > 0 AND timestamp < 99999999999999", ["gamma", "beta", "alpha"]),
        ("timestamp > 99999999999999999999999", []),
        ("end_time <= 0", []),
        ("run_id = 'r'", []),
    ],
)
@pytest.mark.parametrize("traces", [False, True], ids=["", "indexed"], indirect=True)
def test_filters(traces: None, filter_string: str, names: list[str]) -> None:
    """Each field; LIKE minds the case, ILIKE does not."""
    assert found(filter_string) == names


def test_any_text_can_be_searched_for(traces: None) -> None:
    """Keys and values with quotes, wildcards and back-slashes are data, never SQL."""
    quoted = NASTY.replace("'", "''")
    key = NASTY.replace("`", "")
    with tracetape.start_span("delta"):
        tracetape.update_current_trace(tags={key: NASTY, "x": "' OR '1'='1"})
    assert found(f"tag.`{key}` = '{quoted}'") == ["delta"]
    assert found(f"tag.`{key}` LIKE '{quoted}'") == ["delta"]
    assert found("tag.x = ''' OR ''1''=''1'") == ["delta"]
    assert found("tag.`x' OR '1'='1` = 'y'") == []
    assert found("tag.`$.x` IS NOT NULL") == []


def test_the_index_is_never_needed_for_a_right_answer() -> None:
    """Whether a text is in it, not yet, or half: open spans, long texts, chains of messages."""
    words = "the quick brown fox " * 100
    with tracetape.start_span("long") as span:
        span.set_inputs({"messages": [{"content": f"{words}{n}"} for n in range(3)]})
        build_index()
        with tracetape.start_span("inner") as inner:
            inner.set_inputs({"messages": [{"content": f"{words}{n}"} for n in range(5)]})
            inner.set_outputs({"text": words, "odd": "zebra"})
            time.sleep(1.3)  # until it is written as open
        build_index()
        span.set_outputs("giraffe")
    for _ in range(2):
        for text in ("fox 0", "fox 4", "zebra", "giraffe", "quick brown", "x 2", "z_bra", "ze%a"):
            assert found(f"trace.text LIKE '%{text}%'") == ["long"], text
        assert found("span.name = 'inner' AND span.content LIKE '%fox 4%'") == ["long"]
        assert found("span.name = 'long' AND span.content LIKE '%fox 4%'") == []
        assert found("span.name = 'long' AND span.content LIKE '%fox 2%'") == ["long"]
        assert found("trace.text LIKE '%fox 5%'") == []
        build_index()


def test_letters_that_are_two_in_capitals_are_found_in_the_index() -> None:
    """Without regard to case `ß` is `ss`, though the index has it as it is."""
    for text in ("Die Straße ist lang", "ﬁnance office", "STRASSE"):
        with tracetape.start_span(text) as span:
            span.set_inputs(text)
    for _ in range(2):
        assert sorted(found("trace.text ILIKE '%straße%'")) == ["Die Straße ist lang", "STRASSE"]
        assert found("trace.text ILIKE '%ﬁnance%'") == ["ﬁnance office"]
        for text in ("STRASSE", "Strasse", "TRASS", "asse", "SSE"):
            both = ["Die Straße ist lang", "STRASSE"]
            assert sorted(found(f"trace.text ILIKE '%{text}%'")) == both, text
            assert sorted(found(f"name ILIKE '%{text}%'")) == both, text
            assert sorted(found(f"span.attributes.mlflow.spanInputs ILIKE '%{text}%'")) == both
        assert found("trace.text ILIKE '%FINANCE%'") == ["ﬁnance office"]
        assert sorted(found("NOT trace.text ILIKE '%FIN%'")) == both
        build_index()


def test_everything_newest_first(traces: None) -> None:
    """Without a filter, and no more than asked for."""
    assert found() == ["gamma", "beta", "alpha"]
    assert found(max_results=2) == ["gamma", "beta"]
    assert found(max_results=0) == []


def test_orders(traces: None) -> None:
    """By any field of traces; the newest first among equals."""
    assert found(order_by=["timestamp_ms ASC"]) == ["alpha", "beta", "gamma"]
    assert found(order_by=["execution_time DESC"])[0] == "beta"
    assert found(order_by=["status ASC", "name ASC"]) == ["beta", "alpha", "gamma"]
    assert found(order_by=["status DESC"]) == ["gamma", "alpha", "beta"]


def test_orders_by_tags_and_metadata() -> None:
    """Whatever characters their keys have; traces without the key come last."""
    for name, value in (("a", "2"), ("b", "3"), ("c", "1"), ("d", None)):
        with tracetape.start_span(name):
            if value is not None:
                tracetape.update_current_trace(tags={"the key": value}, metadata={"k": value})
    assert found(order_by=['tag."the key"']) == ["c", "a", "b", "d"]
    assert found(order_by=["tag.`the key` DESC"]) == ["b", "a", "c", "d"]
    assert found(order_by=["metadata.k DESC"], max_results=2) == ["b", "a"]
    assert found("trace.text LIKE '%%'", order_by=["metadata.k"]) == ["c", "a", "b", "d"]
    assert found("tag.\"the key\" = '2'") == ["a"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("timestamp_ms < 1e400", ["gamma", "beta", "alpha"]),
        ("timestamp_ms >= 1e400", []),
        ("timestamp_ms > -1e400 AND execution_time IN (1e400)", []),
        (" OR ".join(["name = 'x'"] * 3000 + ["name = 'beta'"]), ["beta"]),
        (" OR ".join(["span.name = 'x'"] * 3000 + ["span.name = 'beta'"]), ["beta"]),
        (" OR ".join(["trace.text LIKE '%none%'"] * 1100 + ["name = 'beta'"]), ["beta"]),
        (" AND ".join(["name != 'x'"] * 3000 + ["name = 'beta'"]), ["beta"]),
        ("name IN (" + "'x', " * 300_000 + "'beta')", ["beta"]),
        ("NOT " * 48 + "name = 'beta'", ["beta"]),
    ],
    ids=lambda text: str(text)[:20],
)
def test_large_filters_are_answered(traces: None, text: str, names: list[str]) -> None:
    """Beyond the depth and the number of parameters that SQLite takes."""
    assert found(text) == names


def test_too_large_a_filter_is_refused(traces: None) -> None:
    """The error says that the filter is to blame, not the store."""
    with pytest.raises(InvalidValueError, match="too large for SQLite"):
        found(f"name LIKE '%{'x' * 60_000}%'")


def test_running_traces_only_if_they_are_named(traces: None, eventually: Any) -> None:
    """A plain search gives ended ones."""
    with tracetape.start_span("running"):
        eventually(lambda: found("status = 'IN_PROGRESS'") == ["running"])
        assert "running" not in found()
        assert "running" not in found("status != 'ERROR'")
        assert found("status IN ('IN_PROGRESS', 'ERROR')") == ["running", "beta"]
    assert found("status = 'IN_PROGRESS'") == []


def test_spans_may_be_left_out(traces: None) -> None:
    """Then there is what is known of the whole."""
    (trace,) = tracetape.search_traces(
        filter_string="name = 'alpha'", return_type="list", flush=True
    )
    assert isinstance(trace, Trace)
    assert [span.name for span in trace.data.spans] == ["alpha", "call"]
    (trace,) = tracetape.search_traces(
        filter_string="name = 'alpha'", return_type="list", include_spans=False
    )
    assert trace.data.spans == []
    assert trace.info.span_count == 2


def test_flush_waits_until_everything_is_written() -> None:
    """A trace that has just ended is found."""
    for n in range(20):
        with tracetape.start_span(f"t{n}"):
            pass
        assert found(max_results=1) == [f"t{n}"]


def test_a_table_where_pandas_is_installed(traces: None) -> None:
    """A row for each trace, with MLflow's columns."""
    table = tracetape.search_traces(flush=True)
    assert list(table.columns) == Trace.pandas_dataframe_columns()
    assert list(table["state"]) == ["OK", "ERROR", "OK"]
    assert table["request"][2] == {"question": "What is a Kalman filter?"}
    empty = tracetape.search_traces(filter_string="name = 'x'", extract_fields=["a.inputs"])
    assert list(empty.columns) == [*Trace.pandas_dataframe_columns(), "a.inputs"]


def test_fields_are_extracted_into_columns() -> None:
    """Inputs and outputs of spans by their names; None where they are missing."""
    with tracetape.start_span("a.b") as span:
        span.set_inputs({"x.y": 1, "z": [2]})
        span.set_outputs("done")
    fields = ["`a.b`.inputs.`x.y`", "`a.b`.inputs.z", "`a.b`.inputs", "`a.b`.outputs",
              "`a.b`.outputs.k", "other.inputs"]  # fmt: skip
    table = tracetape.search_traces(extract_fields=fields, return_type="pandas", flush=True)
    row = table.iloc[0]
    assert (row["a.b.inputs.x.y"], row["a.b.inputs.z"]) == (1, [2])
    assert (row["a.b.inputs"], row["a.b.outputs"]) == ({"x.y": 1, "z": [2]}, "done")
    assert row["a.b.outputs.k"] is None
    assert row["other.inputs"] is None


def test_a_list_where_pandas_is_missing(traces: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a clear error for who asks for a table."""
    monkeypatch.setattr("tracetape.tracing.search.has_pandas", lambda: False)
    assert isinstance(tracetape.search_traces(flush=True), list)
    with pytest.raises(InvalidValueError, match="pip install pandas"):
        tracetape.search_traces(return_type="pandas")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"return_type": "csv"}, InvalidValueError, "Invalid return type: csv"),
        ({"return_type": "list", "extract_fields": ["a.inputs"]}, InvalidValueError, "'pandas'"),
        ({"extract_fields": ["a.attributes"]}, InvalidValueError, "a.attributes"),
        ({"extract_fields": ["`a.inputs"]}, InvalidValueError, "back-ticks"),
        ({"extract_fields": ["inputs"]}, InvalidValueError, "back-ticks"),
        ({"extract_fields": ["`a.inputs.k"]}, InvalidValueError, "Expected closing backtick"),
        ({"extract_fields": ["a.inputs.`k"]}, InvalidValueError, "Expected closing backtick"),
        ({"extract_fields": ["`a`.inputs.`k"]}, InvalidValueError, "Expected closing backtick"),
        ({"extract_fields": ["`a`b.inputs.k"]}, InvalidValueError, "Expected dot after span name"),
        ({"extract_fields": ["a.spam.k"]}, InvalidValueError, "Invalid field type"),
        ({"extract_fields": ["a.inputs.`k`x"]}, InvalidValueError, "Unexpected characters after"),
        ({"extract_fields": ["`a`.inputs.`k`x"]}, InvalidValueError, "Unexpected characters after"),
        ({"extract_fields": "a.inputs"}, InvalidTypeError, "list of strings"),
        ({"locations": "1"}, InvalidTypeError, "locations must be a list, got str. Did you mean"),
        ({"max_results": -1}, InvalidValueError, "max_results"),
        ({"filter_string": "name = '\ud83d'"}, InvalidValueError, "half a character"),
        ({"filter_string": "status = "}, InvalidValueError, "Invalid filter"),
        ({"order_by": ["colour"]}, InvalidValueError, "order_by"),
    ],
)
def test_mistakes(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    """They are errors that name the value."""
    with pytest.raises(error, match=said):
        tracetape.search_traces(**arguments)


@pytest.mark.parametrize("name", ["experiment_ids", "sql_warehouse_id"])
def test_deprecated_arguments_warn(name: str) -> None:
    """As in MLflow."""
    with pytest.warns(FutureWarning, match=name):
        tracetape.search_traces(**{name: [] if name == "experiment_ids" else "w"})


def test_searching_loads_nothing_before_it_is_used(run_python: Any) -> None:
    """`import tracetape` stays cheap."""
    source = "import sys, tracetape; assert 'tracetape.tracing.search' not in sys.modules"
    run_python(source)
    assert "tracetape" in sys.modules


def test_any_number_is_enough(traces: None) -> None:
    """However large; None is all."""
    assert len(tracetape.search_traces(max_results=10**30, return_type="list", flush=True)) > 0
    assert [session.id for session in tracetape.search_sessions(max_results=None)] == ["s1"]


def test_sessions_are_traces_with_one_session_id() -> None:
    """The newest session first, the traces of each in the order of time."""
    for session, name in [("a", "1"), ("b", "2"), (None, "3"), ("a", "4")]:
        with tracetape.context(session_id=session), tracetape.start_span(name):
            pass
    tracetape.flush()
    sessions = tracetape.search_sessions()
    assert [session.id for session in sessions] == ["a", "b"]
    assert [[t.info.name for t in session] for session in sessions] == [["1", "4"], ["2"]]
    assert [span.name for span in sessions[0][0].data.spans] == ["1"]
    (newest,) = tracetape.search_sessions(max_results=1, include_spans=False)
    assert (newest.id, newest[0].data.spans) == ("a", [])
    assert tracetape.search_sessions(run_id="none") == []


@pytest.mark.parametrize("looked_through", [5000, 3, 0])
def test_sessions_are_found_in_the_order_of_their_newest_traces(
    looked_through: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among the newest traces or by the sessions' own index; running traces do not count."""
    monkeypatch.setattr("tracetape.store.sessions._LOOKED_THROUGH", looked_through)
    for name, session in enumerate(["s1", "s2", None, "s1", "s3", "s2"]):
        with tracetape.start_span(str(name)):
            tracetape.update_current_trace(session_id=session)
    tracetape.flush()
    with tracetape.start_span("running"):
        tracetape.update_current_trace(session_id="s3")
        sessions = tracetape.search_sessions(max_results=None)
    said = [(one.id, [trace.info.name for trace in one]) for one in sessions]
    assert said == [("s2", ["1", "5"]), ("s3", ["4"]), ("s1", ["0", "3"])]
    assert [one.id for one in tracetape.search_sessions(max_results=2)] == ["s2", "s3"]
    assert tracetape.search_sessions(max_results=0) == []


def test_sessions_take_two_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    for number in range(30):
        with tracetape.start_span("one"):
            tracetape.update_current_trace(session_id=f"s{number}")
    tracetape.flush()
    store = runtime.recorder.store
    asked: list[None] = []
    monkeypatch.setattr(
        store, "_read", lambda work, real=store._read: (asked.append(None), real(work))[1]
    )
    assert len(tracetape.search_sessions()) == 30
    assert len(asked) == 2


@pytest.mark.parametrize("near", [5000, 0], ids=["one by one", "by the index"])
@pytest.mark.parametrize("traces", [False, True], indirect=True)
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("trace.text LIKE '%Kalman%'", ["alpha"]),
        ("NOT trace.text LIKE '%Kalman%'", ["gamma", "beta"]),
        ("trace.text LIKE '%Kalman%' OR trace.text ILIKE '%ünal%'", ["beta", "alpha"]),
        ("span.content LIKE '%Kalman%' AND span.type = 'CHAIN'", ["alpha"]),
        ("span.content LIKE '%Kalman%' AND span.type = 'LLM'", []),
    ],
)
def test_texts_are_found_alike_on_both_ways(
    traces: None, near: int, text: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the newest traces are looked at one by one, or the index is asked."""
    monkeypatch.setattr("tracetape.store.selecting._NEAR", near)
    monkeypatch.setattr("tracetape.store.selecting._NEAR_SECONDS", 60.0)
    assert found(text, max_results=10) == names


@pytest.mark.parametrize("near", [5000, 0], ids=["one by one", "by the index"])
def test_texts_in_shared_messages_are_found_alike(
    near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversation's messages are kept once, as a chain: each turn has those before it."""
    monkeypatch.setattr("tracetape.store.selecting._NEAR", near)
    monkeypatch.setattr("tracetape.store.selecting._NEAR_SECONDS", 60.0)
    messages = []
    for turn in range(3):
        messages.append({"role": "user", "content": f"word{turn} " + "x" * 600})
        with tracetape.start_span(str(turn)) as span:
            span.set_inputs({"messages": messages})
    build_index()
    for turn in range(3):
        names = [str(later) for later in (2, 1, 0) if later >= turn]
        assert found(f"trace.text LIKE '%word{turn}%'", max_results=10) == names
    assert found("NOT trace.text LIKE '%word1%'", max_results=10) == ["0"]
