"""What calls of a model have in common, whichever endpoint they go to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.instrument import Extractor, Request
from tracetape_openai.usage import normalised

__all__ = ["ModelCall", "answer_fields"]


class ModelCall(Extractor):
    """A call whose body names a model.

    Attributes:
        content: the body's keys that hold content; all others are attributes too.
    """

    content: ClassVar[frozenset[str]] = frozenset({"input"})

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes; the model, the tools and who is asked as fields."""
        body = request.body
        fields: dict[str, Any] = {
            "message_format": "openai",
            "provider": request.provider,
            "base_url": request.base_url,
        }
        if body.get("model"):
            fields["request_model"] = str(body["model"])
        if request.provider == "databricks" and body.get("model"):
            fields["endpoint"] = str(body["model"])
        if body.get("tools"):
            fields["tools"] = body["tools"]
        if body.get("stream"):
            fields["streamed"] = True
        return {key: value for key, value in body.items() if key not in self.content}, fields


def answer_fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model that answered, the answer's id and its usage."""
    fields: dict[str, Any] = {}
    if body.get("model"):
        fields["model"] = body["model"]
    if body.get("id"):
        fields["response_id"] = body["id"]
    usage = body.get("usage")
    if isinstance(usage, dict) and usage:
        fields["usage"] = normalised(usage)
        fields["provider_usage"] = usage
    return fields
