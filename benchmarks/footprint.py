"""What one contender costs beside `import openai`: time and memory to import it, memory a span.

Run it in the contender's environment: python benchmarks/footprint.py tracetape|opentelemetry|mlflow
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

ENABLE = {
    "tracetape": "import tracetape; tracetape.autolog()",
    "opentelemetry": "from opentelemetry.sdk.trace import TracerProvider; "
    "from opentelemetry.sdk.trace.export import BatchSpanProcessor; TracerProvider()",
    "mlflow": "import mlflow; mlflow.openai.autolog()",
}
OPEN = {
    "tracetape": "import tracetape; tracetape.configure(store='memory://'); "
    "begin = lambda: tracetape.start_span_no_context('span')",
    "opentelemetry": "from opentelemetry.sdk.trace import TracerProvider; "
    "tracer = TracerProvider().get_tracer('x'); begin = lambda: tracer.start_span('span')",
    "mlflow": "import mlflow; begin = lambda: mlflow.start_span_no_context('span')",
}

IMPORT = """
import openai, resource, time
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
{enable}
print((time.perf_counter() - began) * 1000)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
MEMORY = """
import gc, tracemalloc
{begin}
keep = [begin() for _ in range(200)]
gc.collect()
tracemalloc.start()
keep = [begin() for _ in range(1000)]
print(tracemalloc.get_traced_memory()[0] / 1000)
for span in keep:
    span.end()
print(tracemalloc.get_traced_memory()[0] / 1000)
"""


def run(program: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        command = [sys.executable, "-W", "ignore", "-c", program]
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return [float(line) for line in done.stdout.split()[-2:]]


def main(contender: str) -> None:
    runs = [run(IMPORT.format(enable=ENABLE[contender])) for _ in range(5)]
    opened, ended = run(MEMORY.format(begin=OPEN[contender]))
    figures = {
        "import and enable": {
            "ms": statistics.median(one[0] for one in runs),
            "MiB": statistics.median(one[1] for one in runs),
        },
        "memory of an open span": {"bytes": opened},
        "memory just after its end": {"bytes": ended},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
