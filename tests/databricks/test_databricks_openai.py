"""databricks-openai's clients, where they are installed: `make matrix` does that.

They need openai 2 and httpx. Shapes of bodies: OpenAI's reference, and for content lists
Databricks' "Query reasoning models".
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from tracetape.entities import SpanType
from tracetape.testing import CapturedTraces

databricks_openai = pytest.importorskip("databricks_openai")

QUESTION: Any = [{"role": "user", "content": "Where is the Louvre?"}]
REASONING = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
CONTENT = [REASONING, {"type": "text", "text": "In Paris."}]
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 5},
}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "claude-sonnet",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": CONTENT},
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "agent",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "In Paris.", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}


def events(*deltas: Any) -> tuple[int, str, dict[str, str]]:
    """A streamed chat: one event a delta, then the usage."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "claude"}
    chunks = [{**chunk, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({**chunk, "choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(one)}\n\n" for one in chunks]
    return 200, "".join(lines) + "data: [DONE]\n\n", {"content-type": "text/event-stream"}


def test_a_chat_is_one_span_of_the_workspace(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Whatever the `chat` property makes at each access; content lists stay as they came."""
    workspace.answers["/serving-endpoints/chat/completions"] = CHAT
    ours = databricks_openai.DatabricksOpenAI(workspace_client=client)

    for _ in range(2):
        answer = ours.chat.completions.create(model="claude", messages=QUESTION)

    assert answer.choices[0].message.content == CONTENT
    (span,), (other,) = [trace.data.spans for trace in traces]
    assert other.name == span.name
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.provider == "databricks"
    assert span.model_name == "claude-sonnet"
    assert span.get_attribute("tracetape.llm.endpoint") == "claude"
    assert span.outputs["choices"][0]["message"]["content"] == CONTENT
    usage = span.get_attribute("mlflow.chat.tokenUsage")
    assert usage["cache_read_input_tokens"] == 5
    assert usage["total_tokens"] == 13
    assert "dapi-secret" not in json.dumps(span.to_dict())


async def test_an_async_stream_is_the_same_answer(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Reasoning in pieces is joined, and so is the text."""
    pieces: list[Any] = [
        {"role": "assistant", "content": [{**REASONING, "summary": [summary("H")]}]},
        {"content": [{**REASONING, "summary": [summary("m.")]}]},
        {"content": "In "},
        {"content": "Paris."},
    ]
    workspace.answers["/serving-endpoints/chat/completions"] = events(*pieces)
    ours = databricks_openai.AsyncDatabricksOpenAI(workspace_client=client)

    stream = await ours.chat.completions.create(model="claude", messages=QUESTION, stream=True)
    assert len([chunk async for chunk in stream]) == 5

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.outputs["choices"][0]["message"]["content"] == CONTENT
    assert span.get_attribute("mlflow.chat.tokenUsage")["cache_read_input_tokens"] == 5


def summary(text: str) -> dict[str, str]:
    return {"type": "summary_text", "text": text}


def test_an_agent_is_asked_by_responses(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Of an endpoint, and through the gateway, which has a path of its own."""
    workspace.answers["/serving-endpoints/responses"] = RESPONSE
    workspace.answers["/ai-gateway/openai/v1/responses"] = RESPONSE
    ask: Any = {"model": "agent", "input": QUESTION}

    databricks_openai.DatabricksOpenAI(workspace_client=client).responses.create(**ask)
    databricks_openai.DatabricksOpenAI(
        workspace_client=client, use_ai_gateway_native_api=True
    ).responses.create(**ask)

    for (span,) in [trace.data.spans for trace in traces]:
        assert span.span_type == SpanType.CHAT_MODEL
        assert span.provider == "databricks"
        assert span.outputs["output"][0]["content"][0]["text"] == "In Paris."
        assert span.get_attribute("mlflow.chat.tokenUsage")["total_tokens"] == 5
    assert len(traces) == 2
