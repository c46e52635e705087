"""Makes the traces in `data/`: run it with a Python that has MLflow, of the version in the name.

    python tests/mlflow/make_data.py tests/mlflow/data/mlflow_3.17.2.json

What the newest MLflow reads out of them is made by ``reading.py tests/mlflow/data``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def make() -> str:
    """A trace with nested spans, events, an error, chat tools and token usage, as JSON."""
    import mlflow
    from mlflow.entities import SpanEvent, SpanType

    mlflow.set_tracking_uri((Path(tempfile.mkdtemp()) / "runs").as_uri())
    mlflow.set_experiment("traces")

    @mlflow.trace(span_type=SpanType.TOOL)
    def weather(city: str) -> dict:
        raise LookupError(f"no weather for {city}")

    @mlflow.trace(span_type=SpanType.CHAIN, attributes={"team": "a", "ratio": 0.5, "none": None})
    def answer(question: str) -> dict:
        with mlflow.start_span("search", span_type=SpanType.RETRIEVER) as span:
            span.set_inputs(question)
            span.set_outputs([{"page_content": "Paris", "metadata": {"score": 0.9}, "id": "d1"}])
        with mlflow.start_span("Completions", span_type=SpanType.CHAT_MODEL) as span:
            messages = [{"role": "user", "content": question}]
            span.set_inputs({"messages": messages, "model": "gemma", "temperature": 0})
            tool = {"type": "function", "function": {"name": "weather"}}
            span.set_attribute("mlflow.chat.tools", [tool])
            span.set_attribute("mlflow.llm.model", "gemma")
            span.set_attribute("mlflow.llm.provider", "databricks")
            span.set_attribute("mlflow.message.format", "openai")
            usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
            span.set_attribute("mlflow.chat.tokenUsage", usage)
            span.add_event(SpanEvent("mlflow.chunk.item.0", attributes={"mlflow.chunk.value": "1"}))
            span.add_event(SpanEvent("typed", 5, {"n": 1, "x": 1.5, "yes": True, "many": [1, 2]}))
            message = {"role": "assistant", "content": "Käse 🧀"}
            span.set_outputs({"choices": [{"message": message}]})
        try:
            weather("Paris")
        except LookupError:
            pass
        with mlflow.start_span("odd") as span:
            if hasattr(mlflow.entities, "SpanLogLevel"):  # 3.17
                span.set_log_level("WARNING")
                span.set_description("what is hard to write down")
                span.add_link(mlflow.entities.Link(f"tr-{1:032x}", f"{2:016x}", {"why": "test"}))
            span.set_attribute("nan", float("nan"))
            span.set_attribute("huge", 2**70)
            span.set_outputs("text")
        return {"answer": "fromage", "nested": [1, None, {"ü": True}]}

    answer("Käse?")
    if not hasattr(mlflow, "get_last_active_trace_id"):  # MLflow 2
        return mlflow.get_last_active_trace().to_json(pretty=True)
    trace_id = mlflow.get_last_active_trace_id()
    if hasattr(mlflow.entities, "SpanLogLevel"):
        _judge(trace_id)
    return mlflow.get_trace(trace_id).to_json(pretty=True)


def _judge(trace_id: str) -> None:
    import mlflow
    from mlflow.entities import AssessmentSource

    human = AssessmentSource("HUMAN", "bob")
    mlflow.log_feedback(
        trace_id=trace_id, name="good", value=True, source=human, rationale="It is."
    )
    mlflow.log_feedback(trace_id=trace_id, name="score", error=ValueError("no judge"))
    mlflow.log_expectation(trace_id=trace_id, name="facts", value={"is": ["cheese", 1]})
    mlflow.set_trace_tag(trace_id, "team", "blue")


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    target = Path(sys.argv[1]).resolve()
    sys.argv[0] = "make_data.py"
    os.chdir(tempfile.mkdtemp())
    text = make().replace(str(Path(__file__).parent), "/project")
    target.write_text(text + "\n", "utf-8")
