"""Answers of Databricks with fields of a wrong shape: nothing beside them is lost or made up."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from odd_shapes import MISSING, bent, check, read

from tracetape.instrument import Extractor
from tracetape_databricks.retrieval import IndexQuery, IndexScan
from tracetape_databricks.serving import extractor_of

USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
FOUND = {
    "manifest": {"column_count": 3, "columns": [{"name": n} for n in ("id", "text", "url")]},
    "result": {"row_count": 2, "data_array": [[1.0, "A tape.", "a.md"], [2.0, "A deck.", "b.md"]]},
    "next_page_token": "more",
}
FIELDS = [
    {"key": "doc_id", "value": {"number_value": 7.0}},
    {"key": "content", "value": {"string_value": "A spool."}},
    {"key": "tags", "value": {"list_value": {"values": [{"string_value": "part"}]}}},
    {
        "key": "of",
        "value": {"struct_value": {"fields": [{"key": "a", "value": {"bool_value": False}}]}},
    },
]
SCANNED = {"data": [{"fields": FIELDS}, {"fields": FIELDS[:2]}], "last_primary_key": "7"}
ITEM = {"type": "message", "content": [{"type": "output_text", "text": "Paris."}]}
# What is asked, and a plain answer.
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "chat": (
        {"messages": []},
        {
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}}],
            "usage": USAGE,
        },
    ),
    "completion": ({"prompt": "x"}, {"model": "m", "choices": [{"text": "Paris."}]}),
    "vectors": ({"input": "x"}, {"model": "m", "data": [{"embedding": [0.1]}], "usage": USAGE}),
    "agent": ({"input": [{"role": "user"}]}, {"object": "response", "output": [ITEM]}),
    "records": ({"dataframe_records": []}, {"predictions": [{"a": [1]}]}),
}
DELTA = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
STREAMS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "chat": (
        {"messages": []},
        [{"model": "m", "choices": [{"index": 0, "delta": {"content": "Pa"}}], "usage": USAGE}] * 2,
    ),
    "chat agent": ({"messages": []}, [{"delta": {"role": "assistant", "content": "Pa"}}] * 2),
    "agent": (
        {"input": [{"role": "user"}]},
        [{**DELTA, "delta": "Pa"}, {"type": "response.output_item.done", "item": ITEM}],
    ),
    "other": ({"inputs": [1]}, [{"a": 1}]),
}


def texts(value: Any) -> list[str]:
    """What the rows say, without the names of their fields."""
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return [text for one in inner for text in texts(one)]
    return [value] if isinstance(value, str) and "." in value else []


@pytest.mark.parametrize("name", ANSWERS)
def test_a_field_of_an_endpoints_answer(name: str) -> None:
    """The SDK gives it as it came."""
    asked, answer = ANSWERS[name]
    expected = extractor_of(asked).result(copy.deepcopy(answer)).fields
    for path, odd, made in bent(answer):
        result = extractor_of(asked).result(made)
        check(result)
        for field in ("model", "usage"):
            if path[0] not in (field, "choices", "object"):
                assert result.fields.get(field) == expected.get(field), (path, odd)


@pytest.mark.parametrize("name", STREAMS)
def test_a_field_of_an_endpoints_chunk(name: str) -> None:
    """As MLflow's client gives it: any may be the odd one."""
    asked, events = STREAMS[name]
    for path, odd, made in bent(events):
        try:
            check(read(extractor_of(asked), made))
        except Exception as exception:
            raise AssertionError(f"{odd!r} at {path}") from exception


@pytest.mark.parametrize(
    ("kind", "answer"), [(IndexQuery, FOUND), (IndexScan, SCANNED)], ids=["query", "scan"]
)
def test_a_field_of_a_searchs_answer(kind: type[Extractor], answer: Any) -> None:
    """Rows whose columns cannot be told stay as they came; all of any other row is kept."""
    rows = texts([answer.get("result"), answer.get("data")])
    for path, odd, made in bent(answer):
        given = copy.deepcopy(made)
        result = kind().result(made)
        check(result)
        assert made == given or odd != odd or "nan" in repr(given), (path, odd)
        if result.outputs is None:
            continue  # the answer itself is kept
        if odd is MISSING and path[-1] in ("columns", "data_array", "result", "data", "fields"):
            continue
        kept = json.dumps(result.outputs)
        lost = [one for one in texts([given.get("result"), given.get("data")]) if one in rows]
        assert all(one in kept for one in lost), (path, odd)


@pytest.mark.parametrize(
    "answer",
    [
        {**FOUND, "manifest": {"columns": [{"name": "id"}, {"name": "id"}, {"name": "text"}]}},
        {**FOUND, "manifest": {"columns": [{"name": "id"}]}},
        {**FOUND, "manifest": {"columns": "id"}},
        {**FOUND, "result": {"data_array": [{"id": 1}]}},
        {**FOUND, "result": [[1]]},
    ],
    ids=["a name twice", "too few columns", "a text", "objects", "a list"],
)
def test_rows_that_fit_no_columns_stay_as_they_came(answer: Any) -> None:
    """A document would leave a part of them out."""
    assert IndexQuery().result(answer).outputs is None


def test_an_error_in_the_place_of_rows() -> None:
    """Is the span's, as of any other endpoint."""
    for kind in (IndexQuery, IndexScan):
        result = kind().result({"error_code": "NOT_READY", "message": "The index is offline."})
        assert result.error == "NOT_READY: The index is offline."
