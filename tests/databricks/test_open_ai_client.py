"""Models that Databricks serves, called through `get_open_ai_client()`."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient

from tracetape.entities import SpanType
from tracetape.testing import CapturedTraces
from tracetape_databricks.providers import provider

CAPITAL: dict[str, Any] = {
    "model": "databricks-gemma-3-12b",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 16,
}


def open_ai_client() -> Any:
    with warnings.catch_warnings():  # the SDK points to its successor
        warnings.simplefilter("ignore", DeprecationWarning)
        return WorkspaceClient().serving_endpoints.get_open_ai_client()


@pytest.mark.cassette
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_the_call_is_labelled_with_provider_and_endpoint(
    stream: bool, traces: CapturedTraces
) -> None:
    """Also replayed without a workspace: its discovery through `requests` is on the tape."""
    answer = open_ai_client().chat.completions.create(**CAPITAL, stream=stream)
    if stream:
        assert len(list(answer)) > 2

    ((span,),) = [trace.data.spans for trace in traces]
    assert span.span_type == SpanType.CHAT_MODEL
    assert span.provider == "databricks"
    assert span.get_attribute("tracetape.llm.endpoint") == "databricks-gemma-3-12b"
    assert span.get_attribute("tracetape.llm.base_url").endswith("/serving-endpoints")
    message = span.outputs["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "The capital of France is Paris."}


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("dbc-1.cloud.databricks.com", "/serving-endpoints", "databricks"),
        ("adb-1.2.azuredatabricks.net", "/serving-endpoints", "databricks"),
        ("127.0.0.1", "/serving-endpoints", "databricks"),
        ("127.0.0.1", "/serving-endpoints/", "databricks"),
        ("127.0.0.1", "/ai-gateway/mlflow/v1", "databricks"),
        ("127.0.0.1", "/v1/ai-gateway", None),
        ("api.openai.com", "/v1", None),
        ("databricks.com.example.org", "/v1", None),
    ],
)
def test_a_workspace_is_known_by_its_host_or_path(host: str, path: str, name: str | None) -> None:
    """The host's domain, or the path that the SDK gives to its clients."""
    assert provider(host, path) == name
