"""Many processes that open one new file at the same moment."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tracetape.store import SQLiteStore
from tracetape.store.permissions import prepare_folder

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("readers", [False, True], ids=["writers", "readers too"])
def test_a_new_file_opened_by_many_at_once(
    readers: bool, start_python: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """None of them is turned away: SQLite does not wait by itself while WAL is switched on."""
    source = """
        import sys
        from pathlib import Path
        from tracetape.exceptions import StoreError
        from tracetape.store import SQLiteStore
        print("ready", flush=True)
        for line in sys.stdin:
            path = Path(line.strip())
            store = SQLiteStore(path, read_only=sys.argv[1] == "True")
            try:
                store.list_traces(1)
            except StoreError as error:
                # A reader makes no store of a file that nobody has written to yet.
                assert sys.argv[1] == "True" and "there is no trace store" in str(error), error
            store.close()
            print("done", flush=True)
        """
    processes = [start_python(source, str(readers and n == 3)) for n in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for index in range(20):
        path = tmp_path / f"{index}.db"
        if readers:
            path.touch()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == "done\n", process.stderr is not None and process.stderr.read()


def test_preparing_a_file_ends_no_lock_of_this_process(run_command: Run, tmp_path: Path) -> None:
    """POSIX drops all locks of a process on a file when it closes any descriptor of it."""
    path = tmp_path / "s.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN EXCLUSIVE")
    prepare_folder(path)
    other = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
    )
    done = run_command([sys.executable, "-c", other, str(path)])
    connection.close()
    assert "database is locked" in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["s.db"]


def test_opening_a_store_again_ends_no_lock_of_this_process(
    run_command: Run, tmp_path: Path
) -> None:
    """Readers look at a file before they open it; whoever has it open goes on undisturbed."""
    store = SQLiteStore(tmp_path / "s.db")
    store.open()
    other = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+b'); "
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)"
    )
    for again in (SQLiteStore(tmp_path / "s.db", read_only=True), SQLiteStore(tmp_path / "s.db")):
        again.open()
        again.close()
        done = run_command([sys.executable, "-c", other, str(tmp_path / "s.db")])
        assert "BlockingIOError" in done.stderr  # SQLite's shared bytes are still locked
    store.close()
