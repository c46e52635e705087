"""Inputs and outputs of a span, in a few words."""

from __future__ import annotations

from typing import Any

from tracetape._json import dumps
from tracetape.apis import endpoint_of, resolve
from tracetape.entities import Span, SpanType
from tracetape.formats.messages import MessageReader
from tracetape.formats.names import NAME_OF_FIELD
from tracetape.views.format import one_line

__all__ = ["input_preview", "output_preview"]

_ANSWERED = ("user", "tool")  # roles of the messages that a model answers
_TITLES = 3  # documents of a retriever that are named
_TITLE_WIDTH = 60


def input_preview(span: Span) -> str | None:
    """The last message of a user or a tool; without one the inputs, as short as they can be."""
    value = span.inputs
    for message in reversed(_reader(span).asked(value)):
        if message.role in _ANSWERED:
            return f"{message.role}: {message.text}"
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return _short(value)


def output_preview(span: Span) -> str | None:
    """The text or the tool calls of an answer; the documents of a retriever; else the outputs."""
    value = span.outputs
    answered = _reader(span).answered(value)
    if answered is not None:
        return " | ".join(message.text for message in answered) or None
    if span.span_type == SpanType.RETRIEVER and isinstance(value, list):
        return _documents(value)
    return _short(value)


def _reader(span: Span) -> MessageReader:
    """The reader of the endpoint, by the table of endpoints."""
    path = span.get_attribute(NAME_OF_FIELD["path"])
    endpoint = endpoint_of(path) if isinstance(path, str) else None
    reference = None if endpoint is None else endpoint.messages
    found = None if reference is None else resolve(reference)
    reader: MessageReader = MessageReader() if found is None else found()
    return reader


def _short(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else dumps(value).decode()


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
