"""Documents of other libraries, known by their shape alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tracetape.entities import Document


class Node:
    """As LlamaIndex's NodeWithScore."""

    node_id = "n1"

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata

    def get_content(self) -> str:
        return "Paris"

    def get_score(self) -> float:
        return 0.5


def test_from_langchain() -> None:
    """Metadata are copied; old versions have no id."""
    found = SimpleNamespace(page_content="Paris", metadata={"tags": ["a"]}, id="d1")
    document = Document.from_langchain_document(found)
    found.metadata["tags"].append("b")
    assert document == Document("Paris", {"tags": ["a"]}, "d1")
    old = SimpleNamespace(page_content="Paris", metadata={})
    assert Document.from_langchain_document(old) == Document("Paris")


def test_from_llama_index() -> None:
    """The score joins the metadata, where one's own wins."""
    metadata = {"tags": ["a"]}
    document = Document.from_llama_index_node_with_score(Node(metadata))
    metadata["tags"].append("b")
    assert document == Document("Paris", {"score": 0.5, "tags": ["a"]}, "n1")
    own = Document.from_llama_index_node_with_score(Node({"score": 0.9}))
    assert own.metadata == {"score": 0.9}
