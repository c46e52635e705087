"""Disks that are full, files that are damaged, deleted or locked: injected for real."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.entities import Span
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore, TraceUpdate, connections
from tracetape.store.database import set_aside

Write = Callable[[SQLiteStore, int], None]


@pytest.fixture
def write(make_span: Callable[..., Span], update: Callable[..., TraceUpdate]) -> Write:
    """Write trace n, with a message that all have in common."""

    def one(store: SQLiteStore, number: int) -> None:
        inputs = b'{"messages":[{"content":"%s"}]}' % (b"x" * 2000)
        span = make_span(trace_id=number, inputs=inputs, outputs=b'"%d"' % number)
        store.write([update(span, trace_id=number, start_ns=number, name=str(number))])

    return one


def names(store: SQLiteStore) -> list[str | None]:
    """Of the traces that are there, the oldest first; each can be read."""
    for info in store.list_traces():
        trace = store.get_trace(int(info.trace_id[3:], 16))
        assert trace is not None
        assert trace.data.spans[0].inputs["messages"][0]["content"] == "x" * 2000
    return [info.name for info in reversed(store.list_traces())]


@pytest.fixture
def small_disk(
    tmp_path: Path, run_command: Callable[..., subprocess.CompletedProcess[str]]
) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or run_command(command).returncode:
        pytest.skip("mounting a disk needs root")
    yield disk
    unmounted = run_command(["umount", "-l", str(disk)])
    assert unmounted.returncode == 0, unmounted.stderr


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def write_many(store: SQLiteStore, write: Write) -> None:
    """More than a small disk holds."""
    for number in range(2, 200):
        write(store, number)


def test_a_full_disk(small_disk: Path, write: Write) -> None:
    """What fits is kept; what does not is an error that may pass, and does when there is room."""
    store = SQLiteStore(small_disk / "s.db")
    write(store, 1)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        fill(ballast)
    with pytest.raises(StoreError, match=r"full|disk I/O"):
        write_many(store, write)
    kept = names(store)
    ballast.unlink()
    write(store, 200)
    assert names(store) == [*kept, "200"]
    store.close()
    again = SQLiteStore(small_disk / "s.db")
    assert names(again) == [*kept, "200"]
    again.close()


def test_a_program_on_a_full_disk_ends_as_it_would(
    small_disk: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Its result is right, in good time, and what was lost is counted."""
    done = run_python(
        """
        import tracetape
        for n in range(300):
            with tracetape.start_span("s") as span:
                span.set_inputs(f"{n} " * 5000)
        tracetape.flush(2)
        print("result 42")
        """,
        TRACETAPE_STORE=f"sqlite:///{small_disk}/s.db",
    )
    assert done.stdout == "result 42\n"
    assert "full" in done.stderr or "disk I/O" in done.stderr
    assert "could not be written" in done.stderr or "lost" in done.stderr


def damage(path: Path) -> None:
    """Overwrite what comes after the header."""
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(path.stat().st_size - 100))


def test_a_damaged_file_is_set_aside_when_it_is_opened(
    tmp_path: Path, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """With one warning that names the copy; a new one is begun; a reader only says so."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    write(store, 1)
    store.close()
    damage(path)
    damaged = path.read_bytes()
    reader = SQLiteStore(path, read_only=True)
    with pytest.raises(StoreError, match="malformed") as caught:
        reader.list_traces()
    assert f"`sqlite3 {path} .recover`" in str(caught.value)
    assert "--store" in str(caught.value)
    reader.close()
    assert path.read_bytes() == damaged
    write(store, 2)
    assert names(store) == ["2"]
    store.close()
    (copy,) = tmp_path.glob("s.db.damaged-*")
    assert copy.read_bytes() == damaged
    (warning,) = [record.getMessage() for record in caplog.records]
    assert copy.name in warning
    assert ".recover" in warning


def test_a_reader_of_damaged_rows_says_what_to_do(tmp_path: Path, write: Write) -> None:
    """The schema is whole, and the damage is met while traces are read."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    write(store, 1)
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    reader = SQLiteStore(path, read_only=True)
    with pytest.raises(StoreError, match=r"malformed.* \.recover` .* --store"):
        reader.list_traces()
    reader.close()


def test_setting_a_file_aside_ends_no_lock(
    tmp_path: Path, write: Write, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Another connection of this process may have one, which POSIX ends with any descriptor."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    write(store, 1)
    store._use(store._writer, lambda c: c.execute("PRAGMA journal_mode = DELETE").fetchall())
    store.close()
    damage(path)
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute("BEGIN EXCLUSIVE")
    assert set_aside(path, sqlite3.DatabaseError("malformed"))
    (kept,) = tmp_path.glob("s.db.damaged-*")
    done = run_python(
        """
        import sqlite3, sys
        try:
            sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            print(error)
        """,
        str(kept),
    )
    mine.close()
    assert done.stdout == "database is locked\n"


def test_a_file_that_is_damaged_while_it_is_open(tmp_path: Path, write: Write) -> None:
    """The next write notices, and goes to a new file."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    for number in range(1, 50):
        write(store, number)
    store._use(store._writer, lambda c: c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    damage(path)
    store._reader.close()
    store._use(store._writer, lambda c: c.execute("PRAGMA shrink_memory"))
    write(store, 100)
    write(store, 101)
    assert {"100", "101"} <= set(names(store))
    store.close()
    assert len(list(tmp_path.glob("s.db.damaged-*"))) <= 1


@pytest.mark.parametrize("content", [b"", b"\x00" * 8192, b"no database " * 1000])
def test_the_default_file_is_ours_whatever_is_in_it(
    tmp_path: Path, write: Write, content: bytes
) -> None:
    """Any other file with such content is left to its owner."""
    path = tmp_path / ".tracetape" / "traces.db"
    path.parent.mkdir()
    path.write_bytes(content)
    store = SQLiteStore(path)
    write(store, 1)
    assert names(store) == ["1"]
    store.close()
    other = tmp_path / "other.db"
    other.write_bytes(b"no database " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        write(SQLiteStore(other), 1)
    assert other.read_bytes() == b"no database " * 1000


@pytest.mark.parametrize("how", ["deleted", "replaced", "folder deleted"])
def test_a_file_that_goes_while_it_is_open(tmp_path: Path, write: Write, how: str) -> None:
    """Whatever is at its place next is written and read, not the file that is gone."""
    path = tmp_path / "folder" / "s.db"
    store = SQLiteStore(path)
    write(store, 1)
    assert names(store) == ["1"]
    expected = ["2", "3"]
    if how == "folder deleted":
        shutil.rmtree(path.parent)
    else:
        path.unlink()
    if how == "replaced":
        other = SQLiteStore(tmp_path / "other.db")
        write(other, 7)
        other.close()
        (tmp_path / "other.db").rename(path)
        expected = ["2", "3", "7"]
    write(store, 2)
    write(store, 3)
    assert names(store) == expected
    store.close()


def test_another_process_that_holds_the_file(
    store_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans wait in memory until it lets go; the program does not."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.5)
    with tracetape.start_span("before"):
        pass
    tracetape.flush()
    other = sqlite3.connect(store_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    for n in range(100):
        with tracetape.start_span(str(n)):
            pass
    assert time.monotonic() - began < 0.5
    assert tracetape.flush(1.5) == 100
    other.execute("ROLLBACK")
    other.close()
    assert tracetape.flush(20) == 0
    assert tracetape.stats()["lost"] == 0
    assert len(tracetape.search_traces(return_type="list")) == 101
    assert sum("locked" in record.getMessage() for record in caplog.records) == 1


def test_a_disk_without_shared_memory(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite then refuses write-ahead logging: all works without it, after one warning."""
    connect = connections.connect

    def without(database: str, uri: bool = False) -> sqlite3.Connection:
        # This one of SQLite's file systems has no shared memory, as network mounts.
        return connect(f"{Path(database).as_uri()}?vfs=unix-dotfile", uri=True)

    monkeypatch.setattr("tracetape.store.database.connect", without)
    store = SQLiteStore(tmp_path / "s.db")
    write(store, 1)
    write(store, 2)
    assert names(store) == ["1", "2"]
    store.close()
    assert [r.getMessage().count("cannot use write-ahead logging") for r in caplog.records] == [1]


def test_a_folder_that_cannot_be_written_can_be_read(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an artifact of a CI run: no file beside the store is needed or made."""
    store = SQLiteStore(tmp_path / "s.db")
    write(store, 1)
    store.close()
    access = os.access
    monkeypatch.setattr(  # root may write anywhere
        os, "access", lambda path, mode: mode != os.W_OK and access(path, mode)
    )
    before = sorted(tmp_path.iterdir())
    reader = SQLiteStore(tmp_path / "s.db", read_only=True)
    assert names(reader) == ["1"]
    assert sorted(tmp_path.iterdir()) == before
    reader.close()


def test_a_program_that_changes_its_directory(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """All spans are in the store of where it was first."""
    run_python(
        """
        import os, tracetape
        os.mkdir("inner")
        for folder in ("inner", ".."):
            with tracetape.start_span("s"):
                os.chdir(folder)
            tracetape.flush()
        """
    )
    (path,) = tmp_path.rglob("traces.db")
    assert path == tmp_path / ".tracetape" / "traces.db"
    store = SQLiteStore(path, read_only=True)
    assert len(store.list_traces()) == 2
    store.close()


def test_readers_and_upkeep_while_others_write(tmp_path: Path, write: Write) -> None:
    """Every answer is whole, whatever is going on."""
    store = SQLiteStore(tmp_path / "s.db")
    write(store, 1)
    stop = threading.Event()
    faults: list[BaseException] = []

    def again(work: Callable[[], Any]) -> threading.Thread:
        def loop() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:  # noqa: BLE001 - told to the test
                faults.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        return thread

    threads = [again(lambda: names(store)[:1]), again(store.maintain)]
    for number in range(2, 150):
        write(store, number)
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(names(store)) == 149
    store.close()


def test_a_limit_of_file_sizes_is_named(tmp_path: Path, run_python: Callable[..., Any]) -> None:
    """SQLite only says "disk I/O error"; a flush without a time of its own ends all the same."""
    done = run_python(
        """
        import os, resource, tracetape.recorder.writing_thread as writing_thread
        import tracetape

        writing_thread._FAILING_SECONDS = 0.2
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        for _ in range(100):
            with tracetape.start_span() as span:
                span.set_inputs(os.urandom(2000).hex())
        print(tracetape.flush() > 0)
        """,
        TRACETAPE_STORE=str(tmp_path / "s.db"),
    )
    assert done.stdout == "True\n"
    assert "this process may write files of at most 200,000 bytes" in done.stderr


def test_a_forked_process_keeps_its_spans_in_its_own_memory(
    tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    """They are counted, and it is said once: its parent does not see them."""
    done = run_python(
        """
        import os, tracetape

        tracetape.configure(store="memory://")
        with tracetape.start_span():
            pass
        tracetape.flush()
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            for _ in range(3):
                with tracetape.start_span():
                    pass
                tracetape.flush()
        print(tracetape.stats()["unshared_spans"])
        """
    )
    assert done.stdout.split() == ["3", "0"]
    assert done.stderr.count("its parent does not see what it records") == 1
