"""Inputs and outputs of a span, in a few words."""

from __future__ import annotations

from typing import Any

from tracetape._json import dumps
from tracetape.entities import Span, SpanType
from tracetape.views.format import one_line

__all__ = ["input_preview", "output_preview"]

_TITLES = 3  # documents of a retriever that are named
_TITLE_WIDTH = 60


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
    return value if isinstance(value, str) else dumps(value).decode()


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
    titles = [_title(document) for document in documents[:_TITLES]]
    count = f"{len(documents)} document{'' if len(documents) == 1 else 's'}"
    more = ["…"] if len(documents) > _TITLES else []
    return f"{count}: {' · '.join([*titles, *more])}" if titles else count


def _title(document: Any) -> str:
    """A document's title, else its beginning."""
    if not isinstance(document, dict):
        return one_line(_short(document) or "", _TITLE_WIDTH)
    metadata = document.get("metadata")
    title = metadata.get("title") if isinstance(metadata, dict) else None
    return one_line(str(title or document.get("page_content", "")), _TITLE_WIDTH)
