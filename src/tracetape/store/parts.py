"""Parts of a filter: what they are about, which table answers them, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from tracetape.formats import names as wire
from tracetape.store import query as q
from tracetape.store.briefs import BRIEFLESS

__all__ = [
    "asks_for_none",
    "cost_of",
    "flattened",
    "is_brief",
    "is_content",
    "is_of_kind",
    "is_of_span",
]

_INDEXED = ("trace_id", "status", "timestamp_ms")


def is_brief(condition: q.Condition) -> bool:
    """Whether the traces' briefs alone answer it."""
    if isinstance(condition, q.Not):
        return is_brief(condition.part)
    if not isinstance(condition, q.Comparison):
        return all(map(is_brief, condition.parts))
    if condition.subject == "metadata":
        return condition.key not in (*BRIEFLESS, wire.SESSION)
    if condition.subject == "trace":
        return condition.key not in ("text", "trace_id")
    return condition.subject == "tag"


def cost_of(condition: q.Condition) -> int:
    """How much a part takes: an index, the traces' briefs, the spans', texts."""
    if isinstance(condition, q.Not):
        return cost_of(condition.part)
    if not isinstance(condition, q.Comparison):
        return max(map(cost_of, condition.parts))
    if (condition.subject, condition.key) == ("trace", "text") or is_content(condition):
        return 5
    if condition.subject == "trace":
        return 0 if condition.key in _INDEXED else 2
    if condition.subject == "metadata" and condition.key == wire.SESSION:
        return 0
    if condition.subject in ("tag", "metadata"):
        return 2
    if condition.subject == "span":
        return 3
    return 4 if condition.subject == "attribute" else 1


def flattened(parts: Sequence[q.Condition]) -> tuple[q.Condition, ...]:
    """`parts`, and in place of an AND what is in it."""
    flat: list[q.Condition] = []
    for part in parts:
        flat.extend(flattened(part.parts) if isinstance(part, q.And) else (part,))
    return tuple(flat)


def is_of_span(one: q.Condition) -> TypeGuard[q.Comparison]:
    """Whether it says something of one span."""
    return isinstance(one, q.Comparison) and one.subject in ("span", "attribute")


def is_of_kind(one: q.Comparison) -> bool:
    """Whether the kind of a span answers it."""
    return (one.subject == "span" and one.key != "content") or one.key == wire.SPAN_TYPE


def is_content(one: q.Condition) -> TypeGuard[q.Comparison]:
    """Whether it looks for a text in one span."""
    return isinstance(one, q.Comparison) and (one.subject, one.key) == ("span", "content")


def asks_for_none(parts: Sequence[q.Comparison]) -> bool:
    """Whether one of them holds where something is absent."""
    return any(one.operator == "IS NULL" for one in parts)
