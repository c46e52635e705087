"""Imports make rows of lines: the same, to the byte, as the traces themselves give."""

from __future__ import annotations

import copy
import random
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.capture import encode
from tracetape.entities import Span, SpanStatus, Trace, TraceData
from tracetape.entities.attachment import Attachment
from tracetape.entities.span import record_of
from tracetape.exchange.importing import (
    Imported,
    import_traces,
    number_for,
    read_new_traces,
    read_traces,
    update_of,
)
from tracetape.exchange.new_traces import new_trace
from tracetape.live.summary import summarise
from tracetape.store import SQLiteStore
from tracetape.store.rows import NewTrace
from tracetape.store.schema import TABLES

LONG = 'a "long" text, with\n\\ and: more+more, ü. ' * 40
MESSAGES = [{"role": "user", "content": f"{n} {LONG}"} for n in range(3)]
VALUES: list[Any] = [
    {"messages": MESSAGES[:2], "model": "m", "temperature": 0.5, "big": 12345678901234567890},
    {"messages": MESSAGES, "n": [1e-7, 1e22, -0.0, 0.00003, 2**64 - 1, -(2**63)]},
    {"image": "mlflow-attachment://0a0a0a0a-0b0b-0c0c-0d0d-0e0e0e0e0e0e", "": [[], {}, None]},
    {"u": "ü" * 300, "v": "\x00\x01"},
    LONG,
    "",
    None,
]
FIELDS: list[dict[str, Any] | None] = [
    None,
    {"model": "m", "usage": {"input_tokens": 3, "total_tokens": 2**40}, "finish_reasons": ["stop"]},
    {"description": 'a "b"', "cost": {"total_cost": 1e-05}, "log_level": 20},
    {"foreign_trace_id": "abc"},
]
ATTRIBUTES: list[dict[str, Any] | None] = [
    None,
    {"n": 1, "f": 0.5, "t": "x", "ü": True, "none": None, "long": "y" * 100},
    {"deep": b'{"a":[1,"b,c"]}', "odd": b"1e-07", "mlflow.chat.tokenUsage": "mine"},
]
# What somebody may have put in a line.
ODD: list[Any] = [
    None, "", "x", 0, 1, -1, 1.5, True, 2**62, 2**63, 2**64 - 1, [], {}, [1], {"a": 1},
    "tr-00000000000000000000000000000001", "AAAAAAAAAAE=", "AAAAAAAAAAF=", "0000000000000001", '""',
    "[", "null", '"LLM"', "123456789012345678901234567890", '{"a": 1e999}',
    "1E5", "2026-02-30T00:00:00Z",    "2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:60Z",
    "IN_PROGRESS", "ERROR", "STATUS_CODE_ERROR",    "OK",
    '{"input_tokens": 5, "x": "y"}', '{"total_cost": NaN}', "mlflow-attachment://x",
]  # fmt: skip


@pytest.fixture
def traces(make_span: Callable[..., Span]) -> list[dict[str, Any]]:
    """Of all sorts, as JSON."""
    found = []
    for number in range(1, 40):
        value, other = VALUES[number % len(VALUES)], VALUES[number // 3 % len(VALUES)]
        start = 1_700_000_000_000_000_000 + number
        root = make_span(
            number, trace_id=number, name=f"n{number % 5}", inputs=encode(value),
            outputs=encode(other), fields=FIELDS[number % 4], attributes=ATTRIBUTES[number % 3],
            start_time_ns=start, status=SpanStatus("ERROR", "why: ü\n"),
        )  # fmt: skip
        child = make_span(
            0xB00, number, trace_id=number, span_type="LLM", inputs=encode(other),
            start_time_ns=start + number % 3 - 1, events=[("e", 5, b'{"a":{"b":[1.5,"x"]}}')],
            end_time_ns=None if number % 8 == 0 else start + 9,
        )  # fmt: skip
        spans = [root, child][: 1 + number % 4]
        info = summarise(number, list(map(record_of, spans)))
        info.tags["t"] = f"{number} ü"
        info.trace_metadata["mlflow.trace.session"] = f"s{number % 3}"
        if number % 6 == 0:
            info.client_request_id = f"c{number}"
        found.append(orjson.loads(encode(Trace(info, TraceData(spans)).to_dict())))
    return found


def run(store: SQLiteStore, traces: Iterable[Any]) -> Imported:
    """Import all; `VALUES` refer to one attachment, whose content is there."""
    media = Attachment(content_type="image/png", content_bytes=b"png")
    *_, counts = import_traces(store, traces, lambda name: media if name[0] == "0" else None)
    store.close()
    return counts


def tables(path: Path) -> dict[str, list[Any]]:
    """All rows of all tables."""
    connection = sqlite3.connect(path)
    found = {
        table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for table in TABLES
    }
    connection.close()
    return found


def check_alike(folder: Path, lines: list[bytes]) -> Imported:
    """An import by rows leaves the same store, and the same counts, as one by traces."""
    file = folder / "lines.jsonl"
    file.write_bytes(b"\n".join(lines))
    counts = []
    for name, read in (("traces", read_traces), ("rows", read_new_traces)):
        counts.append(run(SQLiteStore(folder / f"{name}.db"), read(file)))
    assert counts[0] == counts[1]
    kept = [tables(folder / f"{name}.db") for name in ("traces", "rows")]
    for table in TABLES:
        assert kept[0][table] == kept[1][table], table
    return counts[0]


def test_rows_are_what_the_traces_give(tmp_path: Path, traces: list[dict[str, Any]]) -> None:
    """Values of all sorts, shared ones, fields, open spans, spans out of order, attachments."""
    counts = check_alike(tmp_path, list(map(orjson.dumps, [*traces, *traces[:3]])))
    assert (counts.added, counts.known, counts.refused) == (len(traces), 3, 0)
    assert counts.missing == 0
    assert tables(tmp_path / "rows.db")["attachments"]


def test_most_traces_need_no_entities(traces: list[dict[str, Any]]) -> None:
    """Else imports would be right, and slow."""
    odd = [one for one in traces if "abc" in str(one) or str(2**64 - 1) in str(one)]
    for trace in traces:
        if trace not in odd:
            assert isinstance(new_trace(trace), NewTrace)
    assert len(odd) < len(traces) * 2 / 3


def test_damaged_lines_are_read_as_the_traces_read_them(
    tmp_path: Path, traces: list[dict[str, Any]]
) -> None:
    """Each place of a line with something else in it, or missing, or cut off."""
    chance = random.Random(5)
    lines = []
    for number in range(250):
        trace = copy.deepcopy(chance.choice(traces))
        digits = f"{number + 1000:032x}"
        trace["info"]["trace_id"] = f"tr-{digits}"
        for span in trace["data"]["spans"]:
            span["trace_id"] = (
                digits if number % 9 == 0 else b64encode(bytes.fromhex(digits)).decode()
            )
            if '"tr-' in span["attributes"]["mlflow.traceRequestId"]:
                span["attributes"]["mlflow.traceRequestId"] = f'"tr-{digits}"'
        for _ in range(chance.randrange(3)):
            _damage(trace, chance)
        line = orjson.dumps(trace)
        lines.append(line[: chance.randrange(len(line))] if number % 50 == 0 else line)
    counts = check_alike(tmp_path, lines)
    assert counts.added > 80
    assert counts.refused > 20


def _damage(trace: dict[str, Any], chance: random.Random) -> None:
    """Change one place."""
    places: list[tuple[Any, Any]] = []
    left: list[Any] = [trace]
    while left:
        one = left.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            places.append((one, key))
            if isinstance(one[key], (dict, list)):
                left.append(one[key])
    inside, key = chance.choice(places)
    what = chance.randrange(8)
    if what == 0:
        del inside[key]
    elif what == 1 and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[key]))  # such as a span that comes twice
    else:
        inside[key] = chance.choice(ODD)


def test_a_trace_that_another_process_has_just_written_stays_as_it_is(
    tmp_path: Path, traces: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came after the import looked, and before it wrote."""
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, traces[:9])))
    store = SQLiteStore(tmp_path / "s.db")
    own = [one for one in read_traces(file) if isinstance(one, Trace)][:4]
    store.write([update_of(one, number_for(one)) for one in own])
    before = tables(tmp_path / "s.db")
    monkeypatch.setattr(store, "known", lambda numbers: set())
    counts = run(store, own)
    assert (counts.added, counts.known) == (0, 4)
    assert tables(tmp_path / "s.db") == before
    counts = run(store, read_new_traces(file))
    assert (counts.added, counts.known) == (5, 4)
