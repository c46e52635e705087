"""`serving_endpoints.query` of the real databricks-sdk, over a loopback workspace.

Shapes of bodies: `databricks.sdk.service.serving.QueryEndpointInput` and `QueryEndpointResponse`,
and Databricks' REST reference, "Query a serving endpoint".
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, NotFound
from databricks.sdk.service import serving
from databricks.sdk.service.serving import (
    ChatMessage,
    ChatMessageRole,
    DataframeSplitInput,
    QueryEndpointResponse,
)

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.testing import CapturedTraces
from tracetape_databricks.serving import extractor_of

ENDPOINT = "claude"
PATH = f"/serving-endpoints/{ENDPOINT}/invocations"
QUESTION = [ChatMessage(role=ChatMessageRole.USER, content="What is the capital of France?")]
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "claude-sonnet",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris."},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 14, "completion_tokens": 3, "total_tokens": 17},
}
TEXT = {
    "id": "cmpl-1",
    "object": "text_completion",
    "model": "davinci",
    "choices": [{"index": 0, "text": " Paris.", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
VECTORS = {
    "object": "list",
    "model": "gte",
    "data": [{"index": 0, "object": "embedding", "embedding": [0.1, 0.2, 0.3]}],
    "usage": {"prompt_tokens": 2, "total_tokens": 2},
}
AGENT = {
    "id": "resp-1",
    "object": "response",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Paris."}],
        }
    ],
    "custom_outputs": {"trace": "kept"},
}
KINDS: list[Any] = [
    pytest.param({"messages": QUESTION, "max_tokens": 8}, CHAT, SpanType.CHAT_MODEL, id="chat"),
    pytest.param({"prompt": "The capital is"}, TEXT, SpanType.LLM, id="completion"),
    pytest.param({"input": "a text"}, VECTORS, SpanType.EMBEDDING, id="embedding"),
    pytest.param(
        {"input": [{"role": "user", "content": "Where?"}]}, AGENT, SpanType.CHAT_MODEL, id="agent"
    ),
    pytest.param(
        {"dataframe_records": [{"x": 1}]}, {"predictions": [2]}, SpanType.UNKNOWN, id="records"
    ),
    pytest.param(
        {"dataframe_split": DataframeSplitInput(columns=["x"], data=[[1]])},
        {"predictions": [2]},
        SpanType.UNKNOWN,
        id="split",
    ),
    pytest.param({"instances": [[1.0]]}, {"predictions": [2]}, SpanType.UNKNOWN, id="instances"),
    pytest.param({"inputs": {"x": [1]}}, {"predictions": [2]}, SpanType.UNKNOWN, id="inputs"),
]


@pytest.mark.parametrize(("asked", "answer", "span_type"), KINDS)
def test_what_is_asked_tells_the_span_type(
    asked: dict[str, Any],
    answer: dict[str, Any],
    span_type: str,
    workspace: Any,
    client: WorkspaceClient,
    traces: CapturedTraces,
) -> None:
    """The inputs are the body as it is sent; the endpoint and its address are named."""
    workspace.answers[PATH] = answer

    client.serving_endpoints.query(ENDPOINT, **asked)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.name == "serving_endpoints.query"
    assert span.span_type == span_type
    assert span.inputs == workspace.asked[-1][3]
    assert span.status.status_code == SpanStatusCode.OK
    assert span.provider == "databricks"
    assert span.get_attribute("tracetape.llm.endpoint") == ENDPOINT
    assert span.get_attribute("tracetape.llm.base_url") == workspace.url
    if span_type != SpanType.EMBEDDING:
        assert span.outputs == answer


@pytest.mark.parametrize(("asked", "answer", "span_type"), KINDS)
def test_the_user_gets_what_he_got_without_us(
    asked: dict[str, Any],
    answer: dict[str, Any],
    span_type: str,
    workspace: Any,
    client: WorkspaceClient,
    traces: CapturedTraces,
) -> None:
    """Equal answers of the SDK's own type, and the same request on the wire."""
    workspace.answers[PATH] = (200, answer, {"served-model-name": "served-1"})
    with_us = client.serving_endpoints.query(ENDPOINT, **asked)
    tracetape.autolog(disable=True)
    try:
        without = client.serving_endpoints.query(ENDPOINT, **asked)
    finally:
        tracetape.autolog()

    assert type(with_us) is QueryEndpointResponse
    assert with_us == without
    assert with_us.served_model_name == "served-1"
    assert workspace.asked[-2][3] == workspace.asked[-1][3]
    assert len(traces) == 1


def test_a_chat_has_its_model_and_tokens(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """The fields of the answer, in the names that every provider's have."""
    workspace.answers[PATH] = CHAT

    client.serving_endpoints.query(ENDPOINT, messages=QUESTION, max_tokens=8)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.model_name == "claude-sonnet"
    usage = span.get_attribute("mlflow.chat.tokenUsage")
    assert usage == {"input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    assert span.get_attribute("tracetape.llm.finish_reasons") == ["stop"]
    assert span.get_attribute("max_tokens") == 8


def test_the_served_model_is_named_where_the_answer_names_none(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """From the header, which is no part of the answer."""
    workspace.answers[PATH] = (200, {"predictions": [1]}, {"served-model-name": "forest-3"})

    client.serving_endpoints.query(ENDPOINT, instances=[1])

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.model_name == "forest-3"
    assert span.outputs == {"predictions": [1]}


def test_of_vectors_count_and_dimension_are_kept(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """As of OpenAI's embeddings; `autolog(vectors=True)` keeps them."""
    workspace.answers[PATH] = VECTORS

    client.serving_endpoints.query(ENDPOINT, input="a text")

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.outputs["data"] == {"count": 1, "dimension": 3}


@pytest.mark.skipif(not hasattr(serving, "DataPlaneInfo"), reason="not in this databricks-sdk")
def test_the_data_plane_is_the_same_call(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """One span with the endpoint's name; the lookup before it and its own token make none."""

    class ControlPlane:
        def get(self, name: str) -> serving.ServingEndpointDetailed:
            info = serving.DataPlaneInfo(
                authorization_details="secret", endpoint_url=workspace.url + PATH
            )
            return serving.ServingEndpointDetailed(
                name=name, data_plane_info=serving.ModelDataPlaneInfo(query_info=info)
            )

    class Tokens:
        def token(self, url: str, details: str) -> Any:
            from databricks.sdk.oauth import Token

            return Token("plane-secret", "Bearer")

    workspace.answers[PATH] = CHAT
    service = serving.ServingEndpointsDataPlaneAPI(client.api_client, ControlPlane(), Tokens())

    answer = service.query(ENDPOINT, messages=QUESTION)

    assert answer.model == "claude-sonnet"
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.get_attribute("tracetape.llm.endpoint") == ENDPOINT
    assert "secret" not in json.dumps(span.to_dict())


def test_a_stream_that_the_sdk_cannot_read_is_the_same_exception(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """databricks-sdk 0.156 parses server-sent events as one JSON text."""
    workspace.answers[PATH] = (200, 'data: {"choices": []}\n\ndata: [DONE]\n\n')

    with pytest.raises(requests.exceptions.JSONDecodeError):
        client.serving_endpoints.query(ENDPOINT, messages=QUESTION, stream=True)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.get_attribute("tracetape.llm.streamed") is True


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "PERMISSION_DENIED"), (404, "RESOURCE_DOES_NOT_EXIST"), (400, "BAD_REQUEST")],
)
def test_an_error_has_its_code(
    status: int, code: str, workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """The SDK's exception reaches the user; the span says its code."""
    workspace.answers[PATH] = (status, {"error_code": code, "message": "No."})

    with pytest.raises(DatabricksError) as caught:
        client.serving_endpoints.query(ENDPOINT, messages=QUESTION)

    assert caught.value.error_code == code
    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.get_attribute("tracetape.llm.error_code") == code
    assert span.model_name == ENDPOINT
    assert [event.name for event in span.events] == ["exception"]
    assert "dapi-secret" not in json.dumps(span.to_dict())


def test_the_sdks_retries_are_events_of_one_span(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """A rate limit, twice, then the answer."""
    limit = {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Slower."}
    refusal = (429, limit, {"Retry-After": "1"})
    workspace.answers[PATH] = [refusal, refusal, CHAT]

    client.serving_endpoints.query(ENDPOINT, messages=QUESTION)

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.OK
    assert [event.name for event in span.events] == ["retry", "retry"]
    assert span.events[0].attributes["http.response.status_code"] == 429
    assert span.get_attribute("tracetape.llm.retries") == 2


def test_a_call_without_a_service_method_is_traced_too(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """`api_client.do`, which agents with fields of their own are asked by."""
    workspace.answers[PATH] = AGENT
    body = {"input": [{"role": "user", "content": "Where?"}], "custom_inputs": {"id": 1}}

    assert client.api_client.do("POST", PATH, body=body) == AGENT

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.inputs == body
    assert span.outputs["custom_outputs"] == {"trace": "kept"}


@pytest.mark.parametrize("asked", [[{"role": "user", "content": "Where?"}], "Where?"])
def test_an_agent_that_failed_is_an_error(
    asked: Any, workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """As a response of OpenAI's that failed, though the HTTP call went well."""
    error = {"code": "server_error", "message": "boom"}
    workspace.answers[PATH] = {**AGENT, "status": "failed", "error": error}

    client.api_client.do("POST", PATH, body={"input": asked})

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.status.status_code == SpanStatusCode.ERROR
    assert span.status.description == "failed: server_error: boom"
    assert span.get_attribute("tracetape.llm.finish_reasons") == ["failed"]


DELTA = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
STREAMS: list[Any] = [
    (
        {"input": [{"role": "user", "content": "?"}]},
        [{**DELTA, "delta": "Par"}, {**DELTA, "delta": "is."}],
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Paris."}]}]},
    ),
    (
        {"messages": [{"role": "user", "content": "?"}]},
        [
            {"delta": {"role": "assistant", "content": "Par", "id": "1"}},
            {"delta": {"content": "is.", "id": "1"}},
        ],
        {"messages": [{"role": "assistant", "content": "Paris.", "id": "1"}]},
    ),
    ({"inputs": [1]}, [{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 2}]),
]


@pytest.mark.parametrize(("body", "chunks", "whole"), STREAMS, ids=["Responses", "chat", "other"])
def test_an_agents_stream_is_put_together(body: Any, chunks: Any, whole: Any) -> None:
    """Of `mlflow.types.responses`, of `mlflow.types.agent.ChatAgentChunk`, and of any other."""
    extractor = extractor_of(body)
    for chunk in chunks:
        extractor.chunk(chunk)
    assert extractor.result(None).outputs == whole


def test_filtered_content_is_an_error(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Of the span and of its trace; a limit that was reached is none."""
    for reason in ("content_filter", "length"):
        choice = {**CHAT["choices"][0], "finish_reason": reason}
        workspace.answers[PATH] = {**CHAT, "choices": [choice]}
        client.serving_endpoints.query(ENDPOINT, messages=QUESTION)
    assert [trace.info.state for trace in traces] == ["ERROR", "OK"]
    assert traces[0].data.spans[0].status.description == "content_filter"


def test_other_calls_of_the_workspace_make_no_spans(
    workspace: Any, client: WorkspaceClient, traces: CapturedTraces
) -> None:
    """Only what asks a model or an index; an endpoint's own description is neither."""
    workspace.answers["/api/2.0/serving-endpoints/claude"] = {"name": "claude"}

    assert client.serving_endpoints.get("claude").name == "claude"
    with pytest.raises(NotFound):
        client.api_client.do("GET", "/api/2.0/nothing")

    assert len(traces) == 0
