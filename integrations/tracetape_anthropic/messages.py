"""Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import (
    Extractor,
    Failure,
    Message,
    MessageReader,
    Request,
    Result,
    Text,
    call_text,
    count_of,
    decode,
    encode,
    failure_of_answer,
    failure_of_page,
    failure_of_reasons,
    fields_of,
    get,
    items_of,
    joined,
    merged_counts,
    parsed_json,
    plain,
    says,
    text_of,
    text_of_parts,
)

__all__ = ["Management", "MessageBlockReader", "Messages", "normalised"]

_CONTENT = frozenset({"messages", "system", "tools"})
# What the deltas of a block continue: their type, their key, the block's key.
_CONTINUED = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "input"),
}
_CACHED = ("cache_read_input_tokens", "cache_creation_input_tokens")


class Messages(Extractor):
    """``POST /v1/messages``, plain and streamed; also of ``client.beta``.

    Shapes: Anthropic's API reference, "Messages" and "Streaming messages".
    """

    reads_later: ClassVar[bool] = True
    resource: ClassVar[str] = "Messages"
    span_type: ClassVar[str] = SpanType.CHAT_MODEL

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._message: dict[str, Any] = {}
        # By the server's index; some servers begin several blocks with the same one.
        self._blocks: dict[tuple[int, int], dict[str, Any]] = {}
        self._begun: dict[int, int] = {}  # the last one of each index
        self._error: Failure | None = None
        self._instead: dict[str, Any] = {}  # what came in the place of a message

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes; the model, the tools and who is asked as fields."""
        body = request.body
        fields: dict[str, Any] = {
            "message_format": "anthropic",
            "provider": request.provider,
            "base_url": request.base_url,
        }
        if body.get("model"):
            fields["request_model"] = str(body["model"])
        if isinstance(body.get("tools"), (list, tuple)) and body["tools"]:
            fields["tools"] = [_chat_tool(tool) for tool in decode(encode(list(body["tools"])))]
        if body.get("stream"):
            fields["streamed"] = True
        return {key: value for key, value in body.items() if key not in _CONTENT}, fields

    def is_head(self, chunk: Any) -> bool:
        """The events before the first that says something; a call of a tool does by its name."""
        kind = get(chunk, "type")
        if kind == "content_block_start":
            return not says(get(chunk, "content_block"))
        if kind == "content_block_delta":
            delta = get(chunk, "delta")
            return bool(get(delta, "type") == "signature_delta") or not says(delta)
        return True

    def is_end(self, chunk: Any) -> bool:
        """The last event of a message."""
        return bool(get(chunk, "type") == "message_stop")

    def chunk(self, chunk: Any) -> None:
        """Take one event."""
        kind, index = get(chunk, "type"), get(chunk, "index")
        if type(index) is not int:  # of the last block, or the next one
            last, _ = max(self._blocks, default=(-1, 0))
            index = last + (kind == "content_block_start")
        if kind == "message_start":
            self._message = fields_of(plain(get(chunk, "message")))
        elif kind == "content_block_start":
            place = (index, self._begun.get(index, -1) + 1)
            self._begun[index] = place[1]
            self._blocks[place] = fields_of(plain(get(chunk, "content_block")))
        elif kind == "content_block_delta":
            place = (index, self._begun.setdefault(index, 0))
            delta = get(chunk, "delta")
            self._continue(
                self._blocks.setdefault(place, {}),
                fields_of(delta) if isinstance(delta, list) else delta,
            )
        elif kind == "message_delta":
            said = plain(chunk)
            self._message.update(fields_of(said.get("delta")))
            usage = fields_of(said.get("usage"))
            if usage:
                # Totals so far; what is left out is as in the first event.
                before = fields_of(self._message.get("usage"))
                self._message["usage"] = merged_counts(before, usage)
        elif kind == "error" or not isinstance(kind, str) or get(chunk, "object") == "error":
            said = fields_of(plain(chunk))
            error = failure_of_answer(said, "content")
            if error is not None:
                self._error, self._instead = error, said

    def _continue(self, block: dict[str, Any], delta: Any) -> None:
        kind = str(get(delta, "type"))
        if kind in _CONTINUED:
            source, key = _CONTINUED[kind]
            text = block.get(key)
            if not isinstance(text, Text):
                text = block[key] = Text([text] if text and isinstance(text, str) else [])
            text.add(text_of(get(delta, source)))
        elif kind == "citations_delta":
            block["citations"] = [*items_of(block.get("citations")), plain(get(delta, "citation"))]
        elif kind == "signature_delta":
            block["signature"] = get(delta, "signature")
        else:  # one that came later than this
            for key, value in fields_of(plain(delta)).items():
                before = block.get(key)
                if key == "type":
                    continue
                if isinstance(value, str) and isinstance(before, Text):
                    before.add(value)
                elif isinstance(value, str) and isinstance(before, str):
                    block[key] = Text([before, value])
                elif value or before is None:
                    block[key] = value

    def result(self, body: Any | None) -> Result:
        """The message, its model, usage and reason to stop."""
        if body is not None:
            if not isinstance(body, dict):
                return Result(None, error=failure_of_page(body))
            return Result(None, _fields(body), _failure(body))
        if not (self._message or self._blocks):
            return Result(self._instead or None, error=self._error)
        blocks = [joined(block) for _, block in sorted(self._blocks.items())]
        for block in blocks:
            if "input" in block and isinstance(block["input"], str):
                block["input"] = _parsed(block["input"])
        message = {**self._message, "content": blocks or items_of(self._message.get("content"))}
        return Result(message, _fields(message), _failure(message) or self._error)


class MessageBlockReader(MessageReader):
    """Finds the messages in calls of ``POST /v1/messages``; a request has the form of a chat's."""

    def answered(self, outputs: Any) -> list[Message] | None:
        """One message: its texts and the calls of tools."""
        content = fields_of(outputs).get("content")
        if not isinstance(content, list):
            return None
        texts = [_shown(block) for block in content if isinstance(block, dict)]
        return [Message("assistant", " ".join(filter(None, texts)))]


def _shown(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "tool_use":
        return call_text(block.get("name"), encode(block.get("input")).decode())
    return "" if kind in ("thinking", "redacted_thinking") else text_of_parts([block])


class Management(Extractor):
    """A call that asks no model, such as counting tokens."""

    def name(self, request: Request) -> str:
        """The method and the path."""
        return f"{request.method} {request.path}"

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name the model that is asked."""
        return {}, {"provider": request.provider, "base_url": request.base_url}

    def chunk(self, chunk: Any) -> None:
        """Ignore the chunk: these endpoints stream nothing that is kept."""

    def result(self, body: Any | None) -> Result:
        """The answer as it is."""
        del body
        return Result(None)


def normalised(usage: Mapping[str, Any]) -> dict[str, int]:
    """Neutral token counts; Anthropic's ``input_tokens`` leave out what came from a cache."""
    counts = {
        "output_tokens": usage.get("output_tokens"),
        **{kind: usage.get(kind) for kind in _CACHED},
        "reasoning_tokens": fields_of(usage.get("output_tokens_details")).get("thinking_tokens"),
    }
    counted = {kind: count_of(n) for kind, n in counts.items()}
    found = {kind: n for kind, n in counted.items() if n is not None}
    uncached = count_of(usage.get("input_tokens"))
    if uncached is not None:
        found["input_tokens"] = uncached + sum(found.get(kind, 0) for kind in _CACHED)
        if "output_tokens" in found:
            found["total_tokens"] = found["input_tokens"] + found["output_tokens"]
    return found


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, field in (("model", "model"), ("id", "response_id")):
        if body.get(key) and isinstance(body[key], str):
            fields[field] = body[key]
    if text_of(body.get("stop_reason")):
        fields["finish_reasons"] = [body["stop_reason"]]
    usage = fields_of(body.get("usage"))
    if usage:
        fields["provider_usage"] = usage
        counts = normalised(usage)
        if counts:
            fields["usage"] = counts
    return fields


def _failure(body: dict[str, Any]) -> Failure | None:
    return failure_of_answer(body, "content") or failure_of_reasons([body.get("stop_reason")])


def _chat_tool(tool: Any) -> Any:
    """A tool in OpenAI's form, as in MLflow; those of the server's own stay as they are."""
    if not isinstance(tool, dict) or "input_schema" not in tool:
        return tool
    function = {k: v for k, v in tool.items() if k in ("name", "description", "strict")}
    return {"type": "function", "function": {**function, "parameters": tool["input_schema"]}}


def _parsed(text: str) -> Any:
    """A tool's arguments; as text if the stream was cut within."""
    return parsed_json(text, text) if text else {}
