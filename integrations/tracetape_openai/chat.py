"""Chat completions."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Request, Result
from tracetape_openai.deltas import Text, joined, merge
from tracetape_openai.model_call import ModelCall, answer_fields, plain

__all__ = ["ChatCompletions"]

_CONTENT = {"content"}


class ChatCompletions(ModelCall):
    """``POST /chat/completions``, plain and streamed.

    Shapes: OpenAI's API reference, "The chat completion object" and "The chat completion chunk
    object".
    """

    resource: ClassVar[str] = "Completions"
    span_type: ClassVar[str] = SpanType.CHAT_MODEL
    content: ClassVar[frozenset[str]] = frozenset({"messages"})

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._audio: dict[int, bytearray] = {}

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
        if self._choices and self._only_text(chunk):
            return
        data = plain(chunk)
        data.pop("obfuscation", None)  # it only hides how long a chunk is
        for choice in data.pop("choices", None) or ():
            self._continue(choice)
        # The chunk with the usage has no choices; Databricks sends usage with every chunk; Azure
        # begins and ends with chunks whose id and model are empty.
        for key, value in data.items():
            if value or key not in self._head:
                self._head[key] = value

    def _only_text(self, chunk: Any) -> bool:
        """Take the common chunk, one choice that continues its text, at a tenth of the price."""
        choices = getattr(chunk, "choices", None)
        if not choices or len(choices) != 1 or getattr(chunk, "usage", None):
            return False
        choice = choices[0]
        delta = choice.delta
        if (
            delta is None
            or delta.model_fields_set != _CONTENT
            or choice.finish_reason is not None
            or getattr(choice, "logprobs", None) is not None  # not in openai 1.0
            or choice.model_extra
            or choice.index not in self._choices
        ):
            return False
        text = self._choices[choice.index]["message"].get("content")
        if not isinstance(text, Text) or type(delta.content) is not str:
            return False
        text.add(delta.content)
        return True

    def result(self, body: Any | None) -> Result:
        """The answer, its model, usage and reasons to finish."""
        if body is None:
            body = self._rebuilt()
            return Result(body, chat_fields(body))
        return Result(None, chat_fields(body) if isinstance(body, dict) else {})

    def _continue(self, delta: dict[str, Any]) -> None:
        index = delta.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = {"index": index, "message": {}, "finish_reason": None}
        said = delta.get("delta") or {}
        audio = said.get("audio")
        if isinstance(audio, dict) and isinstance(audio.get("data"), str):
            # Each piece is encoded by itself: joined as text they would be no base64.
            self._audio.setdefault(index, bytearray()).extend(b64decode(audio.pop("data")))
        merge(choice["message"], said)
        for key, value in delta.items():
            if key in ("index", "delta") or value is None:
                continue
            if key == "logprobs":
                merge(choice, {key: value})
            else:
                choice[key] = value

    def _rebuilt(self) -> dict[str, Any]:
        choices = [joined(choice) for _, choice in sorted(self._choices.items())]
        for choice in choices:
            message = choice["message"]
            message.setdefault("role", "assistant")
            message.setdefault("content", None)
            for call in message.get("tool_calls") or ():
                call.pop("index", None)  # only streams have it
            if choice["index"] in self._audio:
                data = b64encode(self._audio[choice["index"]]).decode()
                message["audio"] = {**(message.get("audio") or {}), "data": data}
        return {**self._head, "object": "chat.completion", "choices": choices}


def chat_fields(body: dict[str, Any]) -> dict[str, Any]:
    """What an answer with choices says of itself."""
    fields = answer_fields(body)
    reasons = [
        choice["finish_reason"]
        for choice in body.get("choices") or ()
        if isinstance(choice, dict) and choice.get("finish_reason")
    ]
    if reasons:
        fields["finish_reasons"] = reasons
    return fields
