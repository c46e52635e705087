"""Manual spans and decorated functions of one contender, as multiples of the floor.

Run it in the contender's environment: python benchmarks/spans.py tracetape|opentelemetry|mlflow
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

from floor import measure

INPUTS = {"question": "What is machine learning?", "k": 3}
OUTPUTS = {"answer": "A field of computer science."}


def tracetape_cases(folder: str) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any]]:
    import tracetape

    tracetape.configure(store=f"sqlite:///{folder}/traces.db")
    return _cases(tracetape.start_span, tracetape.trace), tracetape.flush


def mlflow_cases(folder: str) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any]]:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    cases = _cases(mlflow.start_span, mlflow.trace)
    few = {name: cases[name] for name in ("bare", "payload", "decorator")}  # the rest takes minutes
    return few, mlflow.flush_trace_async_logging


def opentelemetry_cases(folder: str) -> tuple[dict[str, Callable[[], Any]], Callable[[], Any]]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    del folder
    provider = TracerProvider()
    sink = open(os.devnull, "w")  # noqa: SIM115
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sink)))
    tracer = provider.get_tracer("benchmark")

    def payload() -> None:
        with tracer.start_as_current_span("span") as span:
            span.set_attribute("input", json.dumps(INPUTS))
            span.set_attribute("output", json.dumps(OUTPUTS))

    @tracer.start_as_current_span("decorated")
    def decorated(question: str, k: int) -> str:
        return question

    def bare() -> None:
        with tracer.start_as_current_span("span"):
            pass

    return {
        "bare": bare,
        "payload": payload,
        "decorator": lambda: decorated("What is machine learning?", 3),
    }, lambda: provider.force_flush()


def _cases(start_span: Any, trace: Any) -> dict[str, Callable[[], Any]]:
    def bare() -> None:
        with start_span("span"):
            pass

    def payload() -> None:
        with start_span("span") as span:
            span.set_inputs(INPUTS)
            span.set_outputs(OUTPUTS)

    @trace
    def decorated(question: str, k: int) -> str:
        return question

    @trace
    async def decorated_async(question: str, k: int) -> str:
        return question

    loop = asyncio.new_event_loop()

    async def twenty() -> None:
        for _ in range(20):
            await decorated_async("What is machine learning?", 3)

    def nested(depth: int = 10) -> None:
        with start_span("span"):
            if depth > 1:
                nested(depth - 1)

    return {
        "bare": bare,
        "payload": payload,
        "decorator": lambda: decorated("What is machine learning?", 3),
        "decorator async_x20": lambda: loop.run_until_complete(twenty()),
        "nested, 10 deep_x10": nested,
    }


def threads(case: Callable[[], Any], count: int = 8, each: int = 500) -> float:
    """Microseconds a call when `count` threads make `each` calls at once."""
    import time

    gate = threading.Barrier(count + 1)

    def work() -> None:
        gate.wait()
        for _ in range(each):
            case()

    workers = [threading.Thread(target=work) for _ in range(count)]
    for worker in workers:
        worker.start()
    gate.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - began) / (count * each) * 1e6


def main(contender: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cases, flush = globals()[f"{contender}_cases"](folder)
        slow = contender == "mlflow"
        figures = measure(cases, between=flush, rounds=5 if slow else 31, count=20 if slow else 500)
        for name in [name for name in figures if "_x" in name]:
            single, _, times = name.rpartition("_x")
            many = figures.pop(name)
            figures[single] = {key: value / int(times) for key, value in many.items()}
        flush()
        figures["8 threads"] = {
            "microseconds": threads(cases["bare"], each=20 if slow else 500),
            "floors": float("nan"),
        }
        flush()
    figures["8 threads"]["floors"] = (
        figures["8 threads"]["microseconds"] / figures["floor"]["microseconds"]
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
