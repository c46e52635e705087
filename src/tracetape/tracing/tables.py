"""Traces as a pandas DataFrame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tracetape._modules import is_installed
from tracetape.entities import Span, Trace
from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["ExtractedField", "has_pandas", "parse_fields", "traces_to_dataframe"]

_FIELD = re.compile(
    r"(?:`(?P<quoted_span>[^`]*)`|(?P<span>[^`.]+))\.(?P<side>[^.`]*)"
    r"(?:\.(?:`(?P<quoted_key>[^`]*)`|(?P<key>[^`]+)))?"
)


@dataclass(frozen=True)
class ExtractedField:
    """A column that a span's inputs or outputs fill.

    Attributes:
        span: the span's name.
        side: ``inputs`` or ``outputs``.
        key: of the value that is taken; None: all of it.
    """

    span: str
    side: str
    key: str | None

    @property
    def column(self) -> str:
        """The column's name."""
        return ".".join(part for part in (self.span, self.side, self.key) if part is not None)

    def value_of(self, trace: Trace) -> Any:
        """The field of the last span of this name; None if it is missing."""
        value = None
        for span in trace.data.spans:
            if span.name == self.span:
                value = self._of_span(span)
        return value

    def _of_span(self, span: Span) -> Any:
        whole = span.inputs if self.side == "inputs" else span.outputs
        if self.key is None:
            return whole
        return whole.get(self.key) if isinstance(whole, dict) else None


def parse_fields(fields: Sequence[str]) -> list[ExtractedField]:
    """The columns that `extract_fields` names.

    Raises:
        InvalidTypeError: it is not a list of strings.
        InvalidValueError: one is not of the form ``span.inputs`` or ``span.outputs.key``.
    """
    if isinstance(fields, str) or not all(isinstance(field, str) for field in fields):
        raise InvalidTypeError(f"extract_fields must be a list of strings, got {fields!r}.")
    return [_parse(field) for field in fields]


def has_pandas() -> bool:
    """Whether pandas can be imported."""
    return is_installed("pandas")


def traces_to_dataframe(traces: Sequence[Trace], fields: Sequence[ExtractedField]) -> Any:
    """A row for each trace, with the columns of `Trace.to_pandas_dataframe_row` and `fields`."""
    import pandas  # type: ignore[import-untyped]

    rows = [
        {**trace.to_pandas_dataframe_row(), **{one.column: one.value_of(trace) for one in fields}}
        for trace in traces
    ]
    columns = [*Trace.pandas_dataframe_columns(), *(one.column for one in fields)]
    return pandas.DataFrame.from_records(rows, columns=columns)


def _parse(field: str) -> ExtractedField:
    match = _FIELD.fullmatch(field)
    side = match["side"] if match else ""
    if match is None or side not in ("inputs", "outputs"):
        raise InvalidValueError(
            f"{_mistake(field)} in extract_fields: {field!r}. Expected 'inputs' or 'outputs' of a "
            "span, as in span.inputs or span.outputs.key, and names with dots in back-ticks."
        )
    span = match["quoted_span"] if match["span"] is None else match["span"]
    key = match["quoted_key"] if match["key"] is None else match["key"]
    return ExtractedField(span, side, key)


def _mistake(field: str) -> str:
    """The error of a field, in MLflow's words."""
    before, quote, after = field.partition("`")
    if not quote:
        return "Invalid field type"
    _, closed, rest = after.partition("`")
    if not closed:
        return "Expected closing backtick"
    if before:
        return "Unexpected characters after closing backtick" if rest else "Invalid field type"
    if not rest.startswith("."):
        return "Expected dot after span name"
    return "Invalid field type" if "`" not in rest else _mistake(rest[1:])
