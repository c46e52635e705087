"""The columns of the tables: what each keeps of a span or a trace, and how it is read back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from tracetape._json import dumps
from tracetape.capture import encode
from tracetape.capture.conversion import text_of, utf8_text
from tracetape.entities import SpanStatusCode, TraceState
from tracetape.entities.span_record import SpanRecord
from tracetape.formats.names import FOREIGN_TRACE_ID, LINKS
from tracetape.live.live_trace import TraceDetails
from tracetape.store.protocol import COST_KINDS, MAX_TIME, TOKEN_KINDS, TraceUpdate
from tracetape.store.unreadable import UnreadableError, checked

if TYPE_CHECKING:
    from tracetape.store.dedup import ContentReader

__all__ = ["SPANS", "TRACES", "Column", "Table"]

_TRACE_ID, _SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")
_NULL: type = type(None)
_NO_DETAILS = TraceDetails()
_TEXT, _TEXT_OR_NULL = frozenset({str}), frozenset({str, _NULL})
_WHOLE, _WHOLE_OR_NULL = frozenset({int}), frozenset({int, _NULL})
_NUMBER_OR_NULL = frozenset({int, float, _NULL})
_Kind = TypeVar("_Kind", bound=Enum)
_Row = tuple[Any, ...]
_Cell = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: as in the schema.
        of: the value that a span, or an update of a trace, has for it.
        types: of its cells; a cell of another type was not written by tracetape.
        to_row: the cell for a value; a column that may be NULL asks it for no None. None: the
            value is the cell.
        from_row: the value of a cell that is not NULL; of a shared column, of the JSON that
            it refers to. It raises `ValueError` for what tracetape never writes.
        shared: whether large parts of it are kept once, in ``contents`` and ``lists``.
        optional: whether a span can be read without it.
    """

    name: str
    of: _Cell
    types: frozenset[type]
    to_row: _Cell | None = None
    from_row: _Cell | None = None
    shared: bool = False
    optional: bool = False

    def cells(self, values: Iterable[Any]) -> Iterable[Any]:
        """The cells of these spans, or updates."""
        of_each = map(self.of, values)
        if self.to_row is None:
            return of_each
        to_row = self.to_row
        if _NULL not in self.types:  # None is a value like others: a program may name a span so
            return map(to_row, of_each)
        return [None if value is None else to_row(value) for value in of_each]

    def values(self, cells: Sequence[Any], contents: ContentReader | None = None) -> Sequence[Any]:
        """The values of cells, those of a shared column read from `contents`.

        Raises:
            LookupError, TypeError, ValueError: tracetape never writes one of them.
        """
        if not self.types.issuperset(map(type, cells)):
            odd = next(cell for cell in cells if type(cell) not in self.types)
            checked(self.name, odd, str if str in self.types else int)
        if self.shared and contents is not None:
            read = contents.read
            cells = [None if cell is None else read(cell) for cell in cells]
        if self.from_row is None:
            return cells
        from_row = self.from_row
        return [None if cell is None else from_row(cell) for cell in cells]


class Table:
    """The columns of a table that are written, in order.

    Attributes:
        columns: all of them.
        names: their names.
        select: the same, for SQL.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        """Take the columns in order."""
        self.columns = tuple(columns)
        self.names = tuple(column.name for column in self.columns)
        self.select = ", ".join(self.names)

    def position(self, name: str) -> int:
        """The position of a column in a row."""
        return self.names.index(name)

    def shared_positions(self) -> list[int]:
        """The positions of the shared columns in a row."""
        return [at for at, column in enumerate(self.columns) if column.shared]

    def rows(self, values: Sequence[Any], *before: Iterable[Any]) -> list[_Row]:
        """The rows of spans, or of updates of traces, each with a cell of `before` first."""
        cells = [column.cells(values) for column in self.columns]
        return list(zip(*before, *cells, strict=True))

    def row_of(self, values: Mapping[str, Any]) -> _Row:
        """The row of cells by name; a column that they lack is NULL."""
        return tuple(map(values.get, self.names))

    def by_name(self, rows: Sequence[_Row], *before: str) -> dict[str, Sequence[Any]]:
        """The cells of rows, which have the columns `before` first, by column."""
        names = (*before, *self.names)
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return dict(zip(names, columns, strict=True))

    def values(
        self, rows: Sequence[_Row], contents: ContentReader | None = None
    ) -> dict[str, Sequence[Any]]:
        """The values of rows by column; the arguments and errors are as of `Column.values`."""
        cells = self.by_name(rows)
        return {column.name: column.values(cells[column.name], contents) for column in self.columns}


def _plain(text: Any) -> str:
    if type(text) is str and text.isascii():
        return text
    # SQLite takes neither a subclass of str nor a lone surrogate.
    return utf8_text(text_of(text))


def _id(form: re.Pattern[str]) -> _Cell:
    """The reader of an id, which gives its number."""

    def from_row(cell: Any) -> int:
        if form.fullmatch(cell):
            return int(cell, 16)
        raise UnreadableError(f"its id is {cell[:40]!r}")

    return from_row


def _one_of(name: str, kind: type[_Kind]) -> _Cell:
    """The reader of a word that names a member of an enumeration."""
    members = {member.value: member for member in kind}

    def from_row(cell: Any) -> _Kind:
        member = members.get(cell)
        if member is None:
            raise UnreadableError(f"its {name} is {cell[:40]!r}")
        return member

    return from_row


def _object(text: Any) -> dict[str, Any]:
    value = orjson.loads(text)
    found: dict[str, Any] = value if type(value) is dict else checked("JSON", value, dict)
    return found


def _texts(name: str) -> _Cell:
    """The reader of a JSON object of strings; what else was put there it gives as text."""

    def from_row(cell: Any) -> dict[str, str]:
        try:
            given = _object(cell)
        except orjson.JSONDecodeError as error:
            raise UnreadableError(f"its {name} are {error}") from None
        return {
            key: value if type(value) is str else encode(value).decode()
            for key, value in given.items()
        }

    return from_row


def _attributes_to_row(attributes: Any) -> str | None:
    if not attributes:
        return None
    parts = {
        _plain(key): orjson.Fragment(value if type(value) is bytes else encode(value))
        for key, value in list(attributes.items())
    }
    return orjson.dumps(parts).decode()


def _attributes_from_row(text: Any) -> dict[str, Any]:
    # Scalars as they are; the rest as JSON, so that each access decodes its own copy.
    return {
        key: dumps(value) if isinstance(value, (dict, list)) else value
        for key, value in _object(text).items()
    }


def _events_to_row(events: Any) -> str | None:
    if not events:
        return None
    return orjson.dumps(
        [[_plain(name), at, orjson.Fragment(data)] for name, at, data in list(events)]
    ).decode()


def _events_from_row(text: Any) -> list[tuple[str, int, bytes]]:
    events = []
    for event in checked("JSON", orjson.loads(text), list):
        if type(event) is not list or len(event) != 3:
            raise UnreadableError(f"its event is {str(event)[:40]}")
        name, at, data = event
        events.append((checked("event", name, str), checked("time", at, int), dumps(data)))
    return events


def _json_from_row(data: bytes) -> bytes:
    orjson.loads(data)
    return data


def _with_fields(span: SpanRecord) -> dict[str, Any] | None:
    """The fields, and with them what few spans have: links, and the trace's id elsewhere."""
    fields = span.fields
    if span.links:
        fields = {**(fields or {}), LINKS: span.links}
    if span.foreign_trace_id is not None:
        fields = {**(fields or {}), FOREIGN_TRACE_ID: span.foreign_trace_id}
    return fields


def _fields_to_row(fields: Any) -> str | None:
    return encode(fields).decode() if fields else None


def _amount(kind: str) -> Column:
    """The column of a sum."""

    def of(update: TraceUpdate) -> Any:
        return None if update.sums is None else update.sums.get(kind)

    def to_row(value: float) -> Any:
        # A whole number that is too large for a column is a mistake.
        return None if isinstance(value, int) and abs(value) > MAX_TIME else value

    def from_row(cell: Any) -> Any:
        return cell if math.isfinite(cell) else None

    return Column(kind, of, _NUMBER_OR_NULL, to_row, from_row)


def _of_details(name: str) -> _Cell:
    """Gives a value of the details of an update."""

    def of(update: TraceUpdate) -> Any:
        return getattr(update.details or _NO_DETAILS, name)

    return of


def _encoded(value: Any) -> str:
    return encode(value).decode() if value else "{}"


_of = attrgetter
_JSON = frozenset({str, bytes, _NULL})  # bytes refer to contents
TRACES = Table(
    [
        Column("trace_id", _of("trace_id"), _TEXT, "{:032x}".format, _id(_TRACE_ID)),
        Column("state", _of("state"), _TEXT, _of("value"), _one_of("state", TraceState)),
        Column("start_ns", _of("start_ns"), _WHOLE),
        Column("end_ns", _of("end_ns"), _WHOLE_OR_NULL),
        Column("name", _of("name"), _TEXT_OR_NULL, _plain),
        Column("span_count", _of("span_count"), _WHOLE),
        Column("error_count", _of("error_count"), _WHOLE),
        *map(_amount, TOKEN_KINDS),
        *map(_amount, COST_KINDS),
        *(
            Column(name, _of_details(name), _TEXT_OR_NULL, _plain)
            for name in ("client_request_id", "experiment_id")
        ),
        Column("request_preview", _of("request_preview"), _TEXT_OR_NULL, _plain),
        Column("response_preview", _of("response_preview"), _TEXT_OR_NULL, _plain),
        *(
            Column(name, _of_details(name), _TEXT, _encoded, _texts(name))
            for name in ("tags", "metadata")
        ),
    ]
)
SPANS = Table(
    [
        Column("span_id", _of("span_id"), _TEXT, "{:016x}".format, _id(_SPAN_ID)),
        Column("parent_id", _of("parent_id"), _TEXT_OR_NULL, "{:016x}".format, _id(_SPAN_ID)),
        Column("name", _of("name"), _TEXT, _plain),
        Column("type", _of("span_type"), _TEXT, _plain),
        Column("start_ns", _of("start_time_ns"), _WHOLE),
        Column("end_ns", _of("end_time_ns"), _WHOLE_OR_NULL),
        Column(
            "status",
            _of("status.status_code.value"),
            _TEXT,
            None,
            _one_of("status", SpanStatusCode),
        ),
        Column("status_description", _of("status.description"), _TEXT, _plain),
        Column("fields", _with_fields, _TEXT_OR_NULL, _fields_to_row, _object, optional=True),
        Column(
            "attributes",
            _of("attributes"),
            _TEXT_OR_NULL,
            _attributes_to_row,
            _attributes_from_row,
            optional=True,
        ),
        Column(
            "events", _of("events"), _TEXT_OR_NULL, _events_to_row, _events_from_row, optional=True
        ),
        *(
            Column(name, of, _JSON, bytes.decode, _json_from_row, shared=True, optional=True)
            for name, of in (("inputs", _of("inputs")), ("outputs", _of("outputs")))
        ),
    ]
)
