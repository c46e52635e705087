"""The spans of a trace."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from tracetape.entities.span import Span
from tracetape.exceptions import InvalidTypeError
from tracetape.formats.json_text import json_text
from tracetape.formats.names import INTERMEDIATE_OUTPUTS

__all__ = ["TraceData", "in_order", "order_of"]


class _Place(Protocol):
    """The ids that place a span in its trace."""

    @property
    def _span_id(self) -> Any: ...
    @property
    def _parent_id(self) -> Any: ...
    @property
    def _start(self) -> int: ...


_Placed = TypeVar("_Placed", bound=_Place)


class TraceData:
    """The spans of a trace, in the order they began, parents first."""

    def __init__(self, spans: Sequence[Span] | None = None, **older: Any) -> None:
        """Hold `spans`, put in order.

        Args:
            spans: the spans of one trace.
            older: other fields, which an older MLflow gave: the spans have what they said.
        """
        del older
        self.spans: list[Span] = in_order(spans or ())

    @property
    def request(self) -> str | None:
        """The root span's inputs as JSON text, as ``json.dumps`` writes it."""
        return self._root_json("_inputs")

    @property
    def response(self) -> str | None:
        """The root span's outputs as JSON text, likewise."""
        return self._root_json("_outputs")

    @property
    def intermediate_outputs(self) -> dict[str, Any] | None:
        """Outputs of the spans below the root, by name; what `log_trace` was given, if anything.

        Of spans that share a name the first is ``<name>_1``, the second ``<name>_2`` and so on.
        None if there is nothing but a root.
        """
        root = self._root()
        given = None if root is None else root.get_attribute(INTERMEDIATE_OUTPUTS)
        if given:
            outputs: dict[str, Any] = given
            return outputs
        if len(self.spans) < 2:
            return None
        counts = Counter(span.name for span in self.spans)
        turns: Counter[str] = Counter()
        outputs = {}
        for span in self.spans:
            name = span.name
            if counts[name] > 1:
                turns[name] += 1
                name = f"{name}_{turns[name]}"
            if span.parent_id is not None and (value := span.outputs) is not None:
                outputs[name] = value
        return outputs

    def to_dict(self) -> dict[str, Any]:
        """As in MLflow's trace JSON (schema 3)."""
        return {"spans": [span.to_dict() for span in self.spans]}

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> TraceData:
        """The spans of MLflow's trace JSON, of schema 3 or 2.

        Raises:
            InvalidTypeError: it is not a dictionary.
            InvalidValueError: a span cannot be read.
        """
        if not isinstance(d, dict):
            raise InvalidTypeError(
                f"TraceData.from_dict() expects a dictionary. Got: {type(d).__name__}"
            )
        spans = d.get("spans") or ()
        if not isinstance(spans, (list, tuple)):
            raise InvalidTypeError(
                f"The spans of a trace must be a list. Got: {type(spans).__name__}"
            )
        return cls([Span.from_dict(span) for span in spans])

    def _root(self) -> Span | None:
        return next((span for span in self.spans if span.parent_id is None), None)

    def _root_json(self, slot: str) -> str | None:
        root = self._root()
        data: bytes | None = None if root is None else getattr(root, slot)
        return None if data is None else json_text(data)

    def __eq__(self, other: object) -> bool:
        return self.spans == other.spans if isinstance(other, TraceData) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its list of spans may change

    def __repr__(self) -> str:
        return f"TraceData(spans={self.spans!r})"


def in_order(spans: Sequence[_Placed]) -> list[_Placed]:
    """Spans by start time, a parent always before its children, whatever the clock says."""
    ids = {span._span_id for span in spans}
    by_start = sorted(spans, key=lambda span: span._start)
    if _is_in_order(by_start, ids):
        return by_start
    children: dict[Any, list[_Placed]] = {}
    for span in spans:
        # A parent in another process may not be there (yet); and no span is its own parent.
        inside = span._parent_id in ids and span._parent_id != span._span_id
        children.setdefault(span._parent_id if inside else None, []).append(span)
    turn = itertools.count()  # among equal times, the order in which they came
    ready = [(span._start, next(turn), span) for span in children.pop(None, [])]
    heapq.heapify(ready)
    ordered: list[_Placed] = []
    while ready:
        span = heapq.heappop(ready)[2]
        ordered.append(span)
        for child in children.pop(span._span_id, ()):
            heapq.heappush(ready, (child._start, next(turn), child))
    for circle in children.values():  # damaged data: parents in a circle; kept, at the end
        ordered.extend(circle)
    return ordered


class _Row:
    """A span of which only its place is known."""

    __slots__ = ("_parent_id", "_span_id", "_start", "index")

    def __init__(self, index: int, span_id: str, parent_id: str | None, start: int) -> None:
        self.index = index
        self._span_id, self._parent_id, self._start = span_id, parent_id, start


def order_of(places: Iterable[tuple[str, str | None, int]]) -> list[int]:
    """The indices of spans as `in_order` puts them, by id, parent's id and start."""
    return [row.index for row in in_order([_Row(n, *place) for n, place in enumerate(places)])]


def _is_in_order(by_start: Sequence[_Place], ids: set[Any]) -> bool:
    """Whether the clock alone decides: no two times are equal, and each parent began before."""
    seen: set[Any] = set()
    last: int | None = None
    for span in by_start:
        parent = span._parent_id
        if span._start == last or (
            parent in ids and parent not in seen and parent != span._span_id
        ):
            return False
        last = span._start
        seen.add(span._span_id)
    return True
