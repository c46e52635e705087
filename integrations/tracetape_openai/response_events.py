"""A response of the Responses API, put together from the events of its stream."""

from __future__ import annotations

from typing import Any

from tracetape.instrument import (
    Failure,
    Text,
    failure_of_answer,
    failure_of_error,
    fields_of,
    get,
    items_of,
    joined,
    plain,
    says,
    text_of,
)

__all__ = ["ResponseEvents"]

_LONG = 6  # digits of an index
_HEADS = frozenset({"response.created", "response.queued", "response.in_progress"})
# The last one is that of realtime sessions.
_ENDS = frozenset(
    {
        "response.completed",
        "response.incomplete",
        "response.failed",
        "response.cancelled",
        "response.done",
    }
)
# What an event says in addition to the fields of an item.
_OF_EVENTS = frozenset(
    {"type", "sequence_number", "output_index", "item_id", "event_id", "response_id", "obfuscation"}
)
# What is continued by deltas: the list in the item, the name of the index into it, the type of a
# part that nobody has announced, and the key.
_CONTINUED = {
    "response.output_text": ("content", "content_index", "output_text", "text"),
    # Of realtime sessions, and of their beta: the sound itself is not kept.
    "response.text": ("content", "content_index", "text", "text"),
    "response.output_audio_transcript": (
        "content",
        "content_index",
        "output_audio",
        "transcript",
    ),
    "response.audio_transcript": ("content", "content_index", "audio", "transcript"),
    "response.refusal": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "summary_text", "text"),
    "response.function_call_arguments": ("", "", "function_call", "arguments"),
    "response.mcp_call_arguments": ("", "", "mcp_call", "arguments"),
    "response.custom_tool_call_input": ("", "", "custom_tool_call", "input"),
    "response.code_interpreter_call_code": ("", "", "code_interpreter_call", "code"),
}
_PARTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}


class ResponseEvents:
    """The response as the events have described it so far.

    Their shapes: OpenAI's API reference, "Streaming events" of responses. A stream that came to
    its end has the whole response in its last event; the rest is for streams that did not, and for
    servers whose last event leaves the output out.
    """

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._response: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}
        self.error: Failure | None = None
        self._instead: dict[str, Any] = {}  # what came in the place of a response

    def add(self, event: Any) -> None:
        """Take one event: the SDK's object, or a dictionary."""
        kind = get(event, "type")
        if not isinstance(kind, str) or get(event, "object") == "error":
            self._other(event)
            return
        if kind in _HEADS or kind in _ENDS:
            response = fields_of(plain(get(event, "response")))
            if response:
                self._response = response
        elif kind == "error":
            said = {key: value for key, value in fields_of(plain(event)).items() if key != "type"}
            self.error = failure_of_error(said) or Failure("the stream ended with an error")
        else:
            self._continue(kind, self._index(kind, event), event)

    def _other(self, event: Any) -> None:
        """Take what is not an event of a response: an error, if it says one."""
        said = fields_of(plain(event))
        error = failure_of_answer(said, "output")
        if error is not None:
            self.error, self._instead = error, said

    @staticmethod
    def is_head(event: Any) -> bool:
        """Whether an event only announces what will come."""
        kind = str(get(event, "type"))
        if kind.endswith(".delta"):
            return not says(get(event, "delta"))
        if kind == "response.output_item.added":  # a call is one from its beginning on
            item = get(event, "item")
            return "call" not in str(get(item, "type")) and not says(get(item, "content"))
        if kind.endswith("_part.added"):
            return not says(get(event, "part"))
        if kind in _ENDS:
            return not says(get(get(event, "response"), "output"))
        return not kind.endswith((".done", ".partial_image"))

    @staticmethod
    def is_end(event: Any) -> bool:
        """Whether the response is over with this event."""
        return text_of(get(event, "type")) in _ENDS

    def response(self) -> dict[str, Any]:
        """The response as a plain answer has it, as far as it came; empty: nothing came."""
        if self._response.get("output"):
            return self._response
        items = [joined(item) for _, item in sorted(self._items.items())]
        return {**self._response, "output": items} if self._response or items else self._instead

    def _index(self, kind: str, event: Any) -> int:
        """The place of the item that an event is about; not every server counts them."""
        index = get(event, "output_index")
        if isinstance(index, int):
            return index
        if isinstance(index, str) and index.isdecimal() and len(index) < _LONG:
            return int(index)
        number = get(event, "item_id") or get(get(event, "item"), "id")
        for place, item in self._items.items():
            if number and item.get("id") == number:
                return place
        return max(self._items, default=0) + (
            bool(self._items) and kind == "response.output_item.added"
        )

    def _continue(self, kind: str, index: int, event: Any) -> None:
        name, _, step = kind.rpartition(".")
        if name in _CONTINUED:
            place, index_name, made, key = _CONTINUED[name]
            item = self._item(index, "message" if place == "content" else made)
            part = _part(item, place, get(event, index_name), made) if place else item
            if step == "delta":
                before = part.get(key)
                if not isinstance(before, Text):
                    said = [before] if isinstance(before, str) and before else []
                    before = part[key] = Text(said)
                before.add(text_of(get(event, "delta")))
            elif step == "done":
                said_whole = get(event, key)
                if isinstance(said_whole, str):
                    part[key] = said_whole
        elif name == "response.output_item":
            item = plain(get(event, "item"))
            if isinstance(item, dict):
                self._items[index] = item
        elif name in _PARTS:
            place, index_name = _PARTS[name]
            part = plain(get(event, "part"))
            item = self._item(index, "message" if place == "content" else "reasoning")
            if isinstance(part, dict):
                _part(item, place, get(event, index_name), "").update(part)
        elif kind == "response.output_text.annotation.added":
            part = _part(
                self._item(index, "message"), "content", get(event, "content_index"), "output_text"
            )
            annotation = plain(get(event, "annotation"))
            part["annotations"] = [*items_of(part.get("annotations")), annotation]
        elif kind == "response.image_generation_call.partial_image":
            self._item(index, "image_generation_call")["result"] = get(event, "partial_image_b64")
        elif step in ("delta", "done") and index in self._items:  # newer than this
            self._continue_new(self._items[index], name, fields_of(plain(event)))

    @staticmethod
    def _continue_new(item: dict[str, Any], name: str, said: dict[str, Any]) -> None:
        """Continue what an item of a new kind has by the event's name, or take it as it says."""
        part = said.pop("delta", None)
        key = next((key for key in item if name.endswith((f".{key}", f"_{key}"))), None)
        if isinstance(part, str) and key is not None and isinstance(item[key], (str, Text)):
            before = item[key]
            item[key] = before if isinstance(before, Text) else Text([before] if before else [])
            item[key].add(part)
        for key, value in said.items():
            if key not in _OF_EVENTS and value:
                item[key] = value

    def _item(self, index: int, kind: str) -> dict[str, Any]:
        if index not in self._items:
            self._items[index] = {"type": kind}
        return self._items[index]


def _part(item: dict[str, Any], place: str, index: Any, kind: str) -> dict[str, Any]:
    """The part of an item at `index`, made if need be."""
    parts = item.get(place)
    if isinstance(parts, str) and parts:
        parts = item[place] = [{"type": kind, "text": parts}]
    elif not isinstance(parts, list):
        parts = item[place] = items_of(parts)
    if index is None and parts and kind and get(parts[-1], "type") == kind:
        index = len(parts) - 1  # a server that does not count continues the last one
    index = index if isinstance(index, int) and 0 <= index <= len(parts) else len(parts)
    if index == len(parts):
        parts.append({"type": kind})
    elif not isinstance(parts[index], dict):
        parts[index] = {"type": kind}
    found: dict[str, Any] = parts[index]
    return found
