"""`tracetape prune`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.store import open_store
from tracetape.store.filters import parse_filter
from tracetape.store.query import Order, TraceQuery


def prune(store: Path, *arguments: str) -> str:
    """What it says."""
    result = CliRunner().invoke(main, ["prune", *arguments, "--store", str(store)])
    return str(result.output)


@pytest.fixture
def ten_traces(store_path: Path) -> None:
    """With 20 kB each."""
    for n in range(10):
        with tracetape.start_span(str(n)) as span:
            span.set_inputs(f"{n}" * 20_000)
    tracetape.flush()


def test_by_age(ten_traces: None, store_path: Path) -> None:
    """How many went, and what the file takes now."""
    assert prune(store_path, "--older-than", "1d").startswith("0 traces removed")
    said = prune(store_path, "--older-than", "0s")
    assert said.startswith("10 traces removed")
    assert "MB now" in said
    assert open_store(str(store_path)).list_traces() == []


def test_by_size(ten_traces: None, store_path: Path) -> None:
    """The oldest go first."""
    assert prune(store_path, "--max-size", "1GB").startswith("0 traces removed")
    prune(store_path, "--max-size", "250kB")
    store = open_store(str(store_path))
    left = [info.name for info in store.list_traces()]
    store.close()
    assert 0 < len(left) < 10
    assert left == [str(n) for n in range(9, 9 - len(left), -1)]


def test_mistakes(ten_traces: None, store_path: Path) -> None:
    """Nothing is removed."""
    assert "--older-than, --max-size, or both" in prune(store_path)
    assert "'soon' is not a duration" in prune(store_path, "--older-than", "soon")
    assert "'big' is not a size" in prune(store_path, "--max-size", "big")
    assert "no trace store" in prune(store_path.parent / "none.db", "--older-than", "0s")


def test_retention_is_configured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By argument or by the environment; what cannot be understood prunes nothing."""
    from tracetape.store.retention import Retention
    from tracetape.tracing.runtime import runtime

    with tracetape.configure(retention="30d"):
        assert runtime.config.retention == Retention(seconds=30 * 86_400)
        assert runtime.recorder.store.retention() == Retention(seconds=30 * 86_400)  # type: ignore[attr-defined]
    assert runtime.config.retention is None
    with pytest.raises(tracetape.TracetapeException, match="not a size"):
        tracetape.configure(retention="for ever")
    with pytest.raises(tracetape.TracetapeException, match="must be a string"):
        tracetape.configure(retention=5)  # type: ignore[arg-type]
    monkeypatch.setenv("TRACETAPE_RETENTION", "2GB")
    runtime.defaults()
    assert runtime.config.retention == Retention(max_bytes=2 * 10**9)
    monkeypatch.setenv("TRACETAPE_RETENTION", "much")
    runtime.defaults()
    assert runtime.config.retention is None
    assert "TRACETAPE_RETENTION: 'much' is not a size" in caplog.text


@pytest.mark.parametrize("bound", ["30", "0", "1", "500M", "1kB"])
def test_a_slip_in_retention_removes_nothing(
    bound: str, store_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a bound without a unit, nor one that no store can keep; one warning names it."""
    from tracetape.tracing.runtime import runtime

    for _ in range(20):
        with tracetape.start_span("old"):
            pass
    tracetape.flush()
    monkeypatch.setenv("TRACETAPE_RETENTION", bound)
    runtime.defaults()
    with tracetape.start_span("new"):
        pass
    tracetape.flush_trace_async_logging(terminate=True)
    runtime.recorder.store.maintain(5.0)
    assert len(tracetape.search_traces(return_type="list")) == 21
    assert f"'{bound}'" in caplog.text


def test_what_is_pruned_is_counted_and_reported_once(
    store_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that loses most of its traces by a bound reads how many."""
    from tracetape.tracing.runtime import runtime

    for _ in range(30):
        with tracetape.start_span("old"):
            pass
    tracetape.flush()
    with closing(sqlite3.connect(store_path)) as connection, connection:
        connection.execute("UPDATE traces SET start_ns = start_ns - 36000 * 1000000000")
    connection.close()
    with tracetape.configure(retention="1h"):
        store = runtime.recorder.store
        while store.maintain(5.0):
            pass
        assert tracetape.stats()["pruned_traces"] == 30
        assert caplog.text.count("30 traces were removed") == 1
        assert "3,600 s" in caplog.text


def compared(store_path: Path, text: str) -> tuple[int, int]:
    """How many traces a search finds, and how many texts it compared without the index."""
    store = open_store(str(store_path))
    query = TraceQuery(parse_filter(f"trace.text LIKE '%{text}%'"), (Order("name"),))
    found = len(store.search(query)), store.scanned
    store.close()
    return found


def test_optimize_finishes_the_text_index(ten_traces: None, store_path: Path) -> None:
    """A search that has to do without it tells how many texts it compared; then none has to."""
    # As a busy program leaves it.
    with closing(sqlite3.connect(store_path)) as connection, connection:
        connection.execute("UPDATE indexed SET id = 0")
        for table in ("spans_text", "contents_text"):
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
    connection.close()
    for text, count in (("7777", 1), ("no such text", 0)):
        found, texts = compared(store_path, text)
        assert found == count
        assert texts >= 10
    said = prune(store_path, "--optimize")
    assert said.startswith("the text index of ")
    assert "removed" not in said
    for text, count in (("7777", 1), ("no such text", 0)):
        assert compared(store_path, text) == (count, 0)
    both = prune(store_path, "--optimize", "--older-than", "0s")
    assert both.startswith("10 traces removed from ")
    assert "the text index of " in both


def test_ls_says_that_the_index_is_not_whole(
    ten_traces: None, store_path: Path, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, with what helps, where traces are not looked at one by one."""
    monkeypatch.setattr("tracetape.store.selecting._NEAR", 0)
    with closing(sqlite3.connect(store_path)) as connection, connection:
        connection.execute("UPDATE indexed SET id = 0")
    connection.close()
    words = ["ls", "--text", "no such text", "--store", str(store_path)]
    said = runner.invoke(main, words)
    assert "are not in the text index yet" in said.stderr
    assert "prune --optimize" in said.stderr
    prune(store_path, "--optimize")
    assert runner.invoke(main, words).stderr == ""
