"""A RAG agent on Databricks: vector search, a serving endpoint, and the same by OpenAI's client.

Needs DATABRICKS_HOST and DATABRICKS_TOKEN, or any other login that databricks-sdk knows.
"""

import warnings

import tracetape
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole
from tracetape.entities import SpanType

tracetape.autolog()

warnings.filterwarnings("ignore", category=DeprecationWarning)  # of get_open_ai_client
workspace = WorkspaceClient()
openai = workspace.serving_endpoints.get_open_ai_client()
MODEL = "databricks-gemma-3-12b"


@tracetape.trace(span_type=SpanType.CHAIN)
def answer(question: str) -> str:
    found = workspace.vector_search_indexes.query_index(
        "main.docs.tape_index", columns=["id", "text", "url"], query_text=question, num_results=2
    )
    context = "\n".join(row[1] for row in found.result.data_array)
    draft = workspace.serving_endpoints.query(
        MODEL,
        messages=[
            ChatMessage(role=ChatMessageRole.SYSTEM, content=f"Answer from:\n{context}"),
            ChatMessage(role=ChatMessageRole.USER, content=question),
        ],
        max_tokens=32,
    )
    said = draft.choices[0].message.content
    short = openai.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Say it in five words: {said}"}],
        max_tokens=16,
    )
    return short.choices[0].message.content


print(answer("When was the tape deck invented?"))
