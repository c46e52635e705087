"""Assessments to table rows and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import orjson

from tracetape._lazy import loading
from tracetape.capture import encode
from tracetape.capture.conversion import utf8_text
from tracetape.entities import TraceInfo
from tracetape.store.unreadable import Unreadable, checked

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment

__all__ = ["add_assessments", "remove_assessments", "write_assessments"]

_WRITE = """
    INSERT INTO assessments (assessment_id, trace, kind, name, valid, value, data)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (assessment_id) DO UPDATE SET
        name = excluded.name, valid = excluded.valid, value = excluded.value, data = excluded.data
"""


def write_assessments(
    connection: sqlite3.Connection, trace: int, assessments: Iterable[Assessment]
) -> None:
    """Add them to the trace with this row id, or bring them up to date."""
    with loading:
        from tracetape.entities.assessment import Expectation, Feedback

    for one in assessments:
        has_value = isinstance(one, (Feedback, Expectation))
        kind = "feedback" if isinstance(one, Feedback) else "expectation" if has_value else "issue"
        value = encode(one.value).decode() if isinstance(one, (Feedback, Expectation)) else None
        data = encode(one.to_dictionary()).decode()
        connection.execute(
            _WRITE,
            (
                one.assessment_id,
                trace,
                kind,
                utf8_text(one.name),
                one.valid is not False,
                value,
                data,
            ),
        )


def remove_assessments(connection: sqlite3.Connection, trace: int, ids: Iterable[str]) -> None:
    """Remove these from the trace with this row id."""
    connection.executemany(
        "DELETE FROM assessments WHERE trace = ? AND assessment_id = ?",
        [(trace, one) for one in ids],
    )


def add_assessments(
    connection: sqlite3.Connection, infos: Sequence[tuple[int, TraceInfo]], unreadable: Unreadable
) -> None:
    """Fill in those of these traces, each with its row id, in the order of their making."""
    by_row = dict(infos)
    rows = connection.execute(
        "SELECT id, trace, data FROM assessments "
        "WHERE trace IN (SELECT value FROM json_each(?)) ORDER BY id",
        (orjson.dumps(list(by_row)).decode(),),
    )
    for key, trace, data in rows:
        with loading:
            from tracetape.entities.assessment import Assessment  # most stores never need it

        try:
            found = Assessment.from_dictionary(orjson.loads(checked("JSON", data, str)))
        except Exception as error:  # noqa: BLE001 - whatever it is that it lacks
            unreadable.add("assessment", key, f"of {by_row[trace].trace_id}: {error}")
            continue
        by_row[trace].assessments.append(found)
