"""The columns of the store: each is named once, with how it is written and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tracetape.store import codec

# A column more, as a migration would bring it: at the end, in front, and one that is shared, too.
_ADDED = """
import sys
from operator import attrgetter
from pathlib import Path
from tracetape.store import codec, schema

before, after = sys.argv[2].split(",")
TEXT = frozenset({str, bytes, type(None)})
mood = codec.Column("mood", attrgetter("name"), TEXT, "mood of {}".format)
draft = codec.Column("draft", attrgetter("inputs"), TEXT, bytes.decode, shared=True)
codec.SPANS = codec.Table([
    *([mood] if before == "before" else []),
    *codec.SPANS.columns,
    *([mood] if before == "after" else []),
    *([draft] if after == "shared" else []),
])
schema._MIGRATIONS.append(
    "ALTER TABLE spans ADD COLUMN mood TEXT;\\nALTER TABLE spans ADD COLUMN draft TEXT"
)
schema.VERSION += 1

import orjson
from tracetape.entities import SpanStatus
from tracetape.entities.span import record_of
from tracetape.entities.span_record import SpanRecord
from tracetape.exchange.jsonl import trace_json
from tracetape.exchange.new_traces import new_trace
from tracetape.store import SQLiteStore, TraceUpdate

text = orjson.dumps({"messages": [{"role": "user", "content": "long " * 200}]})
span = lambda number: SpanRecord(
    trace_id=1, span_id=number, parent_id=None, name="step", span_type="CHAIN",
    start_time_ns=number, end_time_ns=number + 1, inputs=text, outputs=text, attributes=None,
    fields=None, events=None, status=SpanStatus("OK"),
)
store = SQLiteStore(Path(sys.argv[1]) / "s.db")
store.write([TraceUpdate(1, 1, [span(1), span(2)])])
trace = store.get_trace(1)
assert [record_of(one).inputs for one in trace.data.spans] == [text, text]
(line,) = store.get_each([1], trace_json)
copy = SQLiteStore(Path(sys.argv[1]) / "copy.db")
assert copy.add([new_trace(orjson.loads(line))]) == set()
assert [record_of(one).outputs for one in copy.get_trace(1).data.spans] == [text, text]
store.close()
copy.close()
"""


@pytest.mark.parametrize("place", ["before,plain", "after,plain", "before,shared", "after,shared"])
def test_another_column_changes_neither_what_is_shared_nor_what_is_read(
    tmp_path: Path, run_python: Callable[..., object], place: str
) -> None:
    """A message that two spans have twice is in the file once, wherever a column is added."""
    run_python(_ADDED, str(tmp_path), place)
    for name in ("s.db", "copy.db"):
        assert (tmp_path / name).read_bytes().count(b"long " * 200) == 1
    assert b"mood of step" in (tmp_path / "s.db").read_bytes()


_OLDER = """
import sys
from pathlib import Path
import tracetape
from tracetape.store import codec, schema
from tracetape.store.readonly import look_into

path = Path(sys.argv[1]) / "older.db"
with tracetape.configure(store=str(path)):
    with tracetape.start_span("step"):
        pass
    assert tracetape.flush(20) == 0
mood = codec.Column("mood", lambda span: None, frozenset({str, type(None)}), optional=True)
codec.SPANS = codec.Table([*codec.SPANS.columns, mood])
schema._MIGRATIONS.append("ALTER TABLE spans ADD COLUMN mood TEXT")
schema.VERSION += 1
before = path.read_bytes()
connection = look_into(path)
rows = connection.execute(f"SELECT {codec.SPANS.select} FROM spans").fetchall()
assert rows[0][-1] is None, rows
assert path.read_bytes() == before
connection.close()
"""


def test_who_only_reads_an_older_file_sees_the_columns_that_it_lacks(
    tmp_path: Path, run_python: Callable[..., object]
) -> None:
    """They are NULL; the file stays as it is."""
    run_python(_OLDER, str(tmp_path))


def test_a_row_is_made_of_values_by_name() -> None:
    """Who knows values by their columns' names need not know their order."""
    row = codec.SPANS.row_of({"outputs": "{}", "span_id": "a"})
    assert row[codec.SPANS.position("outputs")] == "{}"
    assert dict(zip(codec.SPANS.names, row, strict=True))["span_id"] == "a"
    assert codec.SPANS.by_name([row])["fields"] == (None,)
