"""A chat with a model that Databricks serves: three turns of one conversation.

Needs DATABRICKS_HOST and DATABRICKS_TOKEN, or any other login that the Databricks SDK knows.
"""

import warnings

import tracetape
from databricks.sdk import WorkspaceClient
from tracetape.entities import SpanEvent, SpanType

tracetape.autolog()

# The SDK points to its successor, the package databricks-openai.
warnings.filterwarnings("ignore", message="get_open_ai_client")
client = WorkspaceClient().serving_endpoints.get_open_ai_client()
QUESTIONS = [
    "What is the capital of France?",
    "Which river flows through it?",
    "Name a famous museum there.",
]
history = [{"role": "system", "content": "You are a helpful assistant. Answer in one sentence."}]


@tracetape.trace(span_type=SpanType.CHAIN)
def answer(question: str) -> str:
    with tracetape.start_span("User") as span:
        span.set_inputs({"question": question})
        span.set_attributes({"turn": len(history) // 2 + 1, "channel": "terminal"})
        span.add_event(SpanEvent("question received", attributes={"characters": len(question)}))
        history.append({"role": "user", "content": question})
    completion = client.chat.completions.create(
        model="databricks-gemma-3-12b", messages=history, max_tokens=32, temperature=0
    )
    text = completion.choices[0].message.content
    history.append({"role": "assistant", "content": text})
    return text


for question in QUESTIONS:
    print(f"> {question}\n{answer(question)}\n")
