"""Documents: what a retriever's span gives back."""

from __future__ import annotations

from collections.abc import Callable

import tracetape
from tracetape.entities import Document, Span, SpanType

FOUND = [
    Document("Paris is in France.", {"doc_uri": "geo/fr.md", "score": 0.9}, "d1"),
    Document("Käse – fromage"),
]


def test_to_dict_has_all_three_fields() -> None:
    """Also those that are not given."""
    assert Document("text").to_dict() == {"page_content": "text", "metadata": {}, "id": None}
    assert FOUND[0].to_dict() == {
        "page_content": "Paris is in France.",
        "metadata": {"doc_uri": "geo/fr.md", "score": 0.9},
        "id": "d1",
    }
    assert Document("a").metadata is not Document("b").metadata


def test_documents_of_a_retriever_span_read_back(last_span: Callable[[], Span]) -> None:
    """Given as documents or as their dictionaries, the outputs make the same documents again."""
    for outputs in (FOUND, [document.to_dict() for document in FOUND]):
        with tracetape.start_span("search", span_type=SpanType.RETRIEVER) as span:
            span.set_outputs(outputs)
        stored = last_span()
        assert stored.span_type == "RETRIEVER"
        assert stored.outputs == [document.to_dict() for document in FOUND]
        assert [Document(**found) for found in stored.outputs] == FOUND
        assert [Document.from_dict(found) for found in stored.outputs] == FOUND


def test_a_traced_retriever_returns_its_documents_unchanged(
    last_span: Callable[[], Span],
) -> None:
    """The caller gets the very objects, the span their contents."""

    @tracetape.trace(span_type=SpanType.RETRIEVER)
    def search(query: str) -> list[Document]:
        return FOUND

    assert search("cheese") is FOUND
    assert [Document(**found) for found in last_span().outputs] == FOUND
