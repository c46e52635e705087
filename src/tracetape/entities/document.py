"""A retrieved document."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Document"]


@dataclass
class Document:
    """One document that a retriever found; a list of them is a RETRIEVER span's output.

    Attributes:
        page_content: the text.
        metadata: whatever is known of it; ``doc_uri`` and ``score`` are shown by the views.
        id: the document's id in its index.
    """

    page_content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Document:
        """The document that `to_dict` gave."""
        return cls(data["page_content"], dict(data.get("metadata") or {}), data.get("id"))

    @classmethod
    def from_langchain_document(cls, document: Any) -> Document:
        """The document that a LangChain retriever gave."""
        return cls(
            page_content=document.page_content,
            metadata=deepcopy(document.metadata),
            id=getattr(document, "id", None),  # absent before langchain-core 0.2
        )

    @classmethod
    def from_llama_index_node_with_score(cls, node_with_score: Any) -> Document:
        """The document that a LlamaIndex retriever gave; a ``score`` in its metadata wins."""
        return cls(
            page_content=node_with_score.get_content(),
            metadata={"score": node_with_score.get_score(), **deepcopy(node_with_score.metadata)},
            id=node_with_score.node_id,
        )

    def to_dict(self) -> dict[str, Any]:
        """The three fields, always all of them."""
        return {"page_content": self.page_content, "metadata": self.metadata, "id": self.id}
