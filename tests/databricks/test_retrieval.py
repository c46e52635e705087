"""Vector search of the real databricks-sdk, over a loopback workspace.

Shapes of bodies: `databricks.sdk.service.vectorsearch.QueryVectorIndexResponse` and
`ScanVectorIndexResponse`, and Databricks' REST reference, "Query an index" and "Scan an index".
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service import serving

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.instrument import options
from tracetape.testing import CapturedTraces
from tracetape_databricks.retrieval import documents

INDEX = "main.docs.index"
PATH = f"/api/2.0/vector-search/indexes/{INDEX}"


def page(*names: str, rows: list[list[Any]], **more: Any) -> dict[str, Any]:
    return {
        "manifest": {"column_count": len(names), "columns": [{"name": name} for name in names]},
        "result": {"row_count": len(rows), "data_array": rows},
        **more,
    }


FOUND = page(
    "id",
    "text",
    "url",
    "score",
    rows=[[1.0, "A tape.", "tape.md", 0.9], [2.0, "A deck.", "deck.md", 0.5]],
)
DOCUMENTS = [
    {
        "page_content": "A tape.",
        "metadata": {"url": "tape.md", "score": 0.9, "doc_uri": "tape.md"},
        "id": "1",
    },
    {
        "page_content": "A deck.",
        "metadata": {"url": "deck.md", "score": 0.5, "doc_uri": "deck.md"},
        "id": "2",
    },
]


def test_a_query_is_a_retriever_span_of_documents(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """The index, the question, the filters and the count as inputs; rows as documents."""
    workspace.answers[f"{PATH}/query"] = FOUND

    answer = client.vector_search_indexes.query_index(
        INDEX,
        columns=["id", "text", "url"],
        query_text="What is a tape?",
        filters_json='{"year >": 1960}',
        num_results=2,
    )

    assert answer.result is not None
    assert answer.result.data_array == FOUND["result"]["data_array"]  # the user's stays rows
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "vector_search_indexes.query_index"
    assert span.span_type == SpanType.RETRIEVER
    assert span.inputs == {
        "index_name": INDEX,
        "columns": ["id", "text", "url"],
        "query_text": "What is a tape?",
        "filters_json": '{"year >": 1960}',
        "num_results": 2,
    }
    assert span.outputs == DOCUMENTS


def test_a_further_page_is_a_span_too(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """By its token; the answer's shape is that of the query."""
    workspace.answers[f"{PATH}/query-next-page"] = FOUND

    client.vector_search_indexes.query_next_page(INDEX, page_token="next")

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "vector_search_indexes.query_next_page"
    assert span.inputs == {"index_name": INDEX, "page_token": "next"}
    assert span.outputs == DOCUMENTS


def test_a_scan_gives_documents_of_its_structs(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Values of every kind that protobuf's ``Value`` has."""
    fields = [
        {"key": "doc_id", "value": {"number_value": 7.0}},
        {"key": "content", "value": {"string_value": "A spool."}},
        {"key": "old", "value": {"bool_value": False}},
        {"key": "tags", "value": {"list_value": {"values": [{"string_value": "part"}]}}},
    ]
    workspace.answers[f"{PATH}/scan"] = {"data": [{"fields": fields}], "last_primary_key": "7"}

    client.vector_search_indexes.scan_index(INDEX, num_results=1)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "vector_search_indexes.scan_index"
    assert span.outputs == [
        {"page_content": "A spool.", "metadata": {"old": False, "tags": ["part"]}, "id": "7"}
    ]


def test_an_empty_answer_is_no_documents(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """The REST API leaves the rows out then."""
    workspace.answers[f"{PATH}/query"] = {
        "manifest": {"column_count": 1, "columns": [{"name": "id"}]},
        "result": {"row_count": 0},
    }

    client.vector_search_indexes.query_index(INDEX, columns=["id"], query_text="?")

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.outputs == []


def test_an_index_that_does_not_exist_is_an_error(
    client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """The SDK's own exception, and its code."""
    with pytest.raises(NotFound):
        client.vector_search_indexes.query_index(INDEX, columns=["id"], query_text="?")

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.get_attribute("tracetape.llm.error_code") == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        pytest.param({"id": 1, "Content": "short", "summary": "longer than"}, "short", id="usual"),
        pytest.param({"id": 1, "title": "short", "prose": "longer than"}, "longer than", id="long"),
        pytest.param({"id": "an id that is long", "n": 4, "score": 0.5}, "", id="none"),
    ],
)
def test_the_text_column_follows_a_rule(row: dict[str, Any], text: str) -> None:
    """A usual name, else the longest strings; never the id."""
    assert documents([row])[0]["page_content"] == text


def test_the_text_column_can_be_said(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """`autolog(text_column=…)` wins over the rule; an answer without it follows the rule."""
    workspace.answers[f"{PATH}/query"] = FOUND
    tracetape.autolog(text_column="url")
    try:
        client.vector_search_indexes.query_index(INDEX, columns=["id"], query_text="?")
        assert options.text_column == "url"
        assert documents([{"id": 1, "text": "A tape."}])[0]["page_content"] == "A tape."
    finally:
        tracetape.autolog()

    ((span,),) = [trace.data.spans for trace in traces]
    assert [document["page_content"] for document in span.outputs] == ["tape.md", "deck.md"]


@pytest.mark.skipif(
    not hasattr(serving, "ExternalFunctionRequestHttpMethod"), reason="not in this databricks-sdk"
)
def test_a_request_through_a_connection_is_a_tool(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """`http_request`; headers, which may hold secrets, are not kept, nor keys in the query."""
    workspace.answers["/api/2.0/external-function"] = {"degrees": 21}

    response = client.serving_endpoints.http_request(
        "weather",
        serving.ExternalFunctionRequestHttpMethod.POST,
        "/now?units=c&api_key=weather-secret",
        headers={"x-api-key": "weather-secret"},
        json={"city": "Paris"},
        params={"api_key": "weather-secret", "day": "today"},
    )

    assert response.json() == {"degrees": 21}
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "serving_endpoints.http_request"
    assert span.span_type == SpanType.TOOL
    assert span.inputs == {
        "conn": "weather",
        "method": "POST",
        "path": "/now?units=c&api_key=[REDACTED]",
        "json": {"city": "Paris"},
        "params": {"api_key": "[REDACTED]", "day": "today"},
    }
    assert span.outputs == {"degrees": 21}
    assert "secret" not in json.dumps(span.to_dict())
