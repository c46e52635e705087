"""Completions of the time before chats."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument.chunks import get, joined
from tracetape_openai.choices import ChoicesCall
from tracetape_openai.deltas import merge

__all__ = ["Completions"]


class Completions(ChoicesCall):
    """``POST /completions``, plain and streamed.

    Shapes: OpenAI's API reference, "The completion object".
    """

    resource: ClassVar[str] = "Completions"
    span_type: ClassVar[str] = SpanType.LLM
    content: ClassVar[frozenset[str]] = frozenset({"prompt"})

    def is_head(self, chunk: Any) -> bool:
        """A choice without text."""
        return not any(get(choice, "text") for choice in get(chunk, "choices") or ())

    def continue_choice(self, index: int, delta: dict[str, Any]) -> None:
        """Continue the text and its logprobs."""
        merge(self._choices.setdefault(index, {}), delta)

    def rebuilt(self) -> dict[str, Any]:
        """The choices in their order."""
        return {"choices": [joined(choice) for _, choice in sorted(self._choices.items())]}
