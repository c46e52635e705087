"""The recorder: off the user's thread, and nothing is lost in silence."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.entities import LiveSpan
from tracetape.exceptions import StoreError
from tracetape.recorder import Recorder, batch
from tracetape.store import SQLiteStore
from tracetape.tracing.runtime import runtime

Query = Callable[..., list[tuple[Any, ...]]]
Eventually = Callable[[Callable[[], Any]], Any]


def spans(count: int, name: str = "step") -> None:
    """Begin and end a number of one-span traces."""
    for _ in range(count):
        with tracetape.start_span(name):
            pass


def test_what_has_ended_is_in_the_file_after_flush(query: Query) -> None:
    """Flush gives 0, and sqlite3 finds every span."""
    with tracetape.start_span("root", "CHAIN") as root:
        root.set_inputs({"q": "Käse"})
        with tracetape.start_span("child") as child:
            pass
    assert tracetape.flush() == 0
    assert query("SELECT name, type, span_id, parent_id, inputs FROM spans ORDER BY start_ns") == [
        ("root", "CHAIN", root.span_id, None, '{"q":"Käse"}'),
        ("child", "UNKNOWN", child.span_id, root.span_id, None),
    ]
    assert query("SELECT trace_id, name, state, span_count, end_ns - start_ns FROM traces") == [
        (root.trace_id[3:], "root", "OK", 2, root.duration_ns)
    ]


def test_spans_are_written_without_flush(query: Query, eventually: Eventually) -> None:
    """Soon after they ended."""
    spans(3)
    eventually(lambda: tracetape.stats()["written"] == 3)
    assert query("SELECT count(*) FROM spans") == [(3,)]


def test_flush_with_nothing_to_do() -> None:
    """Returns at once, with and without a worker."""
    assert tracetape.flush() == 0
    assert tracetape.flush(0) == 0
    spans(1)
    assert tracetape.flush() == 0
    assert tracetape.flush(0) == 0


def test_flush_does_not_wait_for_open_spans(query: Query) -> None:
    """Only for what has ended."""
    with tracetape.start_span("root"):
        spans(1, "child")
        assert tracetape.flush() == 0
        ended = "SELECT name FROM spans WHERE end_ns IS NOT NULL"
        assert query(ended) == [("child",)]
        assert query("SELECT name, state, span_count FROM traces") == [("root", "IN_PROGRESS", 1)]


def test_a_span_open_for_long_is_written_as_open(
    query: Query, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was under way shows in the file, once; and is completed when it ends."""
    monkeypatch.setattr(batch, "LONG_OPEN_NS", 30_000_000)
    with tracetape.start_span("root") as root:
        root.set_inputs("question")
        with tracetape.start_span("slow"):
            eventually(lambda: query("SELECT count(*) FROM sqlite_master") != [(0,)])
            eventually(lambda: query("SELECT count(*) FROM spans") == [(2,)])
            assert query("SELECT name, end_ns, status, inputs FROM spans ORDER BY start_ns") == [
                ("root", None, "UNSET", '"question"'),
                ("slow", None, "UNSET", None),
            ]
            assert query("SELECT name, state, end_ns, span_count FROM traces") == [
                ("root", "IN_PROGRESS", None, 0)
            ]
        root.set_outputs("answer")
    assert tracetape.flush() == 0
    assert query("SELECT name, end_ns IS NULL, status, outputs FROM spans ORDER BY start_ns") == [
        ("root", 0, "OK", '"answer"'),
        ("slow", 0, "OK", None),
    ]
    assert query("SELECT state, end_ns IS NULL, span_count FROM traces") == [("OK", 0, 2)]
    assert runtime.recorder.shown == set()


def test_a_span_that_ends_while_it_is_being_shown_is_counted_once(
    query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However closely its end follows."""
    monkeypatch.setattr(batch, "LONG_OPEN_NS", -1_000_000_000)
    scope = tracetape.start_span("root")
    update = batch.update_of

    def end_now(*arguments: Any) -> Any:
        monkeypatch.setattr(batch, "update_of", update)
        scope.__exit__(None, None, None)
        return update(*arguments)

    monkeypatch.setattr(batch, "update_of", end_now)
    root = scope.__enter__()
    deadline = time.monotonic() + 60
    while root.end_time_ns is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    tracetape.tracing.current.current.set(None)
    assert tracetape.flush() == 0
    assert query("SELECT span_count FROM traces") == [(1,)]


@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "several batches"])
def test_tokens_below_a_span_with_its_own_are_left_out(at_once: bool, query: Query) -> None:
    """Whether they are written together or one after the other."""
    key = "mlflow.chat.tokenUsage"
    with tracetape.start_span("root"):
        with tracetape.start_span("alone") as alone:
            alone.set_attribute(key, {"input_tokens": 1, "output_tokens": 1})
        with tracetape.start_span("agent") as agent:
            for _ in range(2):
                with tracetape.start_span("between"), tracetape.start_span("call") as call:
                    call.set_attribute(key, {"input_tokens": 10, "reasoning_tokens": 4})
            if not at_once:
                assert tracetape.flush() == 0
                assert query("SELECT input_tokens FROM traces") == [(21,)]
            agent.set_attribute(key, {"input_tokens": 20, "output_tokens": 5})
    fresh = tracetape.get_trace(tracetape.get_last_active_trace_id() or "")
    assert tracetape.flush() == 0
    columns = "input_tokens, output_tokens, coalesce(reasoning_tokens, 0)"
    assert query(f"SELECT {columns} FROM traces") == [(21, 6, 0)]
    assert fresh is not None
    assert fresh.info.token_usage == {"input_tokens": 21, "output_tokens": 6}


def test_eight_threads_of_a_thousand_spans(query: Query) -> None:
    """None is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(spans, [1000] * 8))
    assert tracetape.flush(30) == 0
    assert query("SELECT count(*) FROM spans WHERE end_ns IS NOT NULL") == [(8000,)]
    assert query("SELECT count(*) FROM traces WHERE state = 'OK'") == [(8000,)]
    stats = tracetape.stats()
    assert (stats["recorded"], stats["written"], stats["queued"]) == (8000, 8000, 0)
    assert (stats["lost"], stats["dropped_spans"]) == (0, 0)
    assert not runtime.recorder.live


# -- a store in trouble --------------------------------------------------------------------


def test_a_store_that_fails_for_a_while_loses_nothing(
    troubled: Any, query: Query, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning meanwhile; afterwards everything is there, once."""
    troubled.fail()
    spans(5)
    eventually(lambda: troubled.attempts >= 3)
    assert tracetape.flush(0.05) == 5
    with tracetape.start_span("root"):
        spans(2, "child")
    assert tracetape.flush(0.05) == 8
    troubled.error = None
    assert tracetape.flush(20) == 0
    assert query("SELECT name, count(*) FROM spans GROUP BY name ORDER BY name") == [
        ("child", 2),
        ("root", 1),
        ("step", 5),
    ]
    assert query("SELECT sum(span_count) FROM traces") == [(8,)]
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "tracetape: the disk is full (spans are kept in memory meanwhile)"
    ]
    assert tracetape.stats()["lost"] == 0


def test_what_could_not_be_written_is_counted_when_it_ends(
    troubled: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing does not wait long for a store that fails anyway, and says how many are lost."""
    troubled.fail()
    spans(5)
    assert tracetape.flush(0.2) == 5
    recorder = runtime.recorder
    began = time.monotonic()
    recorder.close()
    assert time.monotonic() - began < 4
    assert "5 spans are lost: the store did not take them" in caplog.text
    counters = recorder.as_dict()
    assert (counters["recorded"], counters["written"], counters["lost"]) == (5, 0, 5)
    assert counters["queued"] == 0
    troubled.error = None


def test_a_closed_recorder_starts_anew(query: Query) -> None:
    """A span that ends after the close is written too."""
    spans(1)
    runtime.recorder.close()
    runtime.recorder.close()
    spans(1)
    assert tracetape.flush(20) == 0
    assert query("SELECT count(*) FROM spans") == [(2,)]


def test_changing_the_store_while_threads_record_loses_nothing(
    tmp_path: Path, query: Query, eventually: Eventually
) -> None:
    """Each span is in one of the stores."""
    stop = threading.Event()
    made = [0, 0]

    def work(index: int) -> None:
        while not stop.is_set():
            spans(1)
            made[index] += 1
            time.sleep(0.0002)  # at full speed the queue would fill

    first = runtime.recorder
    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    recorders = [first]
    for index in range(5):
        eventually(lambda: runtime.recorder.as_dict()["recorded"] > 20)
        tracetape.configure(store=str(tmp_path / f"{index}.db"))
        recorders.append(runtime.recorder)
    stop.set()
    for thread in threads:
        thread.join()
    for recorder in recorders:
        assert recorder.flush(20) == 0
        recorder.close()
    names = ["traces.db", *(f"{index}.db" for index in range(5))]
    found = sum(query("SELECT count(*) FROM spans", path=tmp_path / name)[0][0] for name in names)
    assert found == sum(made)


@pytest.mark.parametrize("place", ["directory", "below a file", "no database", "newer version"])
def test_a_store_that_cannot_be_opened_becomes_memory(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, query: Query
) -> None:
    """With one warning; the program goes on, and its traces can be read while it runs."""
    path = tmp_path / "bad"
    if place == "directory":
        path.mkdir()
    elif place == "below a file":
        path.write_text("a file")
        path = path / "traces.db"
    elif place == "no database":
        path.write_text("no database " * 500)
    else:
        query("PRAGMA user_version = 99", path=path)
        query("PRAGMA user_version = 99", path=path)
    tracetape.configure(store=f"sqlite:///{path}")
    with tracetape.start_span("root") as root:
        spans(3)
    assert tracetape.flush(20) == 0
    spans(1)
    assert tracetape.flush(20) == 0
    trace = tracetape.get_trace(root.trace_id)
    assert trace is not None
    assert trace.info.span_count == 4
    (record,) = caplog.records
    assert "kept in memory only" in record.getMessage()
    assert "TRACETAPE_STORE" in record.getMessage()
    assert tracetape.stats()["store"] == "memory://"


def test_a_fault_of_ours_in_one_trace_spares_the_others(
    lenient: None, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    """What a store can never take is counted as lost; its neighbours in the batch are written."""
    from tracetape.store import writing

    rows = writing.span_rows

    def poisoned(traces: list[int], spans: list[Any]) -> Any:
        if any(span.name == "poison" for span in spans):
            raise OverflowError("cannot bind")
        return rows(traces, spans)

    monkeypatch.setattr(writing, "span_rows", poisoned)
    spans(5)
    spans(1, "poison")
    spans(5)
    assert tracetape.flush(20) == 0
    spans(1)
    assert tracetape.flush(20) == 0
    assert query("SELECT name, count(*) FROM spans GROUP BY name") == [("step", 11)]
    stats = tracetape.stats()
    assert (stats["recorded"], stats["written"], stats["lost"]) == (12, 11, 1)
    assert list(stats["faults"]) == ["writing spans"]


def test_the_tokens_of_a_span_that_is_lost_do_not_count(
    lenient: None, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    """The sum of a trace is that of the spans that are there; of each tokens and costs."""
    from tracetape.store import writing

    rows = writing.span_rows

    def poisoned(traces: list[int], spans: list[Any]) -> Any:
        if any(span.name == "poison" for span in spans):
            raise OverflowError("cannot bind")
        return rows(traces, spans)

    monkeypatch.setattr(writing, "span_rows", poisoned)
    with tracetape.start_span("root"):
        for name, tokens in (("step", 3), ("poison", 50), ("step", 4)):
            with tracetape.start_span(name) as span:
                usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
                span.set_attribute("mlflow.chat.tokenUsage", usage)
    with tracetape.start_span("poison") as span:
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 7, "total_tokens": 7})
    assert tracetape.flush(20) == 0
    assert query(
        "SELECT span_count, input_tokens, output_tokens FROM traces ORDER BY start_ns"
    ) == [
        (3, 7, 2),
        (0, None, None),
    ]
    assert tracetape.stats()["lost"] == 2


def test_a_file_that_is_locked_when_it_is_opened_is_waited_for(
    store_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many processes that begin at once make each other wait; none of them writes elsewhere."""
    monkeypatch.setattr("tracetape.store.connections.BUSY_SECONDS", 0.05)
    path = store_path.with_name("locked.db")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE t (a)")
    other.execute("DROP TABLE t")
    other.execute("BEGIN EXCLUSIVE")
    with tracetape.configure(store=f"sqlite:///{path}"):
        spans(1, "waiting")
        assert tracetape.flush(0.3) == 1
        other.execute("COMMIT")
        assert tracetape.flush(20) == 0
    other.close()
    assert query("SELECT name FROM spans", path=path) == [("waiting",)]


# -- upkeep ----------------------------------------------------------------------------------


def test_the_index_is_built_when_there_is_nothing_to_write(
    query: Query, eventually: Eventually
) -> None:
    """By itself, soon after the last span."""
    spans(3)
    eventually(lambda: _indexed(query) == 3)


def test_the_index_is_built_though_there_is_always_something_to_write(
    query: Query, eventually: Eventually
) -> None:
    """A busy program's store is searched, too."""

    def more() -> bool:
        spans(1)
        return _indexed(query) > 1

    eventually(more)


def test_the_store_is_pruned_by_itself(
    query: Query, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To what `retention` says, every ten minutes; here without that wait."""
    monkeypatch.setattr("tracetape.store.maintenance._PRUNE_SECONDS", 0.0)
    with tracetape.configure(retention="1s"):
        spans(5, "old")
        tracetape.flush()
        time.sleep(1.1)
        spans(1, "new")
        eventually(lambda: query("SELECT name FROM traces") == [("new",)])


def _indexed(query: Query) -> int:
    """How many spans are in the index."""
    try:
        found = query("SELECT id FROM indexed WHERE name = 'spans'")
    except sqlite3.OperationalError:  # no file yet
        return 0
    return int(found[0][0]) if found else 0


# -- a full queue --------------------------------------------------------------------------


@pytest.fixture
def small(troubled: Any, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A queue of a few kilobytes before a store that is blocked."""
    recorder = Recorder(lambda: troubled, max_bytes=64_000)
    monkeypatch.setattr(runtime, "recorder", recorder)
    return recorder


def test_a_full_queue_delays_a_moment_then_drops_whole_traces(
    small: Recorder, troubled: Any, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    """What is dropped is counted, and no trace in the store lacks a span."""
    troubled.open.clear()
    spans(1)
    longest = 0.0
    for _ in range(100):
        began = time.perf_counter()
        with tracetape.start_span("root"):
            spans(3, "child")
        longest = max(longest, time.perf_counter() - began)
    assert longest < 0.5  # 5 ms once a trace, on a busy machine
    counters = small.as_dict()
    assert counters["dropped_traces"] > 10
    troubled.open.set()
    assert small.flush(20) == 0
    spans(1)
    assert small.flush(20) == 0
    counters = small.as_dict()
    assert counters["recorded"] == 402
    assert counters["written"] + counters["dropped_spans"] == 402
    assert counters["lost"] == 0
    written = query("SELECT count(*) FROM traces WHERE name = 'root'")[0][0]
    assert written + counters["dropped_traces"] == 100
    assert query("SELECT count(*) FROM traces WHERE state != 'OK'") == [(0,)]
    assert query("SELECT DISTINCT span_count FROM traces WHERE name = 'root'") == [(4,)]
    assert query("SELECT count(*) FROM spans") == [(counters["written"],)]
    assert not small.live
    assert not small.dropped
    small.close()
    dropped = f"{counters['dropped_spans']} spans of {counters['dropped_traces']} traces"
    assert dropped in caplog.text


@pytest.mark.parametrize("trouble", ["fails", "answers nothing"])
def test_nobody_waits_for_a_store_that_takes_nothing(
    trouble: str,
    small: Recorder,
    troubled: Any,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
    query: Query,
) -> None:
    """The program goes on at its speed: what does not fit is dropped at once, and counted."""
    from tracetape.recorder import bounds

    if trouble == "fails":
        troubled.fail()
    else:
        monkeypatch.setattr(bounds, "_STUCK_SECONDS", 0.01)
        troubled.open.clear()
    spans(1)
    eventually(small._is_stuck)
    slept: list[float] = []
    monkeypatch.setattr(bounds, "pause", slept.append)
    spans(200)
    assert slept == []
    counters = small.as_dict()
    assert counters["dropped_spans"] == counters["dropped_traces"] > 0
    troubled.error = None
    troubled.open.set()
    assert small.flush(20) == 0
    spans(1, "afterwards")
    assert small.flush(20) == 0
    counters = small.as_dict()
    assert counters["written"] + counters["dropped_spans"] == 202
    assert query("SELECT count(*) FROM spans WHERE name = 'afterwards'") == [(1,)]


def test_large_payloads_fill_the_queue_sooner(small: Recorder, troubled: Any) -> None:
    """The bound is in bytes."""
    troubled.open.clear()
    for _ in range(10):
        with tracetape.start_span() as span:
            span.set_inputs("x" * 20_000)
    assert 1 <= small.as_dict()["dropped_spans"] <= 8
    troubled.open.set()
    assert small.flush(20) == 0


def test_a_burst_of_large_conversations_is_kept(
    store_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their makers wait as long as a store that works needs, and it loses none."""
    recorder = Recorder(lambda: SQLiteStore(store_path), max_bytes=4_000_000)
    monkeypatch.setattr(runtime, "recorder", recorder)
    for number in range(300):
        messages = [{"role": "user", "content": f"{number}.{n} " + "x" * 1000} for n in range(60)]
        with tracetape.start_span("chat") as span:
            span.set_inputs({"messages": messages})
    assert recorder.flush(60) == 0
    counters = recorder.as_dict()
    recorder.close()
    assert (counters["written"], counters["dropped_traces"]) == (300, 0)
    assert query("SELECT count(*) FROM traces WHERE state = 'OK'") == [(300,)]


def test_changes_of_tags_are_bounded(small: Recorder, troubled: Any, query: Query) -> None:
    """As spans are; what is left out is counted, and what is kept is written."""
    spans(1)
    assert small.flush(20) == 0
    trace_id = tracetape.get_last_active_trace_id()
    assert trace_id is not None
    troubled.fail()
    for number in range(500):
        small.tag(int(trace_id[3:], 16), {f"tag {number}": "x" * 1000})
    counters = small.as_dict()
    dropped = counters["dropped_changes"]
    assert dropped > 400
    troubled.error = None
    assert small.flush(20) == 0
    small.tag(int(trace_id[3:], 16), {"after": "wards"})
    assert small.flush(20) == 0
    assert small.as_dict()["dropped_changes"] == dropped
    ((tags,),) = query("SELECT count(*) FROM traces, json_each(traces.tags)")
    assert tags == 501 - dropped


def test_one_payload_larger_than_the_queue_is_kept(small: Recorder, query: Query) -> None:
    """When there is nothing else in it."""
    with tracetape.start_span() as span:
        span.set_inputs("x" * 500_000)
    assert small.flush(20) == 0
    assert query("SELECT length(data) FROM contents") == [(500_002,)]
    spans(5)
    assert small.flush(20) == 0
    assert small.as_dict()["written"] == 6


async def test_an_event_loop_is_never_held_up(
    small: Recorder, troubled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the spans are dropped without a wait."""
    from tracetape.recorder import bounds

    slept: list[float] = []
    monkeypatch.setattr(bounds, "pause", slept.append)
    troubled.open.clear()
    for _ in range(200):
        spans(1)
        await asyncio.sleep(0)
    assert small.as_dict()["dropped_spans"] > 0
    assert slept == []
    troubled.open.set()
    assert small.flush(20) == 0


def test_many_threads_and_a_full_queue(small: Recorder, troubled: Any, query: Query) -> None:
    """Every span is either written or counted."""
    troubled.open.clear()
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(spans, 60) for _ in range(4)]
        for done in work:
            done.result()
    troubled.open.set()
    assert small.flush(20) == 0
    counters = small.as_dict()
    assert counters["recorded"] == 240 == counters["written"] + counters["dropped_spans"]
    assert query("SELECT count(*) FROM spans") == [(counters["written"],)]


def test_memory_is_given_back(query: Query) -> None:
    """What is written is forgotten, also of traces that go on."""
    with tracetape.start_span("root") as root:
        for _ in range(3):
            spans(50, "child")
            assert tracetape.flush(20) == 0
            assert root._trace.unsettled() == [root]
    assert tracetape.flush(20) == 0
    assert not runtime.recorder.live
    assert tracetape.stats()["queued"] == 0


def test_a_store_of_ones_own(tmp_path: Path) -> None:
    """Anything that has a store's methods."""
    inner = SQLiteStore(None)
    tracetape.configure(store=inner)
    spans(2)
    assert tracetape.flush(20) == 0
    assert len(inner.list_traces(5)) == 2


def test_reading_a_broken_store_is_a_clear_error(store_path: Path) -> None:
    """A StoreError, not one of sqlite3's."""
    spans(1)
    assert tracetape.flush(20) == 0
    trace_id = tracetape.get_last_active_trace_id()
    assert trace_id is not None
    runtime.recorder.close()
    for file in store_path.parent.glob("traces.db*"):
        file.write_bytes(b"broken " * 2000)
    with pytest.raises(StoreError, match=r"traces\.db"):
        tracetape.get_trace(trace_id)


@pytest.mark.parametrize("how", ["environment", "argument"])
def test_a_trace_is_in_the_store_when_its_root_has_ended(
    how: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without async logging, which `configure` turns on again at the end of its block."""
    if how == "environment":
        monkeypatch.setenv("TRACETAPE_ENABLE_ASYNC_TRACE_LOGGING", "false")
        runtime.defaults()
        spans(1)
    else:
        with tracetape.configure(async_logging=False):
            spans(1)
        assert runtime.config.async_logging
    assert query("SELECT name FROM spans") == [("step",)]


def test_a_store_that_fails_holds_up_no_root(troubled: Any, eventually: Eventually) -> None:
    """Though whoever ends it wants to find it in the store."""
    with tracetape.configure(async_logging=False):
        troubled.fail()
        spans(1)
        eventually(lambda: runtime.recorder.failing)
        attempts = troubled.attempts
        began = time.monotonic()
        spans(1000)
        assert time.monotonic() - began < 60  # a second for each would be 1,000
        assert troubled.attempts >= attempts
        troubled.error = None
        assert tracetape.flush(20) == 0


@pytest.mark.parametrize("parts", [20, 1000])
def test_the_end_of_a_program_takes_a_second_for_upkeep(
    troubled: Any, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    """All of it if that is enough, as after a busy run; else it is left to others."""
    recorder, later, done = runtime.recorder, [0.0], [0]

    def maintain() -> bool:
        if not recorder.stopping:
            return False
        done[0] += 1
        later[0] += 0.02
        return done[0] < parts

    monkeypatch.setattr(troubled, "maintain", maintain)
    monkeypatch.setattr(
        "tracetape.recorder.writing_thread.perf_counter", lambda: time.perf_counter() + later[0]
    )
    with tracetape.start_span("a"):
        pass
    recorder.close()
    assert done[0] == 20 if parts == 20 else 20 < done[0] <= 60


# -- spans that are never ended ------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, store_path: Path) -> Recorder:
    """A recorder that follows about a hundred open spans."""
    recorder = Recorder(lambda: SQLiteStore(store_path), max_bytes=100 * 1624)
    monkeypatch.setattr(runtime, "recorder", recorder)
    return recorder


def test_open_spans_of_one_trace_are_bounded_while_the_store_is_held_up(
    few: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that begins them looks too: the one that writes may wait for another process."""
    held = threading.Event()
    monkeypatch.setattr(few, "_open_store", lambda: held.wait(60) and SQLiteStore(None))
    try:
        with tracetape.start_span("root") as root:
            for _ in range(1 << 13):
                tracetape.start_span_no_context("lost", parent_span=root)
            (trace,) = few.live
            assert len(trace.below or ()) <= 100
        assert few.stats.forgotten_spans >= (1 << 13) - 100
    finally:
        held.set()
    assert few.flush(20) == 0


def test_spans_that_are_never_ended_do_not_fill_the_memory(
    few: Recorder,
    query: Query,
    eventually: Callable[[Callable[[], Any]], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The oldest are no longer followed, and counted; one that ends all the same is written."""
    old = tracetape.start_span_no_context("old")
    old.set_inputs("x" * 10_000)
    for _ in range(500):
        tracetape.start_span_no_context("lost")
    eventually(lambda: few.stats.forgotten_spans > 400)
    few.flush(20)
    gc.collect()
    there = [one for one in gc.get_objects() if issubclass(type(one), LiveSpan)]
    assert sum(one._name == "lost" for one in there) <= 100
    assert len(few.live) <= 100
    assert caplog.text.count("the oldest is 'old'") == 1
    old.set_outputs(1)
    old.end()
    with tracetape.start_span("next"):
        pass
    assert few.flush(20) == 0
    assert query("SELECT name FROM traces WHERE state = 'OK' ORDER BY name") == [
        ("next",),
        ("old",),
    ]
    assert (few.stats.dropped_traces, few.stats.lost) == (0, 0)
    few.close()


def test_a_long_trace_keeps_its_root_though_others_in_it_are_never_ended(
    few: Recorder, query: Query, eventually: Callable[[Callable[[], Any]], Any]
) -> None:
    """As the run of a server whose calls are cut off."""
    with tracetape.start_span("run"):
        for _ in range(300):
            tracetape.start_span_no_context(
                "cut off", parent_span=tracetape.get_current_active_span()
            )
        eventually(lambda: few.stats.forgotten_spans > 150)
        with tracetape.start_span("whole"):
            pass
        assert few.flush(20) == 0
        (trace,) = few.live
        assert len(trace.unsettled()) <= 101
    assert few.flush(20) == 0
    assert query("SELECT name, state FROM traces") == [("run", "OK")]
    assert query("SELECT count(*) FROM spans WHERE name IN ('run', 'whole') AND end_ns > 0") == [
        (2,)
    ]
    few.close()
