"""The floor: what any span must cost, written by hand, and how ratios to it are taken.

A floor span is a slots class, one context variable, two clock reads, one random id, one append.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_current: ContextVar[Any] = ContextVar("floor", default=None)
_bits = random.Random().getrandbits
_done: deque[Any] = deque(maxlen=10_000)


class _Span:
    __slots__ = ("end", "name", "parent", "span_id", "start")

    def __init__(self, name: str, span_id: int, parent: Any, start: int) -> None:
        self.name = name
        self.span_id = span_id
        self.parent = parent
        self.start = start


class _Scope:
    __slots__ = ("name", "span")

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> _Span:
        parent = _current.get()
        span = self.span = _Span(self.name, _bits(64), parent, time.perf_counter_ns())
        _current.set(span)
        return span

    def __exit__(self, *exc: object) -> None:
        span = self.span
        span.end = time.perf_counter_ns()
        _current.set(span.parent)
        _done.append(span)


def floor_span() -> None:
    with _Scope("span"):
        pass


def measure(
    cases: dict[str, Callable[[], Any]],
    *,
    between: Callable[[], Any] = lambda: None,
    rounds: int = 31,
    count: int = 1000,
) -> dict[str, dict[str, float]]:
    """Medians of each case and its ratio to the floor, taken in turns.

    The machine's speed drifts: a round measures the floor and every case once, and a case's
    ratio is the median of its rounds' ratios.

    Args:
        cases: what to time, by name.
        between: called after each timing, outside of it (let a background thread catch up).
        rounds: how many ratios there are of each case.
        count: calls a timing.

    Returns:
        For each case ``microseconds`` and ``floors``.
    """
    times: dict[str, list[float]] = {name: [] for name in ["floor", *cases]}
    for case in cases.values():
        case()  # what is loaded on first use
    for _ in range(rounds):
        for name, case in {"floor": floor_span, **cases}.items():
            gc.collect()
            began = time.perf_counter()
            for _ in range(count):
                case()
            times[name].append((time.perf_counter() - began) / count * 1e6)
            between()
    return {
        name: {
            "microseconds": statistics.median(taken),
            "floors": statistics.median(
                one / floor for one, floor in zip(taken, times["floor"], strict=True)
            ),
        }
        for name, taken in times.items()
    }
