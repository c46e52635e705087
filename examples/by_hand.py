"""A conversation traced by hand: its turns are asked in one thread and answered in another.

No context is carried over: the ids of the trace and of the spans go through a queue with the work.
Needs DATABRICKS_HOST and DATABRICKS_TOKEN, or any other login that the Databricks SDK knows.
"""

import queue
import threading
import warnings

import tracetape
from databricks.sdk import WorkspaceClient
from tracetape.entities import SpanType

# The SDK points to its successor, the package databricks-openai.
warnings.filterwarnings("ignore", message="get_open_ai_client")
model = WorkspaceClient().serving_endpoints.get_open_ai_client()
tracer = tracetape.Client()
QUESTIONS = ["What is the capital of France?", "Which river flows through it?"]
history = [{"role": "system", "content": "You are a helpful assistant. Answer in one sentence."}]
questions: queue.Queue = queue.Queue()
answers: queue.Queue = queue.Queue()


def answer_questions() -> None:
    while (turn := questions.get()) is not None:
        trace_id, turn_id = turn
        request = {"model": "databricks-gemma-3-12b", "messages": history}
        span = tracer.start_span(
            "model", trace_id, parent_id=turn_id, span_type=SpanType.CHAT_MODEL, inputs=request
        )
        with tracetape.context(enabled=False):  # under `tracetape run` it would trace itself, too
            completion = model.chat.completions.create(**request, max_tokens=32, temperature=0)
        tracer.end_span(trace_id, span.span_id, outputs=completion)
        answers.put(completion.choices[0].message.content)


worker = threading.Thread(target=answer_questions)
worker.start()
root = tracer.start_trace("conversation", tags={"channel": "terminal"})
for number, question in enumerate(QUESTIONS, 1):
    turn = tracer.start_span(
        "turn", root.trace_id, root.span_id, inputs=question, attributes={"number": number}
    )
    history.append({"role": "user", "content": question})
    questions.put((root.trace_id, turn.span_id))
    text = answers.get()
    history.append({"role": "assistant", "content": text})
    tracer.end_span(root.trace_id, turn.span_id, outputs=text)
    print(f"> {question}\n{text}\n")
questions.put(None)
worker.join()
tracer.end_trace(root.trace_id, outputs=history)

tracetape.log_feedback(trace_id=root.trace_id, name="right", value=True)
trace = tracer.get_trace(root.trace_id, flush=True)
print(len(trace.data.spans), "spans;", trace.info.assessments[0].name, "is said of them")
