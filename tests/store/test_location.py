"""Where the store is: by argument, by TRACETAPE_STORE, or near the working directory."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

import pytest

import tracetape
from tracetape import TracetapeException
from tracetape.exceptions import InvalidValueError, StoreError
from tracetape.recorder import Recorder
from tracetape.store import SQLiteStore, find_store, location, open_store, writer_url
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
        ("memory:", "memory://"),
        (":memory:", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        (" Memory:// ", "memory://"),
        ("~/x.db", "sqlite:///{home}/x.db"),
        ("sqlite:///~/x.db", "sqlite:///{home}/x.db"),
        ("./~x.db", "sqlite:///{here}/~x.db"),
        ("SQLite:///x.db", "sqlite:///{here}/x.db"),
        (" x.db\n", "sqlite:///{here}/x.db"),
        ("", "sqlite:///{here}/.tracetape/traces.db"),
        (" \t", "sqlite:///{here}/.tracetape/traces.db"),
        ("sqlite:///with space & ü.db", "sqlite:///{here}/with space & ü.db"),
    ],
)
def test_urls(url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in SQLAlchemy three slashes begin a relative path, four an absolute one; or a path."""
    monkeypatch.delenv("TRACETAPE_STORE", raising=False)
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    store = open_store(url)
    assert store.url == expected.format(here=tmp_path, home=f"{tmp_path}/home")
    assert open_store(store.url).url == store.url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite://x.db",
        "://",
        "memory://x",
        "memory:x",
        "sqlite:x.db",
        "file:x.db?mode=ro",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    """A clear error at once, which is also a ValueError; traces go where they went."""
    before = tracetape.stats()["store"]
    with pytest.raises(TracetapeException, match="does not name a store: use sqlite:///") as caught:
        tracetape.configure(store=url)
    assert isinstance(caught.value, ValueError)
    assert repr(url) in str(caught.value)
    assert tracetape.stats()["store"] == before


@pytest.mark.parametrize("url", ["a\0b.db", "a\ud800b.db"])
def test_a_name_that_no_file_can_have(url: str) -> None:
    """It is refused at once, with the value escaped."""
    with pytest.raises(InvalidValueError, match="cannot name a store") as caught:
        tracetape.configure(store=url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("value", ["memory:", "", "  ", "~/x.db", "newdir/"])
def test_the_environment_makes_no_file_of_an_odd_name(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The trace is kept where the name means, or in memory with one warning that names it."""
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    monkeypatch.setenv("TRACETAPE_STORE", value)
    monkeypatch.setattr(runtime, "recorder", runtime._default_recorder())
    with tracetape.start_span():
        pass
    assert tracetape.flush(20) == 0
    assert len(runtime.recorder.store.list_traces(5)) == 1
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")}
    right = {"": ".tracetape/traces.db", "  ": ".tracetape/traces.db", "~/x.db": "home/x.db"}
    assert made == ({right[value]} if value in right else set())
    assert {path.name for path in tmp_path.iterdir()} <= {".tracetape", "home"}
    told = [one.getMessage() for one in caplog.records]
    if value == "newdir/":
        assert len(told) == 1
        assert "newdir/ is a folder: name a file in it, such as newdir/traces.db" in told[0]
    else:
        assert told == []
    runtime.recorder.close()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("folder", "is a folder, not a file: name a file in it, such as"),
        ("folder/", "is a folder: name a file in it, such as folder/traces.db"),
        ("fifo", "is not a regular file: name another store"),
        ("/dev/null", "is not a regular file: name another store"),
        ("file/x.db", "cannot be made: {here}/file is a file, not a folder; name another store"),
        (
            "~no-such-user/x.db",
            "~no-such-user is not a user's home directory; write ./~no-such-user",
        ),
    ],
)
def test_what_cannot_be_a_store(
    value: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Readers are told why in one line, and a program has its traces in memory, with a warning."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("text")
    os.mkfifo(tmp_path / "fifo")
    reason = reason.format(here=tmp_path)
    with pytest.raises(StoreError) as caught:
        open_store(value, read_only=True).list_traces(1)
    assert reason in str(caught.value)
    assert value.rstrip("/") in str(caught.value)
    assert "\n" not in str(caught.value)
    with tracetape.configure(store=value), tracetape.start_span():
        pass
    assert tracetape.flush(20) == 0
    assert len(runtime.recorder.store.list_traces(5)) == 1
    (told,) = [one.getMessage() for one in caplog.records]
    assert reason in told


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


@pytest.fixture
def own_name(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A name for stores that no store above the tests' folder has."""
    name = Path(f".tracetape-{uuid.uuid4().hex}") / "traces.db"
    monkeypatch.setattr(location, "DEFAULT", name)
    return name


def test_readers_look_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_name: Path
) -> None:
    """The nearest store above the working directory; they make none."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    with pytest.raises(StoreError, match="there is no trace store"):
        find_store().list_traces(1)
    for folder in (tmp_path, tmp_path / "a"):
        store = SQLiteStore(folder / own_name)
        store.open()
        store.close()
        found = find_store()
        assert found.url == store.url
        assert found.list_traces(1) == []
        found.close()
    assert list(deep.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="changes who runs the test")
def test_a_folder_of_another_user_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers look above a store that this user may not see, such as one in /tmp."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        closed, here = top / "closed", top / "closed" / "here"
        here.mkdir(parents=True)
        for folder in (top, closed):
            store = SQLiteStore(folder / ".tracetape" / "traces.db")
            store.open()
            store.close()
        (top / ".tracetape").chmod(0o755)
        (closed / ".tracetape").chmod(0)
        monkeypatch.chdir(here)
        if os.getuid() == 0:  # root may look everywhere
            os.seteuid(65534)
        try:
            found = find_store()
        finally:
            os.seteuid(os.getuid())
            monkeypatch.undo()
            (closed / ".tracetape").chmod(0o700)
        assert found.url == f"sqlite:///{top}/.tracetape/traces.db"
