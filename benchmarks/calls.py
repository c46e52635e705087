"""What tracing adds to a call of the OpenAI SDK, in an in-process transport.

Run it in the contender's environment:
python benchmarks/calls.py tracetape|opentelemetry|openinference|mlflow

Rounds with and without tracing take turns in one process; a figure is the median of the rounds'
differences, so that whatever else the machine does hits both. Processor time of the calling thread,
but for the first chunk (the clock on the wall) and "all threads" (of the process, until durable).
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx2
from openai import OpenAI
from openai.types.chat import ChatCompletion

MODEL = "gpt-4o-mini"
Toggle = Callable[[bool], None]


# -- the far end, in this process ---------------------------------------------------------------


def completion(content: str) -> bytes:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [choice],
            "usage": usage,
        }
    ).encode()


def events(count: int) -> bytes:
    chunk: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
    }
    line = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    return line * count + b"data: [DONE]\n\n"


PLAIN = completion("A tape is a strip of plastic with a magnetic coat. " * 3)
STREAMS = {count: events(count) for count in (1, 200, 1200)}


def answer(request: httpx2.Request) -> httpx2.Response:
    wanted = request.headers.get("x-chunks")
    if wanted is None:
        return httpx2.Response(200, content=PLAIN, headers={"content-type": "application/json"})
    headers = {"content-type": "text/event-stream"}
    return httpx2.Response(200, content=STREAMS[int(wanted)], headers=headers)


client = OpenAI(
    api_key="sk-none",
    base_url="http://model.test/v1",
    http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
)


def messages(size: int, count: int = 1) -> list[dict[str, str]]:
    text = ("the quick brown fox jumps over the lazy dog " * (size // 44 + 1))[:size]
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": f"{n} {text}"} for n in range(count)]


SMALL, LONG, MANY = messages(4000), messages(1_000_000), messages(100, 10_000)


def call(prompt: Any = SMALL) -> None:
    client.chat.completions.create(model=MODEL, messages=prompt)


def post(prompt: Any) -> None:
    # `create` itself takes more than a second over the types of 10,000 messages.
    body = {"model": MODEL, "messages": prompt}
    client.post("/chat/completions", cast_to=ChatCompletion, body=body)


def stream(count: int) -> Iterator[Any]:
    return iter(
        client.chat.completions.create(  # type: ignore[call-overload]
            model=MODEL, messages=SMALL, stream=True, extra_headers={"x-chunks": str(count)}
        )
    )


def consume(count: int) -> None:
    for _ in stream(count):
        pass


def first_chunk() -> float:
    began = time.perf_counter()
    chunks = stream(200)
    next(chunks)
    waited = time.perf_counter() - began
    for _ in chunks:
        pass
    return waited


# -- the contenders ------------------------------------------------------------------------------


def tracetape_tracing(folder: str) -> tuple[Toggle, Callable[[], Any]]:
    import tracetape

    tracetape.configure(store=f"sqlite:///{folder}/traces.db")
    return (lambda on: tracetape.autolog(disable=not on)), tracetape.flush


def mlflow_tracing(folder: str) -> tuple[Toggle, Callable[[], Any]]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    return (
        lambda on: mlflow.openai.autolog(disable=not on, silent=True)
    ), mlflow.flush_trace_async_logging


def _instrumentor(instrumentor: Any) -> tuple[Toggle, Callable[[], Any]]:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    provider = TracerProvider()
    sink = open(os.devnull, "w")  # noqa: SIM115
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sink)))
    trace.set_tracer_provider(provider)

    def toggle(on: bool) -> None:
        instrumentor.instrument() if on else instrumentor.uninstrument()

    return toggle, provider.force_flush


def opentelemetry_tracing(folder: str) -> tuple[Toggle, Callable[[], Any]]:
    del folder
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    return _instrumentor(OpenAIInstrumentor())


def openinference_tracing(folder: str) -> tuple[Toggle, Callable[[], Any]]:
    del folder
    from openinference.instrumentation.openai import OpenAIInstrumentor

    return _instrumentor(OpenAIInstrumentor())


# -- measuring -----------------------------------------------------------------------------------


def processor_time(case: Callable[[], Any], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        case()
    return (time.thread_time() - began) / count


def wall_time(case: Callable[[], float], count: int) -> float:
    return statistics.median(case() for _ in range(count))


def added(
    toggle: Toggle, flush: Callable[[], Any], measure: Callable[[], float], rounds: int
) -> tuple[float, float]:
    """Median cost without tracing, and median of what it adds, in seconds."""
    bare, more = [], []
    measure()
    for _ in range(rounds):
        gc.collect()
        toggle(False)
        without = measure()
        toggle(True)
        measure_with = measure()
        flush()
        bare.append(without)
        more.append(measure_with - without)
    toggle(False)
    return statistics.median(bare), statistics.median(more)


def all_threads(toggle: Toggle, flush: Callable[[], Any], count: int) -> float:
    """Processor seconds of the whole process that a traced call costs until it is durable."""
    spent = []
    for on in (False, True):
        toggle(on)
        call()
        flush()
        began = time.process_time()
        for _ in range(count):
            call()
        flush()
        spent.append((time.process_time() - began) / count)
    return spent[1] - spent[0]


def main(contender: str) -> None:
    slow = contender == "mlflow"
    rounds = 7 if slow else 31
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        toggle, flush = globals()[f"{contender}_tracing"](folder)

        def note(name: str, measure: Callable[[], float], times: int = rounds) -> None:
            bare, more = added(toggle, flush, measure, times)
            figures[name] = {"µs": more * 1e6, "µs without": bare * 1e6}

        many = 10 if slow else 50
        note("call, 4 kB prompt", lambda: processor_time(call, many))
        # Per chunk: what 1,000 more of them add.
        note("stream", lambda: processor_time(lambda: consume(200), 2))
        note("a chunk more", lambda: processor_time(lambda: consume(1200), 2))
        for key, value in figures["a chunk more"].items():
            figures["a chunk more"][key] = (value - figures["stream"][key]) / 1000
        del figures["stream"]
        note("first chunk later", lambda: wall_time(first_chunk, 5))
        note("1 MB in one message", lambda: processor_time(lambda: call(LONG), 3))
        if contender in ("tracetape", "openinference"):  # the others do not trace a `post`
            note("1 MB in 10,000 messages", lambda: processor_time(lambda: post(MANY), 3))
        figures["call, all threads"] = {
            "µs": all_threads(toggle, flush, 200 if slow else 2000) * 1e6
        }
        if contender == "tracetape":
            figures.update(databricks_call(toggle, flush))
    print(json.dumps(figures, ensure_ascii=False))


def databricks_call(toggle: Toggle, flush: Callable[[], Any]) -> dict[str, dict[str, float]]:
    """The same of `serving_endpoints.query`, which nobody else traces."""
    import requests
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.serving import ChatMessage, ChatMessageRole

    class Far(requests.adapters.BaseAdapter):
        def send(self, request: Any, **kwargs: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response._content = PLAIN
            response.url = request.url
            response.request = request
            return response

        def close(self) -> None:
            pass

    # The SDK asks the host to describe itself, and does so for minutes if nobody answers.
    far = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=far.serve_forever, daemon=True).start()
    host = f"http://127.0.0.1:{far.server_port}"
    with contextlib.redirect_stderr(io.StringIO()):
        workspace = WorkspaceClient(host=host, token="dapi", auth_type="pat")
    far.shutdown()
    workspace.api_client._api_client._session.mount("http://", Far())
    asked = [ChatMessage(role=ChatMessageRole.USER, content=SMALL[0]["content"])]

    def query() -> None:
        workspace.serving_endpoints.query("chat", messages=asked)

    bare, more = added(toggle, flush, lambda: processor_time(query, 50), 31)
    return {"serving_endpoints.query": {"µs": more * 1e6, "µs without": bare * 1e6}}


if __name__ == "__main__":
    main(sys.argv[1])
