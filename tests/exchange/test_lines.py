"""An export's lines: the same to the byte as the traces themselves give."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracetape.capture import encode
from tracetape.entities import Feedback, Span, SpanStatus, TraceState
from tracetape.exchange.jsonl import trace_json
from tracetape.exchange.parquet import span_rows, write_parquet
from tracetape.formats.json_text import json_text, json_texts
from tracetape.live.live_trace import TraceDetails
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.query import TraceQuery
from tracetape.store.reading import TraceGroup

LONG = 'a "long" text, with\n\\ and: more. ' * 40
MESSAGES = [{"role": "user", "content": f"{n} {LONG}"} for n in range(4)]
VALUES: list[Any] = [
    {"messages": MESSAGES[:2], "model": "m", "temperature": 0.5},
    {"messages": MESSAGES, "n": [1e-7, 1e22, -0.0, 0.00003, 2**64 - 1, -(2**63)]},
    {"q": "ü, ß: \"x\" \\ \\\" {,} \x7f \u2028", "": [[], {}, "", None, True]},
    [":", ",", '"', "\\", '\\"', "\x00\x01"],
    LONG,
    "short",
    "",
    None,
    7,
    False,
]  # fmt: skip
FIELDS: list[dict[str, Any] | None] = [
    None,
    {"model": "m", "usage": {"input_tokens": 3}, "path": "/x", "finish_reasons": ["stop"]},
    {"foreign_trace_id": "abc", "description": 'a "b"', "unread": 1, "unknown": 2},
    {"links": [{"trace_id": "tr-1", "span_id": "2", "attributes": None}]},
    {"retries": 0, "streamed": True, "cost": {"total_cost": 1e-05}, "response_id": None},
]
ATTRIBUTES: list[dict[str, Any] | None] = [
    None,
    {"n": 1, "f": 0.5, "t": "x", "ü": True, "none": None},
    {"deep": b'{"a":[1,"b,c"]}', "list": b"[1,2]", "odd": b"1e-07"},
    {"mlflow.spanType": "OTHER", "mlflow.spanInputs": b'{"of":"the user"}'},
    {"mlflow.llm.model": "user's"},
]
EVENTS: list[Any] = [None, [("e", 5, b'{"a":{"b":[1.5,"x"]}}'), ("f", 6, b"{}")]]


@pytest.fixture
def store(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> Iterator[SQLiteStore]:
    """Traces of all sorts."""
    store = SQLiteStore(tmp_path / "s.db")
    number = 0
    for index, value in enumerate(VALUES):
        for shift in range(len(FIELDS)):
            number += 1
            data = encode(value)
            root = make_span(
                0xA, trace_id=number, inputs=data, outputs=encode(VALUES[index - shift]),
                fields=FIELDS[shift], attributes=ATTRIBUTES[(index + shift) % len(ATTRIBUTES)],
                events=EVENTS[index % 2], status=SpanStatus("ERROR", "why: ü\n"),
            )  # fmt: skip
            child = make_span(0xB, 0xA, trace_id=number, outputs=data if shift else None)
            running = number % 7 == 0
            store.write(
                [
                    update(
                        root, child, trace_id=number,
                        state=TraceState.IN_PROGRESS if running else TraceState.OK,
                        name=None if number % 5 == 0 else f"n{number}",
                        end_ns=None if running else root.end_time_ns,
                        request_preview=LONG if shift else None, span_count=2,
                        sums={"input_tokens": 3, "total_cost": 1e-05} if shift == 1 else None,
                        details=TraceDetails(
                            tags={"t": "x", "ü": '"'} if shift == 2 else {},
                            metadata={"mlflow.trace_schema.version": "2"} if shift == 3 else {},
                            client_request_id="c" if shift == 4 else None,
                            experiment_id="7" if shift == 2 else None,
                        ),
                    )
                ]
            )  # fmt: skip
    feedback = Feedback("f", [float("nan"), 1])
    feedback.assessment_id = "a-1"
    store.assess(3, [feedback])
    yield store
    store.close()


def lines(store: SQLiteStore) -> list[bytes]:
    """Of all traces."""
    return list(store.get_each(store.find(TraceQuery()), trace_json))


def entities(store: SQLiteStore) -> list[bytes]:
    """The same, as the traces themselves give it."""
    traces = store.get_traces(store.find(TraceQuery()))
    return [encode(trace.to_dict()) for trace in traces]


def test_lines_are_what_the_traces_give(store: SQLiteStore) -> None:
    """Values of all sorts, fields, links, events, sums, judgements."""
    found = lines(store)
    assert len(found) == len(VALUES) * len(FIELDS)
    assert found == entities(store)


def test_a_trace_that_is_named_twice_comes_twice(store: SQLiteStore) -> None:
    """As it does when traces are read."""
    wanted = [2, 7, 2, *range(1, 40), 7]
    found = list(store.get_each(wanted, trace_json))
    assert found == [encode(trace.to_dict()) for trace in store.get_traces(wanted)]
    assert len(found) == len(wanted)


def test_most_traces_need_no_entities(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else exports would be right, and slow."""
    wanted = [n for n in store.find(TraceQuery()) if n % 5 != 4 and n != 3]
    expected = [encode(trace.to_dict()) for trace in store.get_traces(wanted)]
    monkeypatch.setattr(TraceGroup, "traces", lambda group: ())
    found = [list(store.get_each([number], trace_json)) for number in wanted]
    odd = [line for one, line in zip(found, expected, strict=True) if not one]
    assert all(b"of" in line or b"user's" in line for line in odd)
    assert [one[0] for one in found if one] == [line for line in expected if line not in odd]
    assert len(odd) < len(wanted) / 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE spans SET inputs = ' {\"a\" : 1} ' WHERE trace = 2",
        "UPDATE spans SET inputs = '{\"a\":1,\"a\":2,\"b\":\"\\u00fc\\/\"}' WHERE trace = 2",
        "UPDATE spans SET inputs = '[' WHERE trace = 2",
        "UPDATE spans SET outputs = '1,2' WHERE trace = 2",
        "UPDATE spans SET inputs = CAST(X'1f1f' AS TEXT) WHERE trace = 2",
        "UPDATE spans SET inputs = X'1f1f' WHERE trace = 2",
        "UPDATE spans SET inputs = X'1f' WHERE trace = 2",
        "UPDATE spans SET inputs = X'220a22' WHERE trace = 2",
        "UPDATE spans SET span_id = upper(span_id) WHERE trace = 2",
        "UPDATE spans SET span_id = '000000000000000a,' WHERE trace = 2 AND parent_id IS NULL",
        "UPDATE spans SET parent_id = span_id",
        "UPDATE spans SET parent_id = '000000000000000c', start_ns = 5",
        "UPDATE spans SET start_ns = id % 3 WHERE trace > 9",
        "UPDATE spans SET fields = '{\"model\":5,\"usage\":\"x\"}', attributes = '{\"a\":1.0}'",
        "UPDATE spans SET events = '[[\"e\",1,5]]' WHERE trace = 2",
        "UPDATE traces SET start_ns = -1, end_ns = 5 WHERE id = 2",
        "UPDATE traces SET tags = '{\"a\":1}' WHERE id = 2",
        "UPDATE traces SET input_tokens = 1.5, total_cost = 9e999 WHERE id = 2",
        "UPDATE traces SET name = X'00' WHERE id = 2",
        "DELETE FROM lists WHERE id = 1",
    ],
)  # fmt: skip
def test_lines_of_a_store_that_was_changed(store: SQLiteStore, statement: str) -> None:
    """What is odd is read as everywhere else."""
    store.close()
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"))
    assert connection.execute(statement).rowcount
    connection.commit()
    connection.close()
    store.reports_unreadable = True
    found = lines(store)
    told = str(store.unreadable) if store.unreadable.count() else ""
    assert found == entities(store)
    assert (str(store.unreadable) if store.unreadable.count() else "") == told
    assert all(orjson.loads(line) for line in found)


@pytest.mark.parametrize("value", [*VALUES, [VALUES], 1e16, 1e-5, {"a": {"b": [0.0000123, 12e30]}}])
def test_texts_of_many_values(value: Any) -> None:
    """Spelled as `json` spells them, each for itself and together."""
    wanted = json.dumps(value, ensure_ascii=False)
    assert json_text(encode(value)) == wanted
    assert json_texts([encode(value), b"[1,2]", json.dumps(value).encode()]) == [
        wanted,
        "[1, 2]",
        wanted,
    ]
    assert json_texts([encode(value)] * 2) == [wanted] * 2


def test_rows_of_a_table_are_what_the_traces_give(store: SQLiteStore, tmp_path: Path) -> None:
    """Of each span, with and without entities."""
    pyarrow = pytest.importorskip("pyarrow.parquet")
    numbers = store.find(TraceQuery())
    for name, traces in (
        ("rows", store.get_each(numbers, span_rows)),
        ("entities", store.get_traces(numbers)),
    ):
        assert sum(write_parquet(tmp_path / name, traces)) == len(numbers)
    tables = [pyarrow.read_table(tmp_path / name) for name in ("rows", "entities")]
    assert tables[0].schema == tables[1].schema
    assert tables[0].to_pylist() == tables[1].to_pylist()
    assert tables[0].num_rows == 2 * len(numbers)


def test_a_value_of_several_spans_is_written_once_for_all(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain and the call in it have the same inputs: their JSON is made into text once."""
    values: list[bytes] = []

    def counted(given: list[bytes]) -> list[str]:
        values.extend(given)
        return json_texts(given)

    monkeypatch.setattr("tracetape.exchange.jsonl.json_texts", counted)
    found = list(store.get_each([7], trace_json))  # its root's inputs are its child's outputs
    assert found == [encode(trace.to_dict()) for trace in store.get_traces([7])]
    large = [one for one in values if len(one) > 1000]
    assert large
    assert len(large) == len(set(large))
