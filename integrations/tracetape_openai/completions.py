"""Completions of the time before chats."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Request, Result
from tracetape_openai.chat import chat_fields
from tracetape_openai.deltas import joined, merge
from tracetape_openai.model_call import ModelCall, plain

__all__ = ["Completions"]


class Completions(ModelCall):
    """``POST /completions``, plain and streamed.

    Shapes: OpenAI's API reference, "The completion object".
    """

    resource: ClassVar[str] = "Completions"
    span_type: ClassVar[str] = SpanType.LLM
    content: ClassVar[frozenset[str]] = frozenset({"prompt"})

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def usage_options(self, request: Request) -> dict[str, Any] | None:
        """``stream_options``, unless the user gave some himself."""
        if "stream_options" in request.body:
            return None
        return {"stream_options": {"include_usage": True}}

    def is_hidden(self, chunk: Any) -> bool:
        """The chunk with the usage, which has no choices."""
        return not getattr(chunk, "choices", True) and getattr(chunk, "usage", None) is not None

    def chunk(self, chunk: Any) -> None:
        """Continue the choices by one chunk."""
        data = plain(chunk)
        for choice in data.pop("choices", None) or ():
            merge(self._choices.setdefault(choice.get("index") or 0, {}), choice)
        self._head.update(data)

    def result(self, body: Any | None) -> Result:
        """The answer, its model, usage and reasons to finish."""
        if body is None:
            choices = [joined(choice) for _, choice in sorted(self._choices.items())]
            body = {**self._head, "choices": choices}
            return Result(body, chat_fields(body))
        return Result(None, chat_fields(body) if isinstance(body, dict) else {})
