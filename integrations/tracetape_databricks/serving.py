"""Serving endpoints: what is asked of them tells what kind of model they serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Extractor, Request, Result, joined, plain, text_of
from tracetape_openai.chat import ChatCompletions
from tracetape_openai.completions import Completions
from tracetape_openai.deltas import merge
from tracetape_openai.embeddings import Embeddings
from tracetape_openai.generic import Generic
from tracetape_openai.model_calls import ModelCall
from tracetape_openai.responses import Responses

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
        """The request as the user wrote it."""
        del request
        return "serving_endpoints.query"

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """As of any model; who is asked is the endpoint, which is in the path."""
        attributes, fields = super().request(request)
        del fields["message_format"]
        if self.message_format is not None:
            fields["message_format"] = self.message_format
        parts = request.path.strip("/").split("/")
        if parts[0] == "serving-endpoints":
            fields["endpoint"] = parts[1]
            # Also of a call that fails: what answered is not known then.
            fields.setdefault("request_model", parts[1])
        return attributes, fields


class Chat(Invocation, ChatCompletions):
    """Chats: the shapes are OpenAI's, in the answer too."""

    content: ClassVar[frozenset[str]] = Invocation.content
    message_format: ClassVar[str | None] = "openai"

    def __init__(self) -> None:
        """Begin without a chunk."""
        super().__init__()
        self._messages: dict[str, dict[str, Any]] = {}

    def chunk(self, chunk: Any) -> None:
        """A chunk of choices; or of one message, as `mlflow.types.agent.ChatAgentChunk` is."""
        if (
            isinstance(chunk, dict)
            and "choices" not in chunk
            and isinstance(chunk.get("delta"), dict)
        ):
            chunk = plain(chunk)
            delta = chunk.pop("delta")
            merge(self._messages.setdefault(text_of(delta.get("id")), {}), delta)
            chunk["choices"] = []
        super().chunk(chunk)

    def rebuilt(self) -> dict[str, Any]:
        """The choices; or the messages, as `mlflow.types.agent.ChatAgentResponse` has them."""
        if not self._messages:
            return super().rebuilt()
        messages = {"messages": [joined(message) for message in self._messages.values()]}
        return {**super().rebuilt(), **messages} if self._choices else messages


class Text(Invocation, Completions):
    """Completions of a prompt."""

    content: ClassVar[frozenset[str]] = Invocation.content


class Vectors(Invocation, Embeddings):
    """Embeddings of texts; or an agent's answer to a text, which looks the same when asked."""

    content: ClassVar[frozenset[str]] = Invocation.content

    def result(self, body: Any | None) -> Result:
        """The vectors, or the agent's response."""
        if isinstance(body, dict) and body.get("object") == "response":
            return Agent().result(body)
        return super().result(body)


class Agent(Invocation, Responses):
    """An agent that speaks OpenAI's Responses: its input is a list of items."""

    content: ClassVar[frozenset[str]] = Invocation.content
    message_format: ClassVar[str | None] = "openai"


class Other(Invocation, Generic):
    """Anything else; of a stream, the chunks as they came."""

    span_type: ClassVar[str] = SpanType.UNKNOWN


def extractor_of(body: Mapping[str, Any]) -> Extractor:
    """The extractor of an invocation, chosen by the first known field of its body."""
    if "messages" in body:
        return Chat()
    if "prompt" in body:
        return Text()
    if "input" in body:
        given = body["input"]
        items = isinstance(given, list) and any(isinstance(item, dict) for item in given)
        return Agent() if items else Vectors()
    return Other()
