"""Chat completions."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Text, fields_of, get, items_of, joined, joined_base64, says
from tracetape_openai.choices import ChoicesCall
from tracetape_openai.deltas import merge
from tracetape_openai.tool_calls import in_order

__all__ = ["ChatCompletions"]

_CONTENT = {"content"}
_OF_MESSAGE = frozenset({"index", "delta", "message"})
# `text` is that of completions, which some servers stream here, too.
_IN_PIECES = frozenset({"logprobs", "usage", "text", "token_ids"})
_OF_MESSAGES = frozenset({"role", "content", "tool_calls", "reasoning_content", "refusal"})
_FILTERS = "content_filter_results"  # Azure's
_NOTHING: tuple[Any, ...] = ("", [], {})
_OBFUSCATION = {"obfuscation"}
# The fields of a chunk, and of its choice, that the SDK has names for in all versions; and the one
# that only hides how long a chunk is.
_OF_CHUNK = {"choices", "created", "id", "model", "object", "usage"} | _OBFUSCATION
_OF_CHUNK |= {"service_tier", "system_fingerprint"}
_OF_CHOICE = {"delta", "finish_reason", "index", "logprobs"}
_EXTRA = "__pydantic_extra__"  # what `model_extra` gives, at half its price


class ChatCompletions(ChoicesCall):
    """``POST /chat/completions``, plain and streamed.

    Shapes: OpenAI's API reference, "The chat completion object" and "The chat completion chunk
    object".
    """

    resource: ClassVar[str] = "Completions"
    span_type: ClassVar[str] = SpanType.CHAT_MODEL
    content: ClassVar[frozenset[str]] = frozenset({"messages"})

    def __init__(self) -> None:
        """Begin without a chunk."""
        super().__init__()
        self._audio: dict[int, list[str]] = {}
        # Some services send a `message` in the place of the `delta`, or both.
        self._with_deltas: set[int] = set()
        self._whole: dict[int, dict[str, Any]] = {}

    def is_head(self, chunk: Any) -> bool:
        """A role, Azure's filter of the prompt, or deltas with nothing in them."""
        return not any(
            says(get(choice, "delta")) or says(get(choice, "message")) or get(choice, "text")
            for choice in items_of(get(chunk, "choices"))
        )

    def chunk(self, chunk: Any) -> None:
        """Continue the choices by one chunk."""
        if self._failed is not None or not (self._choices and self._only_text(chunk)):
            super().chunk(chunk)

    def _only_text(self, chunk: Any) -> bool:
        """Take the common chunk, one choice that continues its text, at a tenth of the price."""
        if type(chunk) is dict:
            return self._only_text_of(chunk)
        choices = getattr(chunk, "choices", None)
        if type(choices) is not list or len(choices) != 1 or getattr(chunk, "usage", None):
            return False
        choice = choices[0]
        delta = getattr(choice, "delta", None)
        index = getattr(choice, "index", None)
        if (
            delta is None
            or getattr(delta, "__pydantic_fields_set__", None) != _CONTENT
            or getattr(choice, "finish_reason", None) is not None
            or getattr(choice, "logprobs", None) is not None  # not in openai 1.0
            or getattr(choice, _EXTRA, None)
            or getattr(delta, _EXTRA, None)
            or ((extra := getattr(chunk, _EXTRA, None)) and extra.keys() != _OBFUSCATION)
            or type(index) is not int
            or index not in self._choices
        ):
            return False
        return self._continue_text(index, delta.content)

    def _only_text_of(self, chunk: dict[str, Any]) -> bool:
        choices = chunk.get("choices")
        if type(choices) is not list or len(choices) != 1 or not chunk.keys() <= _OF_CHUNK:
            return False
        choice = choices[0]
        if type(choice) is not dict or not choice.keys() <= _OF_CHOICE or chunk.get("usage"):
            return False
        delta, index = choice.get("delta"), choice.get("index")
        if (
            type(delta) is not dict
            or delta.keys() != _CONTENT
            or choice.get("finish_reason") is not None
            or choice.get("logprobs") is not None
            or type(index) is not int
            or index not in self._choices
        ):
            return False
        return self._continue_text(index, delta["content"])

    def _continue_text(self, index: int, content: Any) -> bool:
        text = self._choices[index]["message"].get("content")
        if not isinstance(text, Text) or type(content) is not str:
            return False
        text.add(content)
        return True

    def continue_choice(self, index: int, delta: dict[str, Any]) -> None:
        """Continue the message; the rest of a choice comes whole, but for logprobs and usage."""
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = {"index": index, "message": {}, "finish_reason": None}
        said, whole = _as_message(delta.get("delta")), _as_message(delta.get("message"))
        if said:
            self._with_deltas.add(index)
            self._add(index, choice["message"], said)
        if whole:
            if index in self._with_deltas:  # what came so far, once more
                self._whole[index] = whole
            else:
                self._add(index, choice["message"], _new_of(choice["message"], whole))
        for key, value in delta.items():
            if key in _OF_MESSAGE or value is None or (choice.get(key) and value in _NOTHING):
                continue
            if key in _IN_PIECES:
                merge(choice, {key: value})
            elif key == _FILTERS:
                choice[key] = _merged_filters(choice.get(key), value)
            elif value != "" or key not in choice:
                choice[key] = value

    def _add(self, index: int, message: dict[str, Any], said: dict[str, Any]) -> None:
        audio = said.get("audio")
        if isinstance(audio, dict) and isinstance(audio.get("data"), str):
            self._audio.setdefault(index, []).append(audio.pop("data"))
        merge(message, said)

    def rebuilt(self) -> dict[str, Any]:
        """The choices with whole messages."""
        choices = [joined(choice) for _, choice in sorted(self._choices.items())]
        for choice in choices:
            message = choice["message"]
            for key, value in self._whole.get(choice["index"], {}).items():
                message[key] = message.get(key) or value
            message["role"] = message.get("role") or "assistant"
            message["content"] = _text_of(message.get("content"))
            if isinstance(message.get("tool_calls"), list):
                message["tool_calls"] = in_order(message["tool_calls"])
            if choice["index"] in self._audio:
                data = joined_base64(self._audio[choice["index"]])
                message["audio"] = {**fields_of(message.get("audio")), "data": data}
        return {"object": "chat.completion", "choices": choices}


def _as_message(said: Any) -> dict[str, Any] | None:
    """A delta or message; some servers send its content only."""
    if isinstance(said, list) and not _OF_MESSAGES.isdisjoint(fields_of(said)):
        return fields_of(said)  # the only one, in a list
    if isinstance(said, (str, list)) and said:
        return {"content": said}
    return said if isinstance(said, dict) and said else None


def _merged_filters(before: Any, new: Any) -> Any:
    """Merge the verdicts of Azure's filters: one that was found stays."""
    if not (isinstance(before, dict) and isinstance(new, dict)):
        return new
    found = {key: value for key, value in before.items() if fields_of(value).get("filtered")}
    return {**before, **new, **found}


def _text_of(content: Any) -> Any:
    """Text that came in lists of nothing else, as Databricks sends it, is one string (MLflow's)."""
    if isinstance(content, list) and content and all(map(_is_text, content)):
        return "".join(part["text"] for part in content)
    return content


def _is_text(part: Any) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == {"type", "text"}
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )


def _new_of(message: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The text that a `message` adds: it repeats all of it, or brings only the next part."""
    new = dict(whole)
    for key, value in whole.items():
        before = message.get(key)
        if isinstance(before, Text) and isinstance(value, str):
            text = "".join(before)
            if len(value) > len(text) > 0 and value.startswith(text):
                new[key] = value[len(text) :]
    return new
