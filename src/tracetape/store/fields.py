"""The fields that a filter may name, and what can be compared with them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tracetape.entities import TraceState
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.store.query import Order, Value

__all__ = ["COMPARING", "MATCHING", "field_of", "mistake_in", "parse_order_by"]

# Other words for the fields of a trace.
_TRACE_KEYS = {
    "name": "name",
    "status": "status",
    "state": "status",
    "timestamp": "timestamp_ms",
    "timestamp_ms": "timestamp_ms",
    "execution_time": "execution_time_ms",
    "execution_time_ms": "execution_time_ms",
    "end_time": "end_time_ms",
    "end_time_ms": "end_time_ms",
    "request_id": "trace_id",
    "trace_id": "trace_id",
    "client_request_id": "client_request_id",
    "experiment_id": "experiment_id",
    "run_id": "run_id",
    "text": "text",
}
_NUMERIC = ("timestamp_ms", "execution_time_ms", "end_time_ms")
_SPAN_KEYS = ("name", "type", "status", "content")
_SUBJECTS = {
    "trace": "trace",
    "attribute": "trace",
    "attributes": "trace",
    "span": "span",
    "tag": "tag",
    "tags": "tag",
    "metadata": "metadata",
    "request_metadata": "metadata",
    "feedback": "feedback",
    "expectation": "expectation",
    "issue": "issue",
}
COMPARING = ("=", "!=", "<", "<=", ">", ">=")
MATCHING = ("LIKE", "ILIKE", "RLIKE")
_STATES = [state.value for state in TraceState]


_NAME = re.compile(r"`([^`]*)`|\"([^\"]*)\"|([^.`\"]+)")
_CLAUSE = re.compile(
    r"\s*(?P<field>(?:`[^`]*`|\"[^\"]*\"|[^\s`\"])+)(?:\s+(?P<way>ASC|DESC))?\s*", re.IGNORECASE
)
_SORTED = ("trace", "tag", "metadata")


def field_of(token: str) -> tuple[str, str]:
    """Subject and key (see `Comparison`) of a field as it is written.

    Raises:
        ValueError: there is no such field; the message lists those there are.
    """
    parts = _parts(token)
    if len(parts) == 1:
        subject = "trace"
    elif parts[0].lower() in _SUBJECTS:
        subject = _SUBJECTS[parts.pop(0).lower()]
    else:
        known = ", ".join(sorted(_SUBJECTS))
        raise ValueError(f"there is no {parts[0]!r}; a field begins with one of {known}")
    key = ".".join(parts)
    if subject == "trace":
        if key.lower() not in _TRACE_KEYS:
            known = ", ".join(sorted(_TRACE_KEYS))
            raise ValueError(f"Invalid attribute key {key!r} specified; there are {known}")
        return subject, _TRACE_KEYS[key.lower()]
    if subject == "span" and parts[0] == "attributes" and len(parts) > 1:
        return "attribute", ".".join(parts[1:])
    if subject == "span" and key not in _SPAN_KEYS:
        known = ", ".join(_SPAN_KEYS)
        raise ValueError(f"Invalid span attribute {key!r}; there are {known}, attributes.<name>")
    if subject == "issue" and key != "id":
        raise ValueError(f"Invalid issue attribute {key!r}; there is id")
    return subject, key


def mistake_in(
    field: str, subject: str, key: str, operator: str, values: Sequence[Value]
) -> str | None:
    """A warning about a comparison that can find nothing; None if all is well."""
    numeric = subject == "trace" and key in _NUMERIC
    textual = subject in ("trace", "span", "tag", "metadata", "issue") and not numeric
    if numeric and operator in MATCHING:
        return f"{field} is a number: compare it by {', '.join(COMPARING)}"
    full_text = (subject, key) in (("trace", "text"), ("span", "content"))
    if full_text and operator not in ("LIKE", "ILIKE"):
        return f"{field} is searched by {field} LIKE '%words%'"
    if textual and operator in ("<", "<=", ">", ">="):
        return f"{field} is a text: {operator} is for numbers"
    for value in values:
        if numeric and isinstance(value, str):
            return f"{field} is a number of milliseconds, not {value!r}"
        if operator in MATCHING and not isinstance(value, str):
            return f"{operator} takes a text in quotes, not {value!r}"
        if textual and not isinstance(value, str):
            return f"{field} is a text: put {value!r} in quotes"
        of_status = (subject, key) == ("trace", "status") and operator in ("=", "!=", "IN")
        if of_status and value not in _STATES:
            return f"unknown status {value!r}; choose from {', '.join(_STATES)}"
        if operator == "RLIKE":
            try:
                re.compile(str(value))
            except (re.error, RecursionError, OverflowError) as error:
                return f"{value!r} is not a regular expression: {error}"
    return None


def parse_order_by(clauses: Sequence[str] | None) -> tuple[Order, ...]:
    """The sort keys of clauses such as ``timestamp_ms DESC``.

    Raises:
        InvalidTypeError: they are not a list of strings.
        InvalidValueError: a clause names no field of a trace.
    """
    if clauses is None:
        return ()
    if isinstance(clauses, str) or not all(isinstance(clause, str) for clause in clauses):
        raise InvalidTypeError(f"order_by must be a list of strings, got {clauses!r}.")
    return tuple(_order(clause) for clause in clauses)


def _order(clause: str) -> Order:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise InvalidValueError(
            f"Invalid order_by clause {clause!r}: write a field, then ASC or DESC."
        )
    try:
        subject, key = field_of(found["field"])
    except ValueError:
        subject, key = "", ""
    if subject not in _SORTED or (subject, key) == ("trace", "text") or not key:
        known = ", ".join(sorted(set(_TRACE_KEYS) - {"text"}))
        raise InvalidValueError(
            f"Invalid attribute key {found['field']!r} specified in order_by: "
            f"sort by one of {known}, tag.<key>, metadata.<key>."
        )
    return Order(key, (found["way"] or "ASC").upper() == "ASC", subject)


def _parts(name: str) -> list[str]:
    return ["".join(found) for found in _NAME.findall(name)] or [name]
