"""Completions of the time before chats."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Result, get, items_of, joined
from tracetape_openai.choices import ChoicesCall
from tracetape_openai.deltas import merge

__all__ = ["Completions"]

_SAID_ELSEWHERE = frozenset({"index", "text", "finish_reason", "usage"})


class Completions(ChoicesCall):
    """``POST /completions``, plain and streamed.

    Shapes: OpenAI's API reference, "The completion object".
    """

    resource: ClassVar[str] = "Completions"
    span_type: ClassVar[str] = SpanType.LLM
    content: ClassVar[frozenset[str]] = frozenset({"prompt"})

    def is_head(self, chunk: Any) -> bool:
        """A choice without text."""
        return not any(get(choice, "text") for choice in items_of(get(chunk, "choices")))

    def continue_choice(self, index: int, delta: dict[str, Any]) -> None:
        """Continue the text and its logprobs."""
        merge(self._choices.setdefault(index, {}), delta)

    def result(self, body: Any | None) -> Result:
        """The answer; of a stream its text, as in MLflow, unless that would lose something."""
        result = super().result(body)
        if body is None and "choices" in result.outputs:
            result.outputs = _text_of(result.outputs)
        return result

    def rebuilt(self) -> dict[str, Any]:
        """The choices in their order."""
        return {"choices": [joined(choice) for _, choice in sorted(self._choices.items())]}


def _text_of(answer: dict[str, Any]) -> Any:
    """The one text of an answer; an answer of several choices, or with more in it, as it is."""
    choices = answer["choices"]
    if len(choices) != 1 or any(v for k, v in choices[0].items() if k not in _SAID_ELSEWHERE):
        return answer
    text = choices[0].get("text") or ""
    return text if isinstance(text, str) else answer
