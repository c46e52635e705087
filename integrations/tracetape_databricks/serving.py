"""Serving endpoints: what is asked of them tells what kind of model they serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Extractor, Request
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.completions import Completions
from tracetape_openai.embeddings import Embeddings
from tracetape_openai.model_call import ModelCall

__all__ = ["SERVED_MODEL", "extractor_of"]

# The response header that `serving_endpoints.query` asks for; the SDK puts it into the answer.
SERVED_MODEL = "served-model-name"


class Invocation(ModelCall):
    """``POST /serving-endpoints/{name}/invocations`` of any model: instances, records, tensors.

    Shapes: `databricks.sdk.service.serving.QueryEndpointInput` and `QueryEndpointResponse`, and
    Databricks' REST reference, "Query a serving endpoint".
    """

    content: ClassVar[frozenset[str]] = frozenset(
        {
            "dataframe_records",
            "dataframe_split",
            "input",
            "inputs",
            "instances",
            "messages",
            "prompt",
        }
    )
    message_format: ClassVar[str | None] = None

    def name(self, request: Request) -> str:
        """What the user wrote."""
        del request
        return "serving_endpoints.query"

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """As of any model; who is asked is the endpoint, which stands in the path."""
        attributes, fields = super().request(request)
        del fields["message_format"]
        if self.message_format is not None:
            fields["message_format"] = self.message_format
        parts = request.path.strip("/").split("/")
        if parts[0] == "serving-endpoints":
            fields["endpoint"] = parts[1]
        return attributes, fields


class Chat(Invocation, ChatCompletions):
    """Chats: the shapes are OpenAI's, in the answer too."""

    content: ClassVar[frozenset[str]] = Invocation.content
    message_format: ClassVar[str | None] = "openai"


class Text(Invocation, Completions):
    """Completions of a prompt."""

    content: ClassVar[frozenset[str]] = Invocation.content


class Vectors(Invocation, Embeddings):
    """Embeddings of texts."""

    content: ClassVar[frozenset[str]] = Invocation.content


class Agent(Invocation):
    """An agent that speaks OpenAI's Responses: its input is a list of items."""

    span_type: ClassVar[str] = SpanType.CHAT_MODEL
    message_format: ClassVar[str | None] = "openai"


def extractor_of(body: Mapping[str, Any]) -> Extractor:
    """What reads an invocation, by the first field of its body that tells."""
    if "messages" in body:
        return Chat()
    if "prompt" in body:
        return Text()
    if "input" in body:
        given = body["input"]
        items = isinstance(given, list) and any(isinstance(item, dict) for item in given)
        return Agent() if items else Vectors()
    return Invocation()
