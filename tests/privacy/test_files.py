"""What holds content of traces is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cassettes.file.save import Tape, save
from tracetape.cli.main import main
from tracetape.privacy.files import replacing
from tracetape.store import open_store
from tracetape.testing.snapshots import UPDATE, assert_snapshot

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """New files would be everybody's."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The bits that matter."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_default_store_and_its_folder_are_private(tmp_path: Path) -> None:
    """Nobody else may write there, or read the traces."""
    store = open_store(str(tmp_path / ".tracetape" / "traces.db"))
    store.open()
    assert mode(tmp_path / ".tracetape") == 0o700
    files = {one.name: mode(one) for one in (tmp_path / ".tracetape").iterdir()}
    assert set(files.values()) == {0o600}
    store.close()


def test_a_store_that_became_public_is_closed_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And so is its folder to those who could write there."""
    path = tmp_path / ".tracetape" / "traces.db"
    for _ in range(2):
        store = open_store(str(path))
        store.open()
        store.close()
        if not caplog.records:
            path.chmod(0o644)
            path.parent.chmod(0o777)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o755
    assert "others could open" in caplog.text


def test_exports_and_new_tapes_are_private(tmp_path: Path, store_path: Path) -> None:
    """A tape that is there keeps its mode."""
    with tracetape.start_span("a"):
        pass
    tracetape.flush(10)
    for kind in ("jsonl", "json", "parquet"):
        out = tmp_path / f"out.{kind}"
        done = CliRunner().invoke(
            main, ["export", f"--{kind}", str(out), "--store", str(store_path)]
        )
        assert done.exit_code == 0, done.output
        assert mode(out) == 0o600
    tape = tmp_path / "tape.yaml"
    save(tape, Tape([]))
    assert mode(tape) == 0o600
    tape.chmod(0o640)
    save(tape, Tape([]))
    assert mode(tape) == 0o640


def test_a_password_in_the_name_of_a_store_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by an error nor by `doctor`."""
    url = "postgresql://me:hunter-secret-2@db.test/traces"
    with pytest.raises(tracetape.exceptions.TracetapeException) as caught:
        open_store(url)
    assert "hunter" not in str(caught.value)
    assert "db.test" in str(caught.value)
    monkeypatch.setenv("TRACETAPE_STORE", url)
    shown = CliRunner().invoke(main, ["doctor"]).output
    assert "hunter" not in shown


def test_rules_reach_names_tags_and_feedback(store_path: Path) -> None:
    """All that the program says of a trace."""
    rules = ["metadata.user", "tags.plan", "feedback.rationale", re.compile("lovelace")]
    with tracetape.configure(redact=rules):
        with tracetape.start_span("ada-lovelace") as span:
            tracetape.update_current_trace(tags={"plan": "ada-gold"}, user="ada-user")
        tracetape.set_trace_tag(span.trace_id, "plan", "ada-silver")
        tracetape.log_feedback(trace_id=span.trace_id, value=True, rationale="ada-says")
        assert tracetape.flush(10) == 0
    trace = tracetape.get_trace(span.trace_id)
    assert trace is not None
    kept = trace.to_json()
    assert not [
        word for word in ("lovelace", "gold", "silver", "ada-user", "ada-says") if word in kept
    ]
    assert "redacted" in kept


def test_a_folder_above_the_store_is_private_too(tmp_path: Path) -> None:
    """Whoever can write in it could put another folder in the place of the inner one."""
    store = open_store(str(tmp_path / "a" / ".tracetape" / "b" / "traces.db"))
    store.open()
    store.close()
    assert mode(tmp_path / "a") == 0o755
    assert mode(tmp_path / "a" / ".tracetape") == 0o700
    (tmp_path / "a" / ".tracetape").chmod(0o777)
    store = open_store(str(tmp_path / "a" / ".tracetape" / "b" / "traces.db"))
    store.open()
    store.close()
    assert mode(tmp_path / "a" / ".tracetape") == 0o755


def test_a_linked_folder_is_reported_and_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the user's, for more than this store."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / ".tracetape").symlink_to(tmp_path / "shared")
    store = open_store(str(tmp_path / ".tracetape" / "traces.db"))
    store.open()
    assert {mode(one) for one in (tmp_path / "shared").glob("*.db*")} == {0o600}
    store.close()
    assert mode(tmp_path / "shared") == 0o777
    assert "others can write to" in caplog.text


def test_snapshots_and_other_written_tests_are_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold what a trace does; one that is there keeps its mode."""
    monkeypatch.setenv(UPDATE, "1")
    path = tmp_path / "snapshots" / "tree.txt"
    assert_snapshot("a tree", path)
    assert mode(path) == 0o600
    path.chmod(0o644)
    assert_snapshot("another", path)
    assert mode(path) == 0o644


def test_an_open_store_gives_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite gives the files beside it the same mode; they are closed to others all the same."""
    path = tmp_path / "s.db"
    path.touch()
    path.chmod(0o666)
    store = open_store(str(path))
    store.open()
    assert [mode(Path(f"{path}{end}")) for end in ("", "-wal", "-shm")] == [0o600] * 3
    store.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"tracetape: others could open {path} (mode 666): it is closed to them now"
    ]


def test_drafts_of_killed_processes_are_removed(tmp_path: Path) -> None:
    """Those that nobody has locked: a process that lives locks its own, which the system ends."""

    def draft(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(b"{")
        return path

    def make_old(path: Path) -> Path:
        os.utime(path, (10**9, 10**9))
        return path

    killed = make_old(draft(".tracetape-draft-0123abcd.part"))
    others = [
        draft(".tracetape-draft-1123abcd.part"),  # just made: perhaps not locked yet
        make_old(draft(".tracetape-draft-mine.part")),
        make_old(draft("notes.part")),
    ]
    (tmp_path / ".tracetape-draft-2123abcd.part").symlink_to(others[-1])
    with replacing(tmp_path / "a.jsonl") as file:
        file.write(b"a")
        (own,) = {*tmp_path.glob(".tracetape-draft-*.part")} - {
            *others, tmp_path / ".tracetape-draft-2123abcd.part"
        }  # fmt: skip
        make_old(own)
        with replacing(tmp_path / "b.jsonl") as second:
            second.write(b"b")
        assert own.exists()
    assert not killed.exists()
    assert all(one.exists() for one in others)
    assert (tmp_path / ".tracetape-draft-2123abcd.part").is_symlink()
    assert (tmp_path / "a.jsonl").read_bytes() == b"a"
    assert (tmp_path / "b.jsonl").read_bytes() == b"b"
