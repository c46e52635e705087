"""Stores that were damaged at random, or made to harm: every command ends, with the right status.

`make test` tries some; `make soak` sets TRACETAPE_SOAK=1 and tries thousands. A failure names the
seed: `damaged(path, Random(seed))` makes the same file again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.entities import Feedback
from tracetape.exceptions import StoreError
from tracetape.store import SQLiteStore
from tracetape.store.filters import parse_filter
from tracetape.store.query import And, TraceQuery

FULL = os.environ.get("TRACETAPE_SOAK") == "1"
SEEDS = range(3000) if FULL else range(45)
EACH = 15 if FULL else 5  # commands, of one file
# Seconds of one command: of the processor, as the machine may be busy. A query may take the first.
QUERY_SECONDS, SECONDS = 0.5, 5.0
COMMANDS = [
    ["ls"],
    ["ls", "--json"],
    ["ls", "--filter", "span.type = 'LLM' AND name LIKE '%e%' OR tag.t = 'x'"],
    ["ls", "--text", "question"],
    ["show"],
    ["show", "{id}"],
    ["show", "--full"],
    ["show", "--json"],
    ["tail", "--once"],
    ["doctor"],
    ["export", "--jsonl", "out.jsonl"],
    ["export", "--json", "-"],
    ["import", "{store}"],
    ["delete", "{id}", "--yes"],
    ["delete", "--filter", "status = 'OK'", "--yes"],
    ["prune", "--older-than", "1s"],
    ["prune", "--max-size", "10kB", "--optimize"],
    ["cassette", "from-trace", "{id}", "-o", "tape.yaml", "--force"],
]
Damage = Callable[[Path, Random], None]


@pytest.fixture
def whole(tmp_path: Path, store_path: Path) -> tuple[Path, str]:
    """A store that has some of everything, and the id of one of its traces."""
    for number in range(8):
        with tracetape.start_span(f"agent {number}") as root:
            tracetape.update_current_trace(tags={"t": "x"}, session_id=f"s{number % 3}")
            root.set_inputs({"question": f"{number} " + "why? " * 50})
            for turn in range(3):
                with tracetape.start_span("turn", span_type="LLM") as span:
                    said = [{"role": "user", "content": f"{n} " + "x" * 200} for n in range(turn)]
                    span.set_inputs({"messages": said, "model": "m"})
                    span.set_attribute("deep", {"a": [1, 2.5, None, "x"]})
            if number % 4 == 0:
                root.record_exception(ValueError("bad"))
        tracetape.flush()
        tracetape.log_assessment(str(root.trace_id), Feedback(name="good", value=True))
    tracetape.configure(store="memory://")
    assert store_path.stat().st_size < 400_000
    return store_path, str(root.trace_id)


def flip(path: Path, random: Random) -> None:
    """Single bytes, anywhere or in the header of the file or of its pages."""
    data = bytearray(path.read_bytes())
    for _ in range(random.choice([1, 5, 200])):
        at = random.randrange(len(data))
        if random.random() < 0.5:
            at = at // 4096 * 4096 + random.randrange(100)
        data[at] = random.choice([0, 0xFF, data[at] ^ 1, random.randrange(256)])
    path.write_bytes(data)


def swap_pages(path: Path, random: Random) -> None:
    """A page in another's place, or rubbish, or nothing."""
    data = path.read_bytes()
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    for _ in range(random.choice([1, 3])):
        at = random.randrange(1, len(pages))
        pages[at] = random.choice([random.choice(pages), random.randbytes(4096), bytes(4096)])
    path.write_bytes(b"".join(pages))


def cut(path: Path, random: Random) -> None:
    """The end is missing, or there is too much."""
    data = path.read_bytes()
    if random.random() < 0.2:
        path.write_bytes(data + random.randbytes(5000))
    else:
        path.write_bytes(data[: random.randrange(len(data))])


def false_log(path: Path, random: Random) -> None:
    """A log of another file, or none at all, lies beside it."""
    ending = random.choice(["-wal", "-journal", "-shm"])
    header = b"\x37\x7f\x06\x82" + struct.pack(">II", 3007000, 4096)
    start = random.choice([b"", header, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"])
    Path(f"{path}{ending}").write_bytes(start + random.randbytes(random.randrange(9000)))


def strange_values(path: Path, random: Random) -> None:
    """Rows of other types, sizes and texts than a program of ours writes."""
    values: list[Any] = [
        None,
        random.choice([0, 1, -1, 1 << 62, -(1 << 63), 10**18]),
        random.choice([1e308, -0.5, float("inf")]),
        "",
        random.choice(["x\x1b[31m\n", "\u202e", "'", "[" * 3000, '{"a":' * 500, "{}", "[]", "NaN"]),
        random.choice(['{"a": 1e999}', '{"\\ud800": 1}', '[["x", 1]]', '[[1, "x", {}]]', '"x"']),
        random.randbytes(random.choice([1, 20, 5000])),
        random.choice(
            [b"\x1fl1\x1f", b"\x1fl999999\x1f", b"\x1fc1\x1f" * 9, b"\x1f", b"\x1fc\x1f"]
        ),
        random.choice(["0" * 32, "f" * 16, "tr-1", "OK", "IN_PROGRESS", "feedback"]),
    ]
    with writable(path) as connection:
        tables = names(connection, "table")
        for _ in range(random.choice([1, 4])):
            table = random.choice(tables)
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            where = random.choice(["1", "rowid % 2", "rowid = 1"])
            with contextlib.suppress(sqlite3.Error):  # it is unique, or a key
                connection.execute(
                    f"UPDATE {table} SET {random.choice(columns)} = ? WHERE {where}",
                    (random.choice(values),),
                )
            connection.text_factory = str


def circles(path: Path, random: Random) -> None:
    """Lists and spans that contain themselves; lists far larger than the file."""
    how = random.randrange(4)
    with writable(path) as connection:
        if how == 0:
            connection.execute("UPDATE lists SET before = id")
        elif how == 1:
            connection.execute("UPDATE spans SET parent_id = span_id")
        elif how == 2:
            connection.execute(
                "UPDATE spans SET parent_id = (SELECT o.span_id FROM spans o WHERE "
                "o.trace = spans.trace AND o.id <> spans.id ORDER BY o.id DESC LIMIT 1)"
            )
        else:
            text = '"' + "y" * 500_000 + '"'
            connection.execute("INSERT INTO contents VALUES (9000, x'00', ?)", (text,))
            rows = [(9000 + n, 9000 + n - 1 if n else 0) for n in range(1000)]
            connection.executemany("INSERT INTO lists VALUES (?, ?, 9000)", rows)
            connection.execute("UPDATE spans SET inputs = ?", (b"\x1fl9999\x1f",))


def foreign_schema(path: Path, random: Random) -> None:
    """Tables that are others, or views, or run something."""
    table = random.choice(
        ["traces", "spans", "contents", "lists", "uses", "indexed", "assessments"]
    )
    endless = (
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n AS id, * FROM r"
    )
    statements = random.choice(
        [
            [f"DROP TABLE {table}"],
            [f"DROP TABLE {table}", f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, x)"],
            [f"ALTER TABLE {table} RENAME TO other", f"CREATE VIEW {table} AS {endless}"],
            [f"CREATE TRIGGER t AFTER DELETE ON {table} BEGIN DELETE FROM spans; END"],
            [f"ALTER TABLE {table} ADD COLUMN more AS (hex(zeroblob(9999999)))"],
            ["DROP TABLE spans_text", "CREATE VIRTUAL TABLE spans_text USING fts5 (text)"],
            ["PRAGMA user_version = 99"],
            ["PRAGMA user_version = 1"],
            ["PRAGMA user_version = 0"],
            ["PRAGMA application_id = 7"],
            ["DELETE FROM indexed"],
            ["UPDATE indexed SET id = -5"],
            ["UPDATE indexed SET id = 1 << 62"],
        ]
    )
    with writable(path) as connection:
        for statement in statements:
            with contextlib.suppress(sqlite3.Error):  # this SQLite does not make it
                connection.execute(statement)


def endless_tree(path: Path, random: Random) -> None:
    """A table of a few pages that has billions of rows, as each page stands for many."""
    with writable(path) as connection:
        table = random.choice(["traces", "spans", "contents", "lists", "assessments"])
        query = "SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?"
        (root,) = connection.execute(query, (table,)).fetchone()
        (count,) = connection.execute("PRAGMA page_count").fetchone()
    data = bytearray(path.read_bytes())
    old = bytes(data[(root - 1) * 4096 : root * 4096])
    added = [old]
    for level in range(8):
        added.append(interior(count + 1 + level))
    data[(root - 1) * 4096 : root * 4096] = interior(count + len(added))
    data += b"".join(added)
    struct.pack_into(">I", data, 28, count + len(added))
    path.write_bytes(data)


def interior(child: int, fan: int = 60) -> bytes:
    """A page of a table's tree whose children are all the same page."""
    page = bytearray(4096)
    at = len(page)
    for number in range(fan):
        at -= 5
        struct.pack_into(">IB", page, at, child, number + 1)
        struct.pack_into(">H", page, 12 + 2 * number, at)
    struct.pack_into(">BHHHBI", page, 0, 5, 0, fan, at, 0, child)
    return bytes(page)


@contextlib.contextmanager
def writable(path: Path) -> Any:
    """The file, in which each column takes what it is given."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') "
            "WHERE type = 'table' AND name NOT LIKE '%_text%'"
        )
        connection.commit()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()


def names(connection: sqlite3.Connection, kind: str) -> list[str]:
    """Of what the store has, without the parts of its indices on texts."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = ?", (kind,)).fetchall()
    return sorted(name for (name,) in rows if "_text" not in name)


DAMAGES: list[Damage] = [
    flip,
    swap_pages,
    cut,
    false_log,
    strange_values,
    strange_values,
    circles,
    foreign_schema,
    endless_tree,
]


def damaged(path: Path, random: Random) -> None:
    """Do one kind of damage to the file, sometimes two."""
    random.choice(DAMAGES)(path, random)
    if random.random() < 0.1:
        flip(path, random)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries are given up soon, and nothing of the memory is taken that a test has not."""
    monkeypatch.setattr("tracetape.store.deadlines.QUERY_SECONDS", QUERY_SECONDS)
    monkeypatch.setattr("tracetape.store.dedup._MOST_BYTES", 20_000_000)


def test_every_command_ends(
    whole: tuple[Path, str], impatient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    runner: CliRunner,
) -> None:  # fmt: skip
    """Without a traceback, within its time, with status 0 or with 1 and a reason."""
    source, trace_id = whole
    bytes_of_source = source.read_bytes()
    for seed in SEEDS:
        random = Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        first = folder / "first.db"
        first.write_bytes(bytes_of_source)
        damaged(first, random)
        for command in random.sample(COMMANDS, EACH):
            store = folder / "s.db"
            for ending in ("", "-wal", "-shm", "-journal"):
                Path(f"{store}{ending}").unlink(missing_ok=True)
                if (side := Path(f"{first}{ending}")).exists():
                    shutil.copy(side, f"{store}{ending}")
            named = {"{id}": trace_id, "{store}": "s.db"}
            given = [named.get(one, one) for one in command]
            given += ["--store", "new.db" if command[0] == "import" else "s.db"]
            began = time.process_time()
            done = runner.invoke(main, given)
            took = time.process_time() - began
            told = f"seed {seed}, {given}: {done.exit_code} {done.exception!r} {done.output[-500:]}"
            assert done.exception is None or isinstance(done.exception, SystemExit), told
            assert done.exit_code in (0, 1), told
            assert took < SECONDS, f"{took} s, {told}"
            assert not done.exit_code or "tracetape: " in done.stderr or "✗ " in done.stderr, told
            assert "\x1b" not in done.output, told
        shutil.rmtree(folder)


def test_what_programs_ask_ends(whole: tuple[Path, str], impatient: None, tmp_path: Path) -> None:
    """Sessions, searches with spans, attachments and sums: an answer, or an error of the store."""
    source, trace_id = whole
    bytes_of_source = source.read_bytes()
    query = TraceQuery(parse_filter("span.attributes.model != 'x'"), limit=5)
    for seed in SEEDS:
        path = tmp_path / f"{seed}.db"
        path.write_bytes(bytes_of_source)
        damaged(path, Random(seed))
        store = SQLiteStore(path, read_only=True)
        asked: list[Callable[[], Any]] = [
            lambda s=store: s.sessions(And(()), 5),  # type: ignore[misc]
            lambda s=store: s.search(query),  # type: ignore[misc]
            lambda s=store: [*s.get_traces([int(trace_id[3:], 16), 5])],  # type: ignore[misc]
            lambda s=store: s.get_attachment("x"),  # type: ignore[misc]
            store.count,
        ]
        for ask in asked:
            began = time.process_time()
            with contextlib.suppress(StoreError):
                ask()
            assert time.process_time() - began < SECONDS, f"seed {seed}"
        store.close()
