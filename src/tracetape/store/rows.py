"""Spans and trace infos to table rows and back, by the columns of `codec`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracetape.entities import Span, SpanStatus, TraceInfo
from tracetape.entities.attachment import Attachment
from tracetape.entities.span_record import SpanRecord
from tracetape.formats.names import FOREIGN_TRACE_ID, LINKS
from tracetape.live.summary import make_info
from tracetape.store.codec import SPANS, TRACES, Column
from tracetape.store.dedup import ContentReader
from tracetape.store.protocol import COST_KINDS, MAX_TIME, TOKEN_KINDS, TraceUpdate
from tracetape.store.unreadable import UnreadableError

__all__ = [
    "NewTrace",
    "infos_from_rows",
    "span_from_row",
    "span_rows",
    "spans_from_rows",
    "trace_number",
    "update_rows",
]

_TRACE_ID = TRACES.columns[TRACES.position("trace_id")]
_Row = tuple[Any, ...]


@dataclass(slots=True)
class NewTrace:
    """The rows of a trace.

    Attributes:
        number: the 128-bit id.
        row: the values of `TRACES`.
        session: of the metadata.
        spans: the values of `SPANS`, in order; large inputs and outputs as their pieces.
        references: ids of the attachments that its values name.
        size: bytes, about.
        attachments: their content, by id.
    """

    number: int
    row: _Row
    session: str | None
    spans: list[_Row]
    references: list[str]
    size: int
    attachments: dict[str, Attachment] = field(default_factory=dict)


def update_rows(updates: Sequence[TraceUpdate]) -> list[dict[str, Any]]:
    """The cells of updates of traces, each by the names of `TRACES`."""
    return [dict(zip(TRACES.names, row, strict=True)) for row in TRACES.rows(updates)]


def infos_from_rows(rows: Sequence[_Row]) -> list[TraceInfo]:
    """The infos in rows of `TRACES`.

    Raises:
        UnreadableError: one holds what tracetape never writes.
    """
    columns = TRACES.values(rows)
    infos = []
    for cells in zip(*columns.values(), strict=True):
        value = dict(zip(columns, cells, strict=True))
        start, end = value["start_ns"], value["end_ns"]
        _check_times(start, end)
        info = make_info(
            f"tr-{value['trace_id']:032x}",
            state=value["state"],
            start_ns=start,
            end_ns=end,
            name=value["name"],
            request_preview=value["request_preview"],
            response_preview=value["response_preview"],
            # SQLite's sums are real numbers where they are too large for whole ones.
            tokens={kind: int(value[kind]) for kind in TOKEN_KINDS if value[kind] is not None},
            cost={kind: value[kind] for kind in COST_KINDS if value[kind] is not None},
            tags=value["tags"],
            metadata=value["metadata"],
            client_request_id=value["client_request_id"],
            experiment_id=value["experiment_id"],
            span_count=value["span_count"],
            error_count=value["error_count"],
        )
        infos.append(info)
    return infos


def span_rows(traces: Sequence[int], spans: Sequence[SpanRecord]) -> list[_Row]:
    """The rows of spans: of each its ``trace``, and the cells of `SPANS`."""
    return SPANS.rows(spans, traces)


def spans_from_rows(trace_id: int, rows: Sequence[_Row], contents: ContentReader) -> list[Span]:
    """The spans of a trace that rows of `SPANS` hold, their values read from `contents`.

    Raises:
        LookupError, TypeError, ValueError: one holds what tracetape never writes;
            `span_from_row` reads what it can of it.
    """
    return _spans(trace_id, SPANS.values(rows, contents))


def span_from_row(
    trace_id: int,
    row: _Row,
    contents: ContentReader,
    skipped: Callable[[str, str], None],
) -> Span:
    """The span that a row of `SPANS` holds, without the values that cannot be read.

    Args:
        trace_id: the trace's number.
        row: the columns.
        contents: where values are.
        skipped: called with the name of a value that cannot be read, and the reason: the span has
            none then, or the text as it is, if that is not JSON.

    Raises:
        UnreadableError: the row holds what tracetape never writes.
    """
    values = {
        column.name: [_optional(column, cell, contents, skipped)]
        if column.optional
        else column.values([cell])
        for column, cell in zip(SPANS.columns, row, strict=True)
    }
    (span,) = _spans(trace_id, values)
    return span


def _optional(
    column: Column, cell: Any, contents: ContentReader, skipped: Callable[[str, str], None]
) -> Any:
    """The value of a column that a span may lack; the arguments are as of `span_from_row`."""
    try:
        return column.values([cell], contents)[0]
    except UnreadableError as error:
        skipped(column.name, str(error))
    except ValueError as error:
        if column.shared:
            skipped(column.name, f"no JSON, and shown as text: {error}")
            return contents.read(cell).decode(errors="replace").encode()
        skipped(column.name, f"its {column.name} are {error}")
    return None


def _spans(trace_id: int, values: dict[str, Sequence[Any]]) -> list[Span]:
    """The spans of these values, by column."""
    statuses = map(SpanStatus, values["status"], values["status_description"])
    spans = []
    for (
        span_id,
        parent_id,
        name,
        kind,
        start,
        end,
        inputs,
        outputs,
        attributes,
        fields,
        events,
        status,
    ) in zip(*map(values.__getitem__, _OF_SPAN), statuses, strict=True):
        _check_times(start, end)
        links, foreign = _beside(fields)
        record = SpanRecord(
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent_id,
            name=name,
            span_type=kind,
            start_time_ns=start,
            end_time_ns=end,
            inputs=inputs,
            outputs=outputs,
            attributes=attributes,
            fields=fields or None,
            events=events,
            status=status,
            links=links,
            foreign_trace_id=foreign,
        )
        spans.append(Span(record))
    return spans


def _beside(fields: dict[str, Any] | None) -> tuple[list[Any] | None, str | None]:
    """Take the links and the foreign id of the trace out of what is stored with the fields."""
    if not fields or not (LINKS in fields or FOREIGN_TRACE_ID in fields):
        return None, None
    links = fields.pop(LINKS) if isinstance(fields.get(LINKS), list) else None
    is_text = isinstance(fields.get(FOREIGN_TRACE_ID), str)
    return links, fields.pop(FOREIGN_TRACE_ID) if is_text else None


# In the order in which `_spans` takes them.
_OF_SPAN = (
    "span_id",
    "parent_id",
    "name",
    "type",
    "start_ns",
    "end_ns",
    "inputs",
    "outputs",
    "attributes",
    "fields",
    "events",
)


def trace_number(text: Any) -> int:
    """The 128-bit id that the column ``trace_id`` holds.

    Raises:
        UnreadableError: it is not one.
    """
    number: int = _TRACE_ID.values([text])[0]
    return number


def _check_times(start: int, end: int | None) -> None:
    if end is not None and abs(end - start) > MAX_TIME:
        raise UnreadableError(f"its end is {(end - start) // 10**9} s after its start")
