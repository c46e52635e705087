"""Traces from other stores and files, and as tables."""

from __future__ import annotations

import json
import re
import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.entities import Expectation, Feedback, Span, Trace, TraceState
from tracetape.exceptions import IntegrationMissingError, InvalidValueError
from tracetape.exchange.importing import Imported, import_traces, read_traces
from tracetape.exchange.jsonl import trace_json
from tracetape.exchange.mlflow_store import count_traces, read_mlflow_store
from tracetape.exchange.parquet import COLUMNS, write_parquet
from tracetape.exchange.sources import open_source
from tracetape.formats.names import TOKEN_USAGE
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.query import TraceQuery

# What the real MLflow wrote (its version stands in the files).
MLFLOW = Path(__file__).parent / "data" / "mlflow.sql"
MLFLOW_JSON = Path(__file__).parents[1] / "mlflow" / "data"


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store."""
    store = SQLiteStore(tmp_path / "s.db")
    yield store
    store.close()


@pytest.fixture
def mlflow_db(tmp_path: Path) -> Path:
    """MLflow's store with three traces, as it wrote it."""
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.executescript(MLFLOW.read_text())
    connection.close()
    return path


def run(store: SQLiteStore, traces: Any) -> Imported:
    """Import all, and give the last counts."""
    *_, counts = import_traces(store, traces)
    return counts


def test_mlflows_own_store_is_read(mlflow_db: Path, store: SQLiteStore) -> None:
    """Spans, times, tags, metadata, tokens and judgements; twice makes no difference."""
    assert isinstance(open_source(mlflow_db).total, int)
    assert count_traces(mlflow_db) == 3
    counts = run(store, read_mlflow_store(mlflow_db))
    assert (counts.added, counts.known, counts.refused) == (3, 0, 0)
    counts = run(store, read_mlflow_store(mlflow_db))
    assert (counts.added, counts.known) == (0, 3)
    traces = store.search(TraceQuery())
    assert [trace.info.name for trace in traces] == ["t2", "t1", "t0"]
    trace = traces[0]
    assert [(s.name, s.span_type, s.inputs, s.outputs) for s in trace.data.spans] == [
        ("t2", "CHAIN", {"q": 2}, "a"),
        ("c", "LLM", {"messages": [{"role": "user", "content": "hi"}]}, None),
    ]
    info = trace.info
    assert (info.state, info.tags["env"], info.experiment_id) == (TraceState.OK, "x", "0")
    assert info.token_usage == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert info.trace_metadata["mlflow.trace.session"] == "s1"
    good, expected = info.assessments
    assert isinstance(good, Feedback)
    assert (good.name, good.value, good.source.source_type) == ("good", True, "CODE")
    assert isinstance(expected, Expectation)
    assert (expected.name, expected.value) == ("exp", {"a": 1})
    assert info.span_count == 2


def test_spans_of_older_mlflow_stores_are_in_files_beside_them(
    mlflow_db: Path, tmp_path: Path
) -> None:
    """Only below the database's folder, whatever path it names."""
    folder = tmp_path / "mlruns" / "artifacts"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(mlflow_db)
    (content,) = connection.execute("SELECT content FROM spans WHERE name = 't2'").fetchone()
    (folder / "traces.json").write_text(f'{{"spans": [{content}]}}')
    connection.execute("DELETE FROM spans")

    def spans(location: str) -> list[list[str]]:
        connection.execute(
            "UPDATE trace_tags SET value = ? WHERE key = 'mlflow.artifactLocation'", (location,)
        )
        connection.commit()
        traces = list(read_mlflow_store(mlflow_db))
        return [[s.name for s in t.data.spans] for t in traces if isinstance(t, Trace)]

    assert spans(str(folder)) == [["t2"]] * 3
    assert spans(f"file://{folder}") == [["t2"]] * 3
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    folder.rename(elsewhere)
    assert spans(str(elsewhere)) == [[]] * 3
    assert spans(f"{folder}/../../../{elsewhere.name}") == [[]] * 3
    assert spans("/dev/null\x00") == [[]] * 3
    connection.close()


@pytest.mark.parametrize(
    "path", sorted(MLFLOW_JSON.glob("mlflow_*.json")), ids=lambda path: path.stem
)
def test_mlflows_trace_json_is_read(path: Path, store: SQLiteStore) -> None:
    """As each version wrote it; what was in the file is in the store."""
    (trace,) = read_traces(path)
    assert isinstance(trace, Trace)
    assert run(store, [trace]).added == 1
    (kept,) = store.search(TraceQuery())
    assert [s.name for s in kept.data.spans] == [s.name for s in trace.data.spans]
    assert [s.inputs for s in kept.data.spans] == [s.inputs for s in trace.data.spans]
    assert (kept.info.state, kept.info.name) == (trace.info.state, trace.info.name)
    assert kept.info.token_usage == trace.info.token_usage


@pytest.fixture
def two(
    store: SQLiteStore, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> list[Trace]:
    """Two traces, in the store."""
    for number in (1, 2):
        root = make_span(
            trace_id=number, name=f"n{number}", inputs=b'{"q":"\xc3\xbc"}', outputs=b'"a"',
            fields={"model": "m", "usage": {"input_tokens": 3}}, attributes={"k": number},
        )  # fmt: skip
        child = make_span(0xB, 0xA, trace_id=number, name="child")
        end = root.end_time_ns
        store.write(
            [
                update(
                    root, child, trace_id=number, state=TraceState.OK, name=root.name, end_ns=end,
                    span_count=2, sums={"input_tokens": 3},
                )
            ]
        )  # fmt: skip
    feedback = Feedback("f", 1)
    feedback.assessment_id = "a-1"
    store.assess(1, [feedback])
    return store.search(TraceQuery())


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("t.jsonl", "\n".join),
        ("t.json", "\n\n".join),
        ("t.json", lambda traces: f"[{','.join(traces)}]"),
        ("t.json", lambda traces: f'{{"traces": [{",".join(traces)}]}}'),
        ("t.txt", "\n".join),
    ],
)
def test_files_of_traces(
    two: list[Trace], tmp_path: Path, name: str, form: Callable[[list[str]], str]
) -> None:
    """A trace a line, a list, an object with a list: all of it reads back the same."""
    path = tmp_path / name
    path.write_text(form([trace.to_json() for trace in two]))
    other = SQLiteStore(tmp_path / "other.db")
    assert run(other, read_traces(path)).added == 2
    read = sorted(other.search(TraceQuery()), key=lambda trace: trace.trace_id, reverse=True)
    assert read == two
    other.close()


def test_what_cannot_be_read_is_named_and_the_rest_is_kept(
    two: list[Trace], tmp_path: Path
) -> None:
    """Each with its line and the reason."""
    path = tmp_path / "t.jsonl"
    good = two[0].to_json()
    path.write_text(f'{{"half": \n{good}\n\n{{"info": 1}}\n[]\n"x"\n{{"spans": []}}')
    other = SQLiteStore(tmp_path / "other.db")
    counts = run(other, read_traces(path))
    other.close()
    assert counts.added == 1
    assert [reason.split(":")[0] for reason in counts.reasons] == [
        f"{path}, line {number}" for number in (1, 4, 5, 6, 7)
    ]


def test_a_trace_that_no_store_can_take_is_named_and_the_rest_is_kept(
    two: list[Trace], tmp_path: Path
) -> None:
    """Times beyond all numbers; sums that are none are left out."""
    odd, strange = two[0].to_dict(), two[1].to_dict()
    odd["info"]["trace_id"] = "tr-" + "9" * 32
    for span in odd["data"]["spans"]:
        span["start_time_unix_nano"] = 10**30
    strange["info"]["trace_metadata"][TOKEN_USAGE] = '{"input_tokens": "abc", "output_tokens": 1}'
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in (odd, strange, two[0].to_dict())))
    other = SQLiteStore(tmp_path / "other.db")
    counts = run(other, read_traces(path))
    assert (counts.added, counts.refused) == (2, 1)
    assert counts.reasons[0].startswith("tr-" + "9" * 32)
    usages = [trace.info.token_usage for trace in other.search(TraceQuery())]
    other.close()
    assert {"output_tokens": 1} in usages


def test_a_table_of_spans(two: list[Trace], tmp_path: Path) -> None:
    """One row each, with times that Spark reads and deep values as JSON."""
    import pyarrow.parquet

    path = tmp_path / "t.parquet"
    assert list(write_parquet(path, two)) == [1, 1]
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    assert str(table.schema.field("start_time").type) == "timestamp[us, tz=UTC]"
    rows = table.to_pylist()
    assert [(row["trace_name"], row["name"]) for row in rows] == [
        ("n2", "n2"), ("n2", "child"), ("n1", "n1"), ("n1", "child"),
    ]  # fmt: skip
    row = rows[0]
    assert (row["model"], row["input_tokens"], row["output_tokens"]) == ("m", 3, None)
    assert (orjson.loads(row["inputs"]), row["outputs"]) == ({"q": "ü"}, '"a"')
    assert orjson.loads(row["attributes"])["k"] == 2
    assert (row["start_time_ns"], row["duration_ns"]) == (1_700_000_000_000_000_001, 776)
    assert row["trace_id"] == f"tr-{2:032x}"
    assert list(write_parquet(tmp_path / "none.parquet", [])) == []
    assert pyarrow.parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install; no file is begun."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(IntegrationMissingError, match=r"pip install 'tracetape\[parquet\]'"):
        list(write_parquet(tmp_path / "t.parquet", []))
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trace_info SET timestamp_ms = 'x' WHERE {}",
        "UPDATE trace_info SET timestamp_ms = 9e18 WHERE {}",
        "UPDATE trace_info SET execution_time_ms = 'x' WHERE {}",
        "UPDATE trace_info SET status = 'WAT' WHERE {}",
        "UPDATE trace_tags SET value = CAST(X'ff' AS TEXT) WHERE {}",
        "UPDATE spans SET content = X'ff00' WHERE {}",
        "UPDATE spans SET content = 5 WHERE {}",
        "UPDATE assessments SET created_timestamp = NULL WHERE {}",
        "UPDATE assessments SET value = '{{' WHERE {}",
        "ALTER TABLE assessments DROP COLUMN rationale",
    ],
)
def test_a_damaged_trace_of_mlflow_is_named_and_the_rest_is_read(
    mlflow_db: Path, store: SQLiteStore, damage: str
) -> None:
    """Whatever it is that a row lacks."""
    connection = sqlite3.connect(mlflow_db)
    (bad,) = connection.execute("SELECT trace_id FROM assessments LIMIT 1").fetchone()
    key = "request_id" if "trace_info" in damage or "trace_tags" in damage else "trace_id"
    try:
        connection.execute(damage.format(f"{key} = '{bad}'"))
    except sqlite3.OperationalError as error:
        pytest.skip(f"this SQLite cannot do it: {error}")
    connection.commit()
    connection.close()
    counts = run(store, read_mlflow_store(mlflow_db))
    assert (counts.added, counts.refused) == (2, 1)
    assert counts.reasons[0].startswith(f"{mlflow_db}, trace {bad}: ")


OTHERS = {
    "a.jsonl": (b"PAR1\x15\x04", "is a Parquet file"),
    "b.jsonl": (b"\x1f\x8b\x08\0", "unpack it with gunzip"),
    "c.json": (b"PK\x03\x04\x14", "unpack it"),
    "d.json": ("{}".encode("utf-16"), "is in UTF-16: save it in UTF-8"),
    "e.jsonl": (b"\x7fELF\x02\0", "is a binary file: name a file"),
    "f.db": (b"SQLite format 3\0garbage", "is a SQLite database that cannot be read"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_file_of_traces_is_refused(tmp_path: Path, name: str) -> None:
    """The error names the file, says what it is, and what to do."""
    content, why = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidValueError, match=f"{name} .*{re.escape(why.split()[-1])}") as error:
        open_source(tmp_path / name)
    assert why in str(error.value)


def test_other_places_are_refused(tmp_path: Path) -> None:
    """A folder, a device, another program's database."""
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE x (a)").connection.close()
    for path, why in (
        (tmp_path, "is a folder: name a file of traces"),
        (Path("/dev/null"), "is a device or a pipe"),
        (tmp_path / "other.db", "is a SQLite database, but neither a tracetape store nor MLflow's"),
    ):
        with pytest.raises(InvalidValueError, match=f"^{re.escape(str(path))} {why}"):
            open_source(path)


def test_a_mark_that_editors_put_before_a_text_is_no_fault(
    two: list[Trace], tmp_path: Path
) -> None:
    """As Notepad and PowerShell do."""
    for name, text in (("a.json", two[0].to_json()), ("b.jsonl", f"{two[0].to_json()}\n" * 2)):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert all(isinstance(one, Trace) for one in read_traces(tmp_path / name))


def test_of_many_reasons_the_first_are_kept(tmp_path: Path, store: SQLiteStore) -> None:
    """A file of another kind has as many as it has lines."""
    path = tmp_path / "t.jsonl"
    path.write_text("nonsense\n" * 1000)
    counts = run(store, read_traces(path))
    assert counts.refused == 1000
    assert len(counts.reasons) < 100


def test_neither_way_holds_more_than_a_part(
    store: SQLiteStore,
    tmp_path: Path,
    make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four times the traces take the same memory."""
    monkeypatch.setattr("tracetape.store.sqlite._BATCH_BYTES", 500_000)
    few, many = 75, 300
    text = "a long text " * 2500
    for number in range(1, many + 1):
        root = make_span(trace_id=number, inputs=orjson.dumps(f"{number} {text}"))
        store.write([update(root, trace_id=number, name="n", span_count=1)])
    numbers, path = store.find(TraceQuery()), tmp_path / "t.jsonl"

    def export(count: int) -> None:
        with path.open("wb") as file:
            for line in store.get_each(numbers[:count], trace_json):
                file.write(line + b"\n")

    def import_file(count: int) -> None:
        other = SQLiteStore(tmp_path / f"{count}.db")
        assert run(other, read_traces(path)).added == count
        other.close()

    peaks: dict[int, list[int]] = {}
    for count in (few, many):
        for work in (export, import_file):
            tracemalloc.start()
            work(count)
            peaks.setdefault(count, []).append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert path.stat().st_size > many * len(text)
    for less, more in zip(peaks[few], peaks[many], strict=True):
        assert more < 1.3 * less
