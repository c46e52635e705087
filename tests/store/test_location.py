"""Where the store is: by argument, by TRACETAPE_STORE, or near the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.exceptions import StoreError
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore, find_store, open_store, writer_url
from tracetape.tracing.runtime import runtime


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://", "memory://"),
        ("traces.db", "sqlite:///{here}/traces.db"),
        ("deep/er.db", "sqlite:///{here}/deep/er.db"),
        ("/tmp/x.db", "sqlite:////tmp/x.db"),
        ("sqlite:///x.db", "sqlite:///{here}/x.db"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("sqlite:///with space & ü.db", "sqlite:///{here}/with space & ü.db"),
    ],
)
def test_urls(url: str, expected: str, tmp_path: Path) -> None:
    """As in SQLAlchemy three slashes begin a relative path, four an absolute one; or a path."""
    store = open_store(url)
    assert store.url == expected.format(here=tmp_path)
    assert open_store(store.url).url == store.url


@pytest.mark.parametrize(
    "url", ["postgres://host/db", "sqlite://", "sqlite:///", "sqlite://x.db", "://", "memory://x"]
)
def test_a_url_that_is_none(url: str) -> None:
    """A clear error at once, which is also a ValueError; traces go where they went."""
    before = tracetape.stats()["store"]
    with pytest.raises(TracetapeException, match="is no store: use sqlite:///") as caught:
        tracetape.configure(store=url)
    assert isinstance(caught.value, ValueError)
    assert repr(url) in str(caught.value)
    assert tracetape.stats()["store"] == before


def test_a_relative_path_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of directory does not move the store."""
    tracetape.configure(store="traces.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with tracetape.start_span():
        pass
    tracetape.flush(20)
    assert (tmp_path / "traces.db").is_file()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_without_a_word_it_is_under_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first use; children write there too, by TRACETAPE_STORE."""
    monkeypatch.setattr(runtime, "recorder", Recorder(runtime._open))
    url = f"sqlite:///{tmp_path}/.tracetape/traces.db"
    assert writer_url() == url
    with tracetape.start_span():
        pass
    assert tracetape.flush(20) == 0
    assert (tmp_path / ".tracetape" / "traces.db").is_file()
    assert tracetape.stats()["store"] == url
    (tmp_path / "child").mkdir()
    monkeypatch.chdir(tmp_path / "child")
    assert writer_url() == url
    runtime.recorder.close()


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For writers and readers, as URL or path."""
    for value in (f"{tmp_path}/env.db", f"sqlite:///{tmp_path}/env.db"):
        monkeypatch.setenv("TRACETAPE_STORE", value)
        assert writer_url() == value
        assert find_store().url == f"sqlite:///{tmp_path}/env.db"


def test_readers_look_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest store above the working directory; they make none."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    with pytest.raises(StoreError, match="there is no trace store"):
        find_store().list_traces(1)
    for folder in (tmp_path, tmp_path / "a"):
        store = SQLiteStore(folder / ".tracetape" / "traces.db")
        store.open()
        store.close()
        found = find_store()
        assert found.url == store.url
        assert found.list_traces(1) == []
        found.close()
    assert list(deep.iterdir()) == []
