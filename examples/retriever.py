"""A retriever span: its outputs are Documents, which can be read back from the trace."""

import tracetape
from tracetape.entities import Document, SpanType

SHELF = [
    Document("Spans form a tree: the trace.", {"doc_uri": "docs/traces.md", "score": 0.92}, "1"),
    Document("A cassette holds HTTP interactions.", {"doc_uri": "docs/cassettes.md"}, "2"),
    Document("A trace has one root span.", {"doc_uri": "docs/traces.md", "score": 0.81}, "3"),
]


@tracetape.trace(span_type=SpanType.RETRIEVER)
def retrieve(word: str) -> list[Document]:
    return [document for document in SHELF if word in document.page_content]


retrieve("trace")

trace_id = tracetape.get_last_active_trace_id()
trace = tracetape.get_trace(trace_id) if trace_id else None
assert trace is not None
(span,) = trace.search_spans(span_type=SpanType.RETRIEVER)
for document in map(Document.from_dict, span.outputs):
    print(document.id, document.page_content, document.metadata)
