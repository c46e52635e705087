"""Retrieval, then a streamed answer: a chain with a retriever span and an LLM span below it.

Needs OPENAI_API_KEY.
"""

import tracetape
from openai import OpenAI
from tracetape.entities import Document, SpanType

tracetape.autolog()

client = OpenAI()
SHELF = [
    Document("The tape deck was invented in 1935 in Berlin.", {"doc_uri": "history.md"}, "1"),
    Document("A cassette holds two miniature spools of tape.", {"doc_uri": "parts.md"}, "2"),
    Document("A tape is rewound by turning the left spool.", {"doc_uri": "use.md"}, "3"),
]


@tracetape.trace(span_type=SpanType.RETRIEVER)
def retrieve(question: str, count: int = 2) -> list[Document]:
    words = set(question.lower().strip("?").split())
    overlap = {d.id: len(words & set(d.page_content.lower().split())) for d in SHELF}
    return sorted(SHELF, key=lambda document: -overlap[document.id])[:count]


@tracetape.trace(span_type=SpanType.CHAIN)
def answer(question: str) -> str:
    context = "\n".join(document.page_content for document in retrieve(question))
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[
            {"role": "system", "content": f"Answer from this context:\n{context}"},
            {"role": "user", "content": question},
        ],
        max_tokens=32,
        stream=True,
        stream_options={"include_usage": True},
    )
    parts = []
    for chunk in stream:
        if chunk.choices:
            parts.append(chunk.choices[0].delta.content or "")
            print(parts[-1], end="", flush=True)
    print()
    return "".join(parts)


answer("When was the tape deck invented?")
