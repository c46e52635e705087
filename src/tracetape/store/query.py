"""Queries as values that any kind of store can carry out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

__all__ = ["And", "Comparison", "Condition", "Not", "Or", "Order", "TraceQuery", "Value", "names"]

Value = Union[str, int, float, "tuple[str | int | float, ...]", None]


@dataclass(frozen=True)
class Comparison:
    """One comparison of a filter.

    Attributes:
        subject: ``trace``, ``span``, ``attribute`` (of spans), ``tag``, ``metadata``,
            ``feedback``, ``expectation`` or ``issue``.
        key: of ``trace`` and ``span`` one of the names that `filters.py` lists, else any.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``LIKE``, ``ILIKE``, ``RLIKE``,
            ``IN``, ``NOT IN``, ``IS NULL`` or ``IS NOT NULL``.
        value: a text, a number, several for ``IN``, None for ``IS NULL``.
    """

    subject: str
    key: str
    operator: str
    value: Value = None


@dataclass(frozen=True)
class And:
    """Every one of `parts` holds; those about spans hold for one and the same span."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Or:
    """One of `parts` holds at least."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """`part` does not hold."""

    part: Condition


Condition = Comparison | And | Or | Not


@dataclass(frozen=True)
class Order:
    """One key to sort by: the name of a trace's field, or a tag's or metadata's key.

    Traces without that tag come last.
    """

    key: str
    ascending: bool = True
    subject: str = "trace"


@dataclass(frozen=True)
class TraceQuery:
    """Which traces, in which order: without `order` the newest first.

    Attributes:
        condition: None: all.
        order: the first one counts most.
        limit: at most so many; None: all.
        offset: so many are passed over first.
    """

    condition: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


def names(condition: Condition | None, subject: str, key: str, value: str) -> bool:
    """Whether `condition` says `value` of this field anywhere."""
    if condition is None:
        return False
    if isinstance(condition, Not):
        return names(condition.part, subject, key, value)
    if isinstance(condition, Comparison):
        said = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        return (condition.subject, condition.key) == (subject, key) and value in said
    return any(names(part, subject, key, value) for part in condition.parts)
