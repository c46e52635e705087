"""All other endpoints: moderation, retrieval, files and the rest."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import Document, SpanType
from tracetape.entities.attachment import Attachment
from tracetape.instrument import Extractor, Request, Result, fields_of, items_of, plain
from tracetape_openai.model_calls import ModelCall

__all__ = ["Decisions", "Generic", "Management", "Moderations", "VectorStoreSearch"]

_KEPT_CHUNKS = 1000


class Moderations(ModelCall):
    """``POST /moderations``."""

    resource: ClassVar[str] = "Moderations"
    span_type: ClassVar[str] = SpanType.GUARDRAIL


class Decisions(ModelCall):
    """``POST /decisions``: a model that answers with probabilities."""

    resource: ClassVar[str] = "Decisions"
    span_type: ClassVar[str] = SpanType.LLM
    content: ClassVar[frozenset[str]] = frozenset({"input", "questions"})
    message_format: ClassVar[str | None] = "openai_decisions"


class VectorStoreSearch(Extractor):
    """``POST /vector_stores/{id}/search``; the outputs are documents.

    Shape: OpenAI's API reference, "Search vector store".
    """

    reads_later: ClassVar[bool] = True
    resource: ClassVar[str] = "VectorStores"
    span_type: ClassVar[str] = SpanType.RETRIEVER

    def inputs(self, request: Request) -> Any:
        """The query, and what is searched."""
        return {"vector_store_id": request.path.split("/")[2], **request.body}

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes."""
        attributes = {key: value for key, value in request.body.items() if key != "query"}
        return attributes, {"provider": request.provider, "base_url": request.base_url}

    def result(self, body: Any | None) -> Result:
        """One document for each part of a file that was found, the best first."""
        found = body.get("data") if isinstance(body, dict) else None
        if not isinstance(found, list):
            return Result(None)
        return Result([_document(one).to_dict() for one in found if isinstance(one, dict)])


def _document(found: dict[str, Any]) -> Document:
    parts = [part for part in items_of(found.get("content")) if isinstance(part, dict)]
    metadata = {
        **fields_of(found.get("attributes")),
        "doc_uri": found.get("filename"),
        "score": found.get("score"),
    }
    text = "\n".join(str(part.get("text") or "") for part in parts)
    return Document(text, metadata, found.get("file_id"))


class Generic(ModelCall):
    """A call of a path that we do not know, whose body names a model."""

    reads_later: ClassVar[bool] = False  # of a stream the chunks are kept as the SDK gives them
    span_type: ClassVar[str] = SpanType.LLM

    def __init__(self) -> None:
        """Begin without a chunk."""
        self._chunks: list[Any] = []

    def name(self, request: Request) -> str:
        """The method and the path."""
        return f"{request.method} {request.path}"

    def chunk(self, chunk: Any) -> None:
        """Keep the first thousand; how many there were is known anyway."""
        if len(self._chunks) < _KEPT_CHUNKS:
            self._chunks.append(plain(chunk))

    def result(self, body: Any | None) -> Result:
        """The answer, or the chunks as they came."""
        return super().result(body) if body is not None else Result(self._chunks)


class Management(Generic):
    """A call that asks no model, such as listing files."""

    span_type: ClassVar[str] = SpanType.UNKNOWN

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name the model that is asked."""
        return {}, {"provider": request.provider, "base_url": request.base_url}

    def result(self, body: Any | None) -> Result:
        """The answer; of a file's content only what it is."""
        if isinstance(body, Attachment):
            size = len(body.content_bytes)
            return Result({"content_type": body.content_type, "size": size})
        return Result(None if body is not None else self._chunks)
