"""Who serves a model, and where: by the host, by the client's class, by a call's whole URL."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from far_end import ASK, OBJECT, FarEnd, http

from tracetape.entities import SpanType
from tracetape.instrument import provider_of
from tracetape.testing import CapturedTraces


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1", "azure"),
        ("https://mine.services.ai.azure.com/models", "azure"),
        ("https://mine.cognitiveservices.azure.com/openai", "azure"),
        ("https://gateway.azure-api.net/openai", "azure"),
        ("https://models.inference.ai.azure.com", "github"),
        ("https://API.X.ai/v1", "xai"),
        ("https://us-east-1.api.x.ai/v1", "xai"),
        ("https://api.fireworks.ai/inference/v1", "fireworks_ai"),
        ("https://api.perplexity.ai", "perplexity"),
        ("https://api.cerebras.ai/v1", "cerebras"),
        ("https://api.moonshot.cn/v1", "moonshot"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini"),
        ("https://us-central1-aiplatform.googleapis.com/v1/projects/p", "vertex_ai"),
        ("https://aiplatform.googleapis.com/v1", "vertex_ai"),
        ("https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "bedrock"),
        ("https://router.huggingface.co/v1", "huggingface"),
        ("https://integrate.api.nvidia.com/v1", "nvidia_nim"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://api.anthropic.com/v1", "anthropic"),
        ("http://localhost:11434/v1", None),
        ("http://127.0.0.1:8000/v1", None),
        ("https://llm.corp.example/v1", None),
        ("https://api.openai.com.example/v1", None),
        ("https://notopenrouter.ai/v1", None),
        ("https://storage.googleapis.com", None),
    ],
)
def test_a_provider_is_known_by_its_host(url: str, name: str | None) -> None:
    """Of a host that nobody knows nothing is claimed."""
    assert provider_of(url)[0] == name


def provider(client: openai.OpenAI, traces: CapturedTraces) -> str | None:
    client.chat.completions.create(**ASK)
    found: str | None = traces[-1].data.spans[0].provider
    return found


class MyAzure(openai.AzureOpenAI):
    """A user's own."""


@pytest.mark.parametrize("client_class", [openai.AzureOpenAI, MyAzure])
def test_azures_clients_are_azures(
    client_class: type[openai.AzureOpenAI], far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Behind a gateway too, whatever that is called."""
    client = client_class(
        api_key="k",
        api_version="1",
        base_url="https://gateway.example/openai",
        http_client=http.Client(transport=http.MockTransport(far_end)),
    )
    assert provider(client, traces) == "azure"


def test_an_unknown_host_has_no_provider(far_end: FarEnd, traces: CapturedTraces) -> None:
    """The attribute is absent."""
    assert provider(far_end.client(), traces) is None
    assert "mlflow.llm.provider" not in traces[0].data.spans[0].attributes


@pytest.mark.parametrize(
    ("url", "base", "name"),
    [
        (
            "https://api.groq.com/openai/v1/chat/completions",
            "https://api.groq.com/openai/v1",
            "groq",
        ),
        ("https://u:p@other.example:8443/chat/completions", "https://other.example:8443", None),
        ("https://far.end/v1/chat/completions?a=1", "https://far.end/v1", None),
        ("https://far.end/v2/chat/completions", "https://far.end/v2", None),
        ("/deployments/gpt/chat/completions", "https://far.end/v1/deployments/gpt", None),
        ("chat/completions", "https://far.end/v1", None),
    ],
)
def test_a_call_of_a_whole_url(
    url: str, base: str, name: str | None, far_end: FarEnd, traces: CapturedTraces
) -> None:
    """Is read by its path, with its own base and provider, without credentials."""
    far_end.client().post(url, cast_to=OBJECT, body=ASK)
    ((span,),) = [trace.data.spans for trace in traces]
    assert (span.name, span.span_type) == ("Completions", SpanType.CHAT_MODEL)
    assert span.get_attribute("tracetape.llm.base_url") == base
    assert span.get_attribute("tracetape.llm.path") == "/chat/completions"
    assert span.provider == name
    assert span.model_name == "m-1"


def test_an_unknown_path_of_another_service(far_end: FarEnd, traces: CapturedTraces) -> None:
    """Stands below the service's host."""
    body: dict[str, Any] = {"model": "m", "query": "?"}
    far_end.client().post("https://other.example/v2/rerank", cast_to=OBJECT, body=body)
    ((span,),) = [trace.data.spans for trace in traces]
    assert (span.name, span.span_type) == ("POST /v2/rerank", SpanType.LLM)
    assert span.get_attribute("tracetape.llm.base_url") == "https://other.example"
