"""What is large is kept once: messages, conversations, tools; and reads back to the byte."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetape.entities import Span
from tracetape.entities.span import record_of
from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.splitting import MARK, Content, ContentList, split

LONG = "x" * 300


def text_of(piece: bytes | Content | ContentList) -> bytes:
    """The JSON text of a piece."""
    if isinstance(piece, ContentList):
        return b"[" + b",".join(piece.elements) + b"]"
    return piece.data if isinstance(piece, Content) else piece


@pytest.fixture
def read_back(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> Callable[..., list[bytes | None]]:
    """What the store gives for these inputs, kept as outputs too."""

    numbers = itertools.count(1)

    def read(*values: bytes) -> list[bytes | None]:
        number = next(numbers)
        store = SQLiteStore(tmp_path / "s.db")
        spans = [
            make_span(n + 1, inputs=value, outputs=value, trace_id=number)
            for n, value in enumerate(values)
        ]
        store.write([update(*spans, trace_id=number)])
        trace = store.get_trace(number)
        store.close()
        assert trace is not None
        by_id = {record_of(span).span_id: span for span in trace.data.spans}
        assert all(record_of(span).inputs == record_of(span).outputs for span in by_id.values())
        return [record_of(by_id[n + 1]).inputs for n in range(len(values))]

    return read


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(json_values, st.integers(0, 40))
def test_pieces_in_a_row_are_the_value(value: Any, padding: int) -> None:
    """To the byte, whatever JSON it is and however it was written."""
    for data in (
        json.dumps({"messages": [{"a": value, "b": LONG}] * 3, "x": value}).encode(),
        json.dumps([value, LONG] * padding, ensure_ascii=False, indent=1)
        .encode("utf-8", "backslashreplace"),
        orjson.dumps({"k": LONG * padding, "messages": ["é" * padding] * padding}),
    ):  # fmt: skip
        pieces = split(data)
        assert pieces is None or b"".join(map(text_of, pieces)) == data


def test_messages_and_long_texts_are_pieces() -> None:
    """Wherever they stand in an object; what is small stays in its place."""
    message = {"role": "user", "content": LONG}
    inputs = {"model": "m", "messages": [message, message], "system": LONG * 4, "n": 1}
    assert split(orjson.dumps(inputs)) == [
        b'{"model":"m","messages":',
        ContentList((orjson.dumps(message),) * 2),
        b',"system":',
        Content(orjson.dumps(LONG * 4)),
        b',"n":1}',
    ]
    assert split(orjson.dumps({"messages": [{"role": "user", "content": "hi"}]})) is None
    assert split(orjson.dumps([0.1234] * 1000)) == [Content(orjson.dumps([0.1234] * 1000))]
    assert split(orjson.dumps([0.1234] * 100)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"NaN" * 400,
        b'{"a":1,"a":"%s"}' % (b"x" * 2000),
        b'{"a": "%s"}' % (b"x" * 2000),
        b'{"n":%s,"messages":["%s"]}' % (b"9" * 60, b"x" * 2000),
        b'{"messages":["%s","\\ud800"]}' % (b"x" * 2000),
        b'"' + b"x" * 5000 + b'"',
        b'{"a":1.0e5,"b":"%s"}' % (b"x" * 2000),
    ],
)
def test_what_cannot_be_split_is_kept_whole(
    data: bytes, read_back: Callable[..., list[bytes | None]]
) -> None:
    """And reads back as it was."""
    assert read_back(data) == [data]


@pytest.mark.parametrize(
    "text",
    ["\x1fc1\x1f", "\\u001fc1\\u001f", "c1", '["",-1]', "\x1fl1\x1f" + LONG * 5, "\x1f" * 2000],
)
def test_no_text_of_a_user_passes_for_a_reference(
    text: str, read_back: Callable[..., list[bytes | None]]
) -> None:
    """However it looks, small or large, and beside real references."""
    secret = orjson.dumps({"messages": [{"content": LONG}] * 3})
    for data in (
        orjson.dumps(text),
        orjson.dumps({"messages": [{"content": LONG}] * 3, "t": text}),
    ):
        assert read_back(secret, data) == [secret, data]
    raw = b'"' + text.encode() + b'"'  # no JSON, if the mark is in it
    assert read_back(secret, raw) == [secret, raw]
    assert MARK == b"\x1f"


def conversation(turns: int) -> list[bytes]:
    """The inputs of each call, each repeating the history, as chat programs send it."""
    messages = [{"role": "system", "content": "You are " + LONG}]
    inputs = []
    for n in range(turns):
        messages.append({"role": "user", "content": f"Question {n}: {LONG}"})
        inputs.append(orjson.dumps({"model": "m", "messages": messages, "temperature": 0}))
        messages.append({"role": "assistant", "content": f"Answer {n}: {LONG}"})
    return inputs


def test_a_conversation_takes_space_in_proportion_to_what_is_new(
    tmp_path: Path,
    query: Callable[..., list[tuple[Any, ...]]],
    make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
) -> None:
    """Each message once, each turn two links of a chain, each span one reference."""
    inputs = conversation(200)
    path = tmp_path / "s.db"
    sizes = []
    for turns in (100, 200):
        store = SQLiteStore(path)
        for n, data in enumerate(inputs[:turns]):
            store.write([update(make_span(n + 1, inputs=data, trace_id=n + 1), trace_id=n + 1)])
        store.close()
        sizes.append(os.path.getsize(path))
        if turns == 200:
            assert query("SELECT count(*) FROM contents", path=path) == [(400,)]
            assert query("SELECT count(*) FROM lists", path=path) == [(400,)]
            assert query("SELECT count(*) FROM uses", path=path) == [(200,)]
    assert sizes[1] < 2.2 * sizes[0]
    assert sizes[1] < sum(map(len, inputs)) / 20
    store = SQLiteStore(path)
    for n, data in enumerate(inputs):
        trace = store.get_trace(n + 1)
        assert trace is not None
        assert record_of(trace.data.spans[0]).inputs == data
    store.close()


def test_conversations_that_part_share_what_they_have_in_common(
    tmp_path: Path,
    query: Callable[..., list[tuple[Any, ...]]],
    read_back: Callable[..., list[bytes | None]],
) -> None:
    """Branches, windows that slide, and a list that ends earlier."""
    (*_, whole) = (orjson.loads(data)["messages"] for data in conversation(4))
    lists = [whole, whole[:-1], whole[:3] + whole[5:], whole[2:], [whole[-1]] * 6]
    values = [orjson.dumps({"messages": messages}) for messages in lists]
    assert read_back(*values) == values
    assert query("SELECT count(*) FROM contents", path=tmp_path / "s.db") == [(len(whole),)]


def test_another_process_may_remove_what_was_stored(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> None:
    """The writer looks again whenever another one has written."""
    (data,) = conversation(3)[-1:]
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update(make_span(inputs=data))])
    other = sqlite3.connect(tmp_path / "s.db")
    for table in ("contents", "lists", "uses", "spans", "traces"):
        other.execute(f"DELETE FROM {table}")
    other.commit()
    other.close()
    store.write([update(make_span(inputs=data, trace_id=2), trace_id=2)])
    trace = store.get_trace(2)
    assert trace is not None
    assert record_of(trace.data.spans[0]).inputs == data
    store.close()


def test_what_was_taken_back_is_stored_again(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> None:
    """A transaction that failed leaves nothing behind that a later one would count on."""
    (data,) = conversation(3)[-1:]
    store = SQLiteStore(tmp_path / "s.db")
    bad = update(make_span(trace_id=2), trace_id=2, start_ns=2**80)
    with pytest.raises(Exception):  # noqa: B017 - what it is, is the recorder's affair
        store.write([update(make_span(inputs=data)), bad])
    store.write([update(make_span(inputs=data))])
    trace = store.get_trace(1)
    assert trace is not None
    assert record_of(trace.data.spans[0]).inputs == data
    store.close()


def test_an_open_span_shares_its_contents_when_it_ends(
    tmp_path: Path,
    query: Callable[..., list[tuple[Any, ...]]],
    make_span: Callable[..., Span],
    update: Callable[..., TraceUpdate],
) -> None:
    """Until then they stand in its row, to be replaced."""
    (data,) = conversation(3)[-1:]
    store = SQLiteStore(tmp_path / "s.db")
    store.write([update(make_span(inputs=data, end_time_ns=None))])
    trace = store.get_trace(1)
    assert trace is not None
    assert record_of(trace.data.spans[0]).inputs == data
    assert query("SELECT count(*) FROM contents", path=tmp_path / "s.db") == [(0,)]
    store.write([update(make_span(inputs=data))])
    trace = store.get_trace(1)
    assert trace is not None
    assert record_of(trace.data.spans[0]).inputs == data
    assert query("SELECT count(*) FROM uses", path=tmp_path / "s.db") == [(1,)]
    store.close()


def test_a_batch_is_looked_up_at_once(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> None:
    """However many contents it brings, also those that another batch has brought."""
    store = SQLiteStore(tmp_path / "s.db")
    asked: list[str] = []
    for first in (1, 101):
        batch = [
            update(make_span(inputs=data, trace_id=n), trace_id=n)
            for n, data in enumerate(conversation(100), first)
        ]
        with store._writer as connection:
            connection.set_trace_callback(asked.append)
        store.write(batch)
        store._contents.forget()
    store.close()
    about = [one for one in asked if one.startswith("SELECT") and "FROM contents" in one]
    assert 2 <= len(about) <= 4
    assert len([one for one in asked if "INTO lists" in one]) == 200


def test_an_answer_is_kept_once_though_the_next_turn_sends_it_again(
    tmp_path: Path, make_span: Callable[..., Span], update: Callable[..., TraceUpdate]
) -> None:
    """A choice has it as its message, the next request as an element of its list."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path)
    messages: list[Any] = [{"role": "user", "content": "hello " * 100}]
    asked = []
    for n in range(1, 4):
        answer = {"role": "assistant", "content": f"answer {n} " + LONG * 2, "refusal": None}
        choices = [{"index": 0, "message": answer, "finish_reason": "stop"}]
        both = orjson.dumps({"messages": messages}), orjson.dumps({"id": "a", "choices": choices})
        store.write([update(make_span(n, inputs=both[0], outputs=both[1]), trace_id=n)])
        asked.append(both)
        messages = [*messages, answer, {"role": "user", "content": f"and {n}?"}]
    found = [span for n in (1, 2, 3) if (one := store.get_trace(n)) for span in one.data.spans]
    assert [(record_of(span).inputs, record_of(span).outputs) for span in found] == asked
    store.close()
    assert path.read_bytes().count((LONG * 2).encode()) == 3
