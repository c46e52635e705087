"""Values with a wrong shape at each place, for the tests of every provider's answers."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from tracetape.capture import decode, encode
from tracetape.instrument import Extractor, Failure, Result

ODD: list[Any] = [
    None,
    True,
    -1,
    10**40,
    1e308,
    math.nan,
    "",
    "x",
    "\ud83d",
    [],
    {},
    [None],
    ["x", 5],
    [[]],
    {"type": 5},
    [{"type": {}, "index": {}, "id": []}],
]
MISSING = object()  # the field is left out


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where `value` has an inner one."""
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def bent(value: Any) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """`value` with each odd shape at each place in it, or with nothing there."""
    for path in places(value):
        for odd in (*ODD, MISSING):
            # Each event by itself: where two are the same object, one of them is bent.
            whole = isinstance(value, dict)
            made = copy.deepcopy(value) if whole else [copy.deepcopy(one) for one in value]
            inner = made
            for key in path[:-1]:
                inner = inner[key]
            if odd is MISSING:
                del inner[path[-1]]
            else:
                inner[path[-1]] = copy.deepcopy(odd)
            yield path, odd, made


def read(extractor: Extractor, events: list[Any]) -> Result:
    """What a stream of these events says."""
    for event in events:
        extractor.is_head(event)
        extractor.is_hidden(event)
        extractor.is_end(event)
        extractor.chunk(event)
    return extractor.result(None)


def check(result: Result) -> None:
    """Whatever came, what is said of it has its types, and can be written."""
    said = result.said()
    for name in ("model", "response_id"):
        assert isinstance(said.get(name, "x"), str), name
        assert said.get(name, "x"), name
    for name, count in said.get("usage", {"none": 0}).items():
        assert type(count) is int, name
        assert 0 <= count < 1 << 60, name
    assert all(isinstance(one, str) and one for one in said.get("finish_reasons", ["x"]))
    assert result.error is None or isinstance(result.error, Failure)
    assert isinstance(decode(encode(result.outputs)), dict | list | str | None)
