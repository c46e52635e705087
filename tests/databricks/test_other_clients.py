"""Clients beside databricks-sdk, where they are installed: `make matrix` does that.

databricks-vectorsearch (databricks-ai-search) and MLflow's deployments; the shapes of the bodies
are those of `test_retrieval.py` and `test_serving.py`.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces

INDEX = "main.docs.index"
PATH = f"/api/2.0/vector-search/indexes/{INDEX}/query"
FOUND = {
    "manifest": {"column_count": 3, "columns": [{"name": n} for n in ("id", "text", "score")]},
    "result": {"row_count": 1, "data_array": [[1.0, "A tape.", 0.9]]},
}
DOCUMENTS = [{"page_content": "A tape.", "metadata": {"score": 0.9}, "id": "1"}]
CHAT = {"messages": [{"role": "user", "content": "Where?"}]}
ANSWER = {
    "model": "claude",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Here."}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
STREAM = """\
data: {"model": "claude", "choices": [{"index": 0, "delta": {"content": "He"}}]}

data: {"model": "claude", "choices": [{"index": 0, "delta": {"content": "re."}}]}

data: [DONE]

"""

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # theirs, of their own names
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def index(workspace: Any, module: str, name: str) -> Any:
    pytest.importorskip("databricks.ai_search")
    return getattr(importlib.import_module(f"databricks.ai_search.{module}"), name)(
        workspace_url=workspace.url,
        index_url=None,
        name=INDEX,
        endpoint_name="docs",
        personal_access_token="dapi-secret",
    )


def test_a_similarity_search_is_a_retriever_span(workspace: Any, traces: CapturedTraces) -> None:
    """With what was asked, the reranker among it; the answer stays the user's."""
    workspace.answers[PATH] = FOUND
    found = index(workspace, "index", "AISearchIndex")
    from databricks.ai_search.reranker import DatabricksReranker

    reranker = DatabricksReranker(columns_to_rerank=["text"])
    answer = found.similarity_search(
        ["id", "text"], query_text="a tape", num_results=1, reranker=reranker, disable_notice=True
    )

    assert answer["result"] == FOUND["result"]
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "VectorSearchIndex.similarity_search"
    assert span.span_type == SpanType.RETRIEVER
    assert span.inputs["index_name"] == INDEX
    assert span.inputs["columns"] == ["id", "text"]
    assert span.inputs["query_text"] == "a tape"
    assert span.inputs["reranker"]["columns_to_rerank"] == ["text"]
    assert span.outputs == DOCUMENTS
    assert "dapi-secret" not in str(span.to_dict())


async def test_an_async_search_is_the_same(workspace: Any, traces: CapturedTraces) -> None:
    """One span, though the async index has a sync one inside."""
    workspace.answers[PATH] = FOUND
    found = index(workspace, "async_index", "AsyncAISearchIndex")

    await found.similarity_search(["id", "text"], query_text="a tape", disable_notice=True)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "AsyncVectorSearchIndex.similarity_search"
    assert span.outputs == DOCUMENTS


@pytest.fixture
def deployments(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLflow's client of the loopback workspace."""
    module = pytest.importorskip("mlflow.deployments")
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    return module.get_deploy_client("databricks")


def test_predict_is_the_query_of_an_endpoint(
    workspace: Any, deployments: Any, traces: CapturedTraces
) -> None:
    """One span, though MLflow may ask through databricks-sdk."""
    workspace.answers["/serving-endpoints/claude/invocations"] = ANSWER

    assert deployments.predict(endpoint="claude", inputs=CHAT) == ANSWER

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.inputs == CHAT
    assert span.outputs == ANSWER
    assert span.get_attribute("tracetape.llm.endpoint") == "claude"
    assert span.get_attribute("mlflow.chat.tokenUsage")["total_tokens"] == 5


def test_predict_stream_is_one_span_with_the_whole_answer(
    workspace: Any, deployments: Any, traces: CapturedTraces
) -> None:
    """The chunks reach the user as they are."""
    workspace.answers["/serving-endpoints/claude/invocations"] = (200, STREAM)

    chunks = list(deployments.predict_stream(endpoint="claude", inputs=CHAT))

    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["He", "re."]
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.outputs["choices"][0]["message"]["content"] == "Here."
    assert span.get_attribute("tracetape.llm.stream_end") == "exhausted"


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ({"error": {"code": "c", "message": "boom"}}, "c: boom"),
        ({"error": "boom"}, "boom"),
        ({"error_code": "INTERNAL_ERROR", "message": "boom"}, "INTERNAL_ERROR: boom"),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}, "error"),
    ],
    ids=["error", "text", "code", "reason"],
)
def test_an_error_in_a_chunk_is_the_calls(
    error: Any, description: str, workspace: Any, deployments: Any, traces: CapturedTraces
) -> None:
    """MLflow raises none: it gives the chunk to the program; what came before is kept."""
    first = STREAM.split("\n\n")[0]
    body = f"{first}\n\ndata: {json.dumps(error)}\n\ndata: [DONE]\n\n"
    workspace.answers["/serving-endpoints/claude/invocations"] = (200, body)

    chunks = list(deployments.predict_stream(endpoint="claude", inputs=CHAT))

    assert chunks[-1] == error
    ((span,),) = [trace.data.spans for trace in traces]
    assert (span.status.status_code, span.status.description) == ("ERROR", description)
    assert span.outputs["choices"][0]["message"]["content"] == "He"


def test_a_stream_left_early_keeps_what_came(
    workspace: Any, deployments: Any, traces: CapturedTraces
) -> None:
    """Closing the generator ends the span."""
    workspace.answers["/serving-endpoints/claude/invocations"] = (200, STREAM)

    stream = deployments.predict_stream(endpoint="claude", inputs=CHAT)
    next(stream)
    stream.close()

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.OK
    assert span.outputs["choices"][0]["message"]["content"] == "He"
    assert span.get_attribute("tracetape.llm.stream_end") == "closed"
