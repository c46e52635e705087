"""A retrieved document."""

from __future__ import annotations

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

    def to_dict(self) -> dict[str, Any]:
        """The three fields, always all of them."""
        return {"page_content": self.page_content, "metadata": self.metadata, "id": self.id}
