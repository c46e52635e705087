"""Files that are no stores of ours."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tracetape.cli import main
from tracetape.exceptions import StoreError
from tracetape.store import open_store


def _change(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def _store(path: Path, *statements: str) -> None:
    store = open_store(str(path))
    store.open()
    store.close()
    _change(path, "PRAGMA journal_mode = DELETE", *statements)


def _text(path: Path) -> None:
    path.write_bytes(b"hello world\n" * 100)


def _empty(path: Path) -> None:
    path.touch()


def _foreign(path: Path) -> None:
    _change(path, "CREATE TABLE mine (a)", "INSERT INTO mine VALUES (1)")


def _foreign_with_version(path: Path) -> None:
    _change(path, "CREATE TABLE mine (a)", "PRAGMA user_version = 3")


def _other_application(path: Path) -> None:
    _store(path, "PRAGMA application_id = 7")


def _newer(path: Path) -> None:
    _store(path, "PRAGMA user_version = 99")


def _no_version(path: Path) -> None:
    _store(path, "PRAGMA user_version = 0")


def _trigger(path: Path) -> None:
    _store(path, "CREATE TRIGGER t AFTER INSERT ON traces BEGIN DELETE FROM traces; END")


def _view(path: Path) -> None:
    _store(
        path,
        "CREATE VIEW v AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) "
        "SELECT i FROM n",
    )


_STRANGE = (
    _text,
    _foreign,
    _foreign_with_version,
    _other_application,
    _newer,
    _no_version,
    _trigger,
    _view,
)


@pytest.mark.parametrize("make", [*_STRANGE, _empty])
@pytest.mark.parametrize("command", [["ls"], ["show"], ["prune", "--older-than", "0s"]])
def test_commands_leave_it_as_it_is(
    make: Callable[[Path], None], command: list[str], tmp_path: Path
) -> None:
    """One line of error, and the file keeps each byte, with no files next to it."""
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes()
    result = CliRunner().invoke(main, [*command, "--store", str(path)])
    assert result.exit_code == 1
    assert result.output.startswith("tracetape: error: ")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", _STRANGE)
def test_writers_leave_it_as_it_is(make: Callable[[Path], None], tmp_path: Path) -> None:
    """A program that names it keeps its own database."""
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreError):
        open_store(str(path)).open()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    """It is named in the error."""
    result = CliRunner().invoke(main, ["ls", "--store", str(tmp_path)])
    assert result.exit_code == 1
    assert "is a folder, not a file" in result.output


def test_removed_values_are_overwritten(tmp_path: Path) -> None:
    """SQLite builds differ in whether they do that unasked."""
    store = open_store(str(tmp_path / "traces.db"))
    (pragma,) = store._use(
        store._writer, lambda connection: connection.execute("PRAGMA secure_delete").fetchone()
    )
    store.close()
    assert pragma == 1
