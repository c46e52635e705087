"""What went into a span and what came out, in a few words."""

from __future__ import annotations

from typing import Any

import orjson

from tracetape.entities import Span, SpanType

__all__ = ["input_preview", "output_preview"]


def input_preview(span: Span) -> str | None:
    """The last user message of a chat; otherwise the inputs as short as they can be said."""
    value = span.inputs
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        for message in reversed(value["messages"]):
            if isinstance(message, dict) and message.get("role") in ("user", "tool"):
                return f"{message['role']}: {_content(message)}"
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return _short(value)


def output_preview(span: Span) -> str | None:
    """The text or the tool calls of an answer; the documents of a retriever; else the outputs."""
    value = span.outputs
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        messages = [c.get("message") for c in value["choices"] if isinstance(c, dict)]
        return " | ".join(_answer(m) for m in messages if isinstance(m, dict)) or None
    if span.span_type == SpanType.RETRIEVER and isinstance(value, list):
        return _documents(value)
    return _short(value)


def _short(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):  # parts of text, images, reasoning
        parts = [p.get("text") or f"[{p.get('type')}]" for p in content if isinstance(p, dict)]
        return " ".join(map(str, parts))
    return "" if content is None else str(content)


def _answer(message: dict[str, Any]) -> str:
    calls = [
        f"{call['function'].get('name')}({call['function'].get('arguments')})"
        for call in message.get("tool_calls") or ()
        if isinstance(call, dict) and isinstance(call.get("function"), dict)
    ]
    return " ".join(part for part in (_content(message), *calls) if part)


def _documents(documents: list[Any]) -> str:
    texts = [
        str(document.get("page_content", "")) if isinstance(document, dict) else str(document)
        for document in documents
    ]
    count = f"{len(texts)} document{'' if len(texts) == 1 else 's'}"
    return f"{count}: {' · '.join(texts)}" if texts else count
