"""Spans at full speed until they are durable: 2,000 traces of ten spans, one thread.

Run it in the contender's environment: python benchmarks/pipeline.py tracetape|opentelemetry|mlflow
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

TRACES, BELOW = 2000, 9
Contender = tuple[
    Callable[[str], AbstractContextManager[Any]], Callable[[], Any], Callable[[], int]
]


def tracetape_contender(folder: str) -> Contender:
    import tracetape

    tracetape.configure(store=f"sqlite:///{folder}/traces.db")

    def written() -> int:
        with sqlite3.connect(f"{folder}/traces.db") as connection:
            return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])

    return tracetape.start_span, tracetape.flush, written


def mlflow_contender(folder: str) -> Contender:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")

    def written() -> int:
        with sqlite3.connect(f"{folder}/mlflow.db") as connection:
            return int(connection.execute("SELECT count(*) FROM spans").fetchone()[0])

    return mlflow.start_span, mlflow.flush_trace_async_logging, written


def opentelemetry_contender(folder: str) -> Contender:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class ToFile(SpanExporter):
        """JSON lines in a file: the least that makes a span durable."""

        count = 0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            with open(f"{folder}/spans.jsonl", "a") as out:
                out.writelines(f"{span.to_json(indent=None)}\n" for span in spans)
            self.count += len(spans)
            return SpanExportResult.SUCCESS

    exporter, provider = ToFile(), TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("benchmark")
    return tracer.start_as_current_span, provider.force_flush, lambda: exporter.count


def main(contender: str) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        start, flush, written = globals()[f"{contender}_contender"](folder)
        with start("first"):  # opens the store
            pass
        flush()
        before = written()
        longest = 0.0
        began, processor = time.perf_counter(), time.process_time()
        for _ in range(TRACES):
            with start("root"):
                for _ in range(BELOW):
                    at = time.perf_counter()
                    with start("step") as span:
                        span.set_attribute("question", "What is machine learning?")
                    longest = max(longest, time.perf_counter() - at)
        made = time.perf_counter() - began
        flush()
        total, spent = time.perf_counter() - began, time.process_time() - processor
        count = TRACES * (BELOW + 1)
        kept = written() - before
    figures = {
        "made": {"a second": count / made},
        "durable": {"a second": kept / total},
        "lost": {f"of {count:,}": count - kept},
        "processor time a span, all threads": {"µs": spent / count * 1e6},
        "the longest span": {"ms": longest * 1e3},
    }
    print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
