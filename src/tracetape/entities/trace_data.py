"""The spans of a trace."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from tracetape.entities.span import Span, record_of
from tracetape.exceptions import InvalidTypeError
from tracetape.formats.json_text import json_text
from tracetape.formats.names import INTERMEDIATE_OUTPUTS

__all__ = ["TraceData", "order_of"]

_Place: TypeAlias = tuple[Any, Any, int]  # a span's id, its parent's, and its start


class TraceData:
    """The spans of a trace, in the order they began, parents first."""

    def __init__(self, spans: Sequence[Span] | None = None, **older: Any) -> None:
        """Hold `spans`, put in order.

        Args:
            spans: the spans of one trace.
            older: other fields, which an older MLflow gave: the spans have what was in them.
        """
        del older
        self.spans: list[Span] = _in_order(list(spans or ()))

    @property
    def request(self) -> str | None:
        """The root span's inputs as JSON text, as ``json.dumps`` writes it."""
        root = self._root()
        return None if root is None else _json_text(record_of(root).inputs)

    @property
    def response(self) -> str | None:
        """The root span's outputs as JSON text, likewise."""
        root = self._root()
        return None if root is None else _json_text(record_of(root).outputs)

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

    def __eq__(self, other: object) -> bool:
        return self.spans == other.spans if isinstance(other, TraceData) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its list of spans may change

    def __repr__(self) -> str:
        return f"TraceData(spans={self.spans!r})"


def _json_text(data: bytes | None) -> str | None:
    return None if data is None else json_text(data)


def _in_order(spans: list[Span]) -> list[Span]:
    records = [record_of(span) for span in spans]
    places = [(one.span_id, one.parent_id, one.start_time_ns) for one in records]
    return [spans[index] for index in order_of(places)]


def order_of(given: Iterable[_Place]) -> list[int]:
    """The indices of spans by start, a parent always before its children, whatever the clock says.

    Args:
        given: of each span its id, its parent's id, and its start.
    """
    places = list(given)
    ids = {span_id for span_id, _, _ in places}
    by_start = sorted(range(len(places)), key=lambda index: places[index][2])
    if _is_in_order([places[index] for index in by_start], ids):
        return by_start
    children: dict[Any, list[int]] = {}
    for index, (span_id, parent_id, _) in enumerate(places):
        # A parent in another process may not be there (yet); and no span is its own parent.
        inside = parent_id in ids and parent_id != span_id
        children.setdefault(parent_id if inside else None, []).append(index)
    turn = itertools.count()  # among equal times, the order in which they came
    ready = [(places[index][2], next(turn), index) for index in children.pop(None, [])]
    heapq.heapify(ready)
    ordered: list[int] = []
    while ready:
        index = heapq.heappop(ready)[2]
        ordered.append(index)
        for child in children.pop(places[index][0], ()):
            heapq.heappush(ready, (places[child][2], next(turn), child))
    for circle in children.values():  # damaged data: parents in a circle; kept, at the end
        ordered.extend(circle)
    return ordered


def _is_in_order(by_start: Sequence[_Place], ids: set[Any]) -> bool:
    """Whether the clock alone decides: no two times are equal, and each parent began before."""
    seen: set[Any] = set()
    last: int | None = None
    for span_id, parent_id, start in by_start:
        if start == last or (parent_id in ids and parent_id not in seen and parent_id != span_id):
            return False
        last = start
        seen.add(span_id)
    return True
