"""`tracetape export` and `tracetape import`."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tracetape
from tracetape.cli import main
from tracetape.entities import Trace
from tracetape.entities.attachment import Attachment
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore, open_store
from tracetape.store.query import TraceQuery

MLFLOW = Path(__file__).parents[1] / "exchange" / "data" / "mlflow.sql"


def call(*arguments: object) -> Result:
    """A command."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def traces(store_path: Path) -> list[Trace]:
    """Three finished traces, in the store."""
    for n in range(3):
        with tracetape.start_span(f"t{n}") as span:
            span.set_inputs({"n": n})
    tracetape.flush()
    store = open_store(str(store_path))
    found = store.search(TraceQuery())
    store.close()
    return found


def read(path: Path) -> list[Trace]:
    """What is in another store."""
    store = open_store(str(path))
    found = store.search(TraceQuery())
    store.close()
    return found


@pytest.mark.parametrize("kind", ["json", "jsonl"])
def test_there_and_back(traces: list[Trace], store_path: Path, tmp_path: Path, kind: str) -> None:
    """Every trace, with all that is in it; a second time changes nothing."""
    file, other = tmp_path / f"out.{kind}", tmp_path / "other.db"
    result = call("export", f"--{kind}", file, "--store", store_path)
    assert result.output == f"3 traces written to {file}.\n"
    assert call("import", file, "--store", other).output == "3 traces imported into other.db.\n"
    assert read(other) == traces
    assert "3 already there" in call("import", file, "--store", other).output
    assert read(other) == traces


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_an_export_says_what_it_replaces(
    traces: list[Trace], store_path: Path, tmp_path: Path, kind: str
) -> None:
    """It may be repeated, and a file of the same name is gone then."""
    file = tmp_path / f"out.{kind}"
    first, second = (call("export", f"--{kind}", file, "--store", store_path) for _ in range(2))
    assert "replaced" not in first.output
    assert second.output == f"3 traces written to {file} (replaced the file that was there).\n"


def test_some_of_them(traces: list[Trace], store_path: Path) -> None:
    """By their ids or by a filter, to the output."""
    named = call("export", traces[1].trace_id[:14], "--jsonl", "-", "--store", store_path)
    assert Trace.from_json(named.output) == traces[1]
    found = call("export", "--filter", "name = 't2'", "--json", "-", "--store", store_path)
    assert [Trace.from_dict(one) for one in json.loads(found.output)] == [traces[0]]


def test_a_parquet_file(traces: list[Trace], store_path: Path, tmp_path: Path) -> None:
    """For DuckDB and Spark."""
    import pyarrow.parquet

    result = call("export", "--parquet", tmp_path / "t.parquet", "--store", store_path)
    assert "3 traces written" in result.output
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table.column("name").to_pylist() == ["t2", "t1", "t0"]


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_mlflows_store_and_ours(
    traces: list[Trace], store_path: Path, tmp_path: Path, prefix: str
) -> None:
    """Each is known by what is in it."""
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.executescript(MLFLOW.read_text())
    connection.close()
    other = tmp_path / "other.db"
    for source in (store_path, tmp_path / "mlflow.db"):
        assert "3 traces imported" in call("import", f"{prefix}{source}", "--store", other).output
    assert len(read(other)) == 6


def test_attachments_go_along(store_path: Path, tmp_path: Path) -> None:
    """From a store of ours; a file of traces has only the references, and that is said."""
    image = "data:image/png;base64," + base64.b64encode(b"png" * 1000).decode()
    with tracetape.start_span("media") as span:
        span.set_inputs({"type": "image_url", "image_url": {"url": image}})
    tracetape.flush()
    other, file = tmp_path / "other.db", tmp_path / "t.jsonl"
    assert "content" not in call("import", store_path, "--store", other).output
    reference = read(other)[0].data.spans[0].inputs["image_url"]["url"]
    parsed = Attachment.parse_ref(reference)
    assert parsed is not None
    store = open_store(str(other))
    found = store.get_attachment(str(parsed["attachment_id"]))
    store.close()
    assert found is not None
    assert found.content_bytes == b"png" * 1000
    call("export", "--jsonl", file, "--store", store_path)
    result = call("import", file, "--store", tmp_path / "third.db")
    assert f"{file} lacks the content of 1 attachment." in result.output


def test_mistakes(traces: list[Trace], store_path: Path, tmp_path: Path) -> None:
    """They are said, and what is good is kept."""
    assert "Say one of" in call("export", "--store", store_path).output
    both = call("export", "ab", "--filter", "name = 'x'", "--json", "-", "--store", store_path)
    assert "not both" in both.output
    assert "does not exist" in call("import", tmp_path / "none").output
    nowhere = tmp_path / "none" / "t.jsonl"
    result = call("export", "--jsonl", nowhere, "--store", store_path)
    assert result.output == f"tracetape: error: {nowhere}: No such file or directory\n"
    file = tmp_path / "t.jsonl"
    file.write_text(traces[0].to_json() + "\nnonsense\n")
    result = call("import", file, "--store", tmp_path / "other.db")
    assert result.exit_code == 1
    assert "1 trace imported" in result.output
    assert "t.jsonl, line 2" in result.output
    assert len(read(tmp_path / "other.db")) == 1


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
@pytest.mark.parametrize("way", ["file", "log", "link", "other name"])
def test_an_export_does_not_replace_the_store_it_reads(
    traces: list[Trace], store_path: Path, tmp_path: Path, kind: str, way: str
) -> None:
    """Each trace would be gone."""
    target = {
        "file": store_path,
        "log": Path(f"{store_path}-wal"),
        "link": tmp_path / "link",
        "other name": tmp_path / "hard",
    }[way]
    if way == "link":
        target.symlink_to(store_path)
    elif way == "other name":
        target.hardlink_to(store_path)
    result = call("export", f"--{kind}", target, "--store", store_path)
    assert result.exit_code == 2
    assert "is a file of the store itself" in result.output
    assert read(store_path) == traces


def test_without_a_login_nothing_is_sent(
    traces: list[Trace], store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and no traceback of the SDK's."""
    pytest.importorskip("databricks.sdk")
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    result = call("export", "--databricks", "a.b.c", "--store", store_path)
    assert result.exit_code == 1
    assert "databricks-sdk cannot log in" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
@pytest.mark.parametrize("stopped", [KeyboardInterrupt, StoreError])
def test_an_export_that_is_stopped_leaves_the_old_file(
    traces: list[Trace], store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    kind: str, stopped: type[BaseException],
) -> None:  # fmt: skip
    """And nothing beside it."""
    target = tmp_path / "folder" / "old"
    target.parent.mkdir()
    target.write_text("old")

    def some(store: SQLiteStore, *arguments: object) -> Iterator[object]:
        yield from get_each(store, *arguments)  # type: ignore[arg-type]
        raise stopped

    get_each = SQLiteStore.get_each
    monkeypatch.setattr(SQLiteStore, "get_each", some)
    result = call("export", f"--{kind}", target, "--store", store_path)
    assert result.exit_code
    assert "written" not in result.output
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_whose_an_export_is(traces: list[Trace], store_path: Path, tmp_path: Path) -> None:
    """Its owner's alone; a file that was there keeps its mode, a link stays one."""
    new, old, link = tmp_path / "new", tmp_path / "old", tmp_path / "link"
    old.touch(0o644)
    link.symlink_to(old)
    for target in (new, link):
        assert not call("export", "--jsonl", target, "--store", store_path).exit_code
    assert new.stat().st_mode & 0o777 == 0o600
    assert old.stat().st_mode & 0o777 == 0o644
    assert link.is_symlink()
    assert old.read_bytes() == new.read_bytes()


def test_an_export_to_what_is_no_file(
    traces: list[Trace], store_path: Path, tmp_path: Path
) -> None:
    """A pipe gets it, a full device is an error, both stay what they are."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(pipe.read_text().splitlines()))
    reader.start()
    assert not call("export", "--jsonl", pipe, "--store", store_path).exit_code
    reader.join()
    assert [Trace.from_json(line) for line in read] == traces
    full = call("export", "--jsonl", "/dev/full", "--store", store_path)
    assert full.output == "tracetape: error: /dev/full: No space left on device\n"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert list(tmp_path.glob("*.part")) == []


def test_what_cannot_be_imported(tmp_path: Path) -> None:
    """The error names it; no store is made for nothing."""
    (tmp_path / "t.jsonl").write_bytes(b"PAR1\0")
    for source, why in (
        ("/dev/null", "/dev/null is a device or a pipe"),
        (tmp_path, f"{tmp_path} is a folder: name a file of traces"),
        (tmp_path / "t.jsonl", "export with --jsonl instead"),
        (" ", "The name of the file is blank"),
    ):
        result = call("import", source, "--store", tmp_path / "new.db")
        assert result.exit_code
        assert why in result.output
    assert not (tmp_path / "new.db").exists()
