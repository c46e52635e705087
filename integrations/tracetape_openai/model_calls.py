"""Fields that calls of a model share, whichever endpoint they go to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from tracetape.instrument import (
    Extractor,
    Request,
    Result,
    decode,
    encode,
    failure_of_error,
    fields_of,
)
from tracetape_openai.usage import normalised, usage_of

__all__ = ["ModelCall", "answer_fields", "chat_tools"]


class ModelCall(Extractor):
    """A call whose body names a model.

    Attributes:
        content: the body's keys that hold content; all others but the tools, which have a place of
            their own, are attributes too.
        message_format: MLflow's name for the shape of inputs and outputs.
    """

    reads_later: ClassVar[bool] = True
    content: ClassVar[frozenset[str]] = frozenset({"input"})
    message_format: ClassVar[str | None] = "openai"

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes; the model, the tools and who is asked as fields."""
        body = request.body
        fields: dict[str, Any] = {
            "message_format": self.message_format,
            "provider": request.provider,
            "base_url": request.base_url,
        }
        if body.get("model"):
            fields["request_model"] = str(body["model"])
        if request.provider == "databricks" and body.get("model"):
            fields["endpoint"] = str(body["model"])
        if isinstance(body.get("tools"), (list, tuple)) and body["tools"]:
            fields["tools"] = chat_tools(body["tools"])
        if body.get("stream"):
            fields["streamed"] = True
        return {
            key: value for key, value in body.items() if key not in self.content and key != "tools"
        }, fields

    def result(self, body: Any | None) -> Result:
        """The answer as it is, with what it says of itself."""
        read = fields_of(body)  # Google's servers put an error into a list
        return Result(None, answer_fields(read), failure_of_error(read.get("error")))


def chat_tools(tools: Iterable[Any]) -> list[Any]:
    """The tools in the form that chat completions have, whatever endpoint they were offered to.

    As in MLflow: a function of Responses, ``{"type": "function", "name": …}``, becomes
    ``{"type": "function", "function": {"name": …}}``, and a tool of another type becomes the
    function of its own name, or of its type. The inputs have the rest of it.
    """
    copied = decode(encode(list(tools)))  # the user's own may change before it is written
    return [_chat_tool(tool) for tool in copied]


def _chat_tool(tool: Any) -> Any:
    kind = tool.get("type", "function") if isinstance(tool, dict) else None
    if not isinstance(kind, str) or kind in tool:  # chat completions have this form already
        return tool
    if kind == "function":
        function = {key: value for key, value in tool.items() if key != "type"}
    else:
        function = {"name": tool.get("name") or kind}
        if tool.get("description"):
            function["description"] = tool["description"]
    return {"type": "function", "function": function}


def answer_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model that answered, the answer's id and its usage."""
    fields: dict[str, Any] = {}
    for key, field in (("model", "model"), ("id", "response_id")):
        value = body.get(key)
        if value and isinstance(value, str):
            fields[field] = value
    usage = usage_of(body)
    if usage:
        fields["provider_usage"] = usage
        counts = normalised(usage)
        if counts:
            fields["usage"] = counts
    return fields
