"""Values of data libraries, and very large ones."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracetape.capture import decode, encode


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(1.5), 1.5),
        (np.int64(7), "7"),
        (np.array([1, 2]), "[1 2]"),
        (np.bool_(True), "True"),
        (pd.Timestamp("2026-01-02"), "2026-01-02 00:00:00"),
        (pd.DataFrame({"a": [1]}), "   a\n0  1"),
        (pd.NA, "<NA>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numpy_and_pandas_values_are_their_text(value: Any, expected: Any) -> None:
    """As MLflow gives them, alone and inside of other values."""
    assert decode(encode(value)) == expected
    assert decode(encode({"x": [value]})) == {"x": [expected]}


def test_an_array_that_changes_after_the_call_was_taken_as_it_was() -> None:
    """The record is of the moment of the call."""
    array = np.zeros(3)
    data = encode({"vector": array})
    array[:] = 9
    assert decode(data) == {"vector": "[0. 0. 0.]"}


def test_models_of_pydantic_v1_are_objects() -> None:
    """Whole programs still use them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        v1 = pytest.importorskip("pydantic.v1")

    class Point(v1.BaseModel):  # type: ignore[misc,name-defined]
        x: int
        tags: dict[str, int]

    assert decode(encode([Point(x=1, tags={"a": 2})])) == [{"x": 1, "tags": {"a": 2}}]


def test_very_long_text_is_whole() -> None:
    """50 MB in one string."""
    text = "a" * 50_000_000
    assert decode(encode({"text": text}))["text"] == text


def test_wide_and_deep_values_are_whole() -> None:
    """100,000 items under 10 levels, on the fast path and on the slow one."""
    wide: Any = {str(n): n for n in range(100_000)}
    for level in range(10):
        wide = {"level": level, "below": wide}
    assert decode(encode(wide)) == wide
    odd = {"odd": float("nan"), "below": wide}
    assert decode(encode(odd)) == {"odd": "NaN", "below": wide}
