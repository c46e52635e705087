"""All contenders side by side, each in an environment of its own: tables, and JSON.

`make bench` runs it; arguments choose: `spans`, `pipeline`, `calls`. The environments are made
below `.bench/` and kept for the next run.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = ROOT / ".bench"
CONTENDERS = {
    "tracetape": ["--editable", str(ROOT), "openai>=3", "databricks-sdk"],
    # It imports httpx itself; 1.0 of the last one has other names for what it imports of that.
    "opentelemetry": [
        "opentelemetry-sdk",
        "openai>=3",
        "opentelemetry-instrumentation-openai-v2",
        "opentelemetry-util-genai==0.4b0",
        "httpx",
    ],
    "openinference": ["opentelemetry-sdk", "openai>=3", "openinference-instrumentation-openai"],
    "mlflow": ["mlflow", "openai>=3"],
}
TABLES = {
    "spans": (("tracetape", "opentelemetry", "mlflow"), ("spans.py", "footprint.py")),
    "pipeline": (("tracetape", "opentelemetry", "mlflow"), ("pipeline.py",)),
    "calls": (("tracetape", "opentelemetry", "openinference", "mlflow"), ("calls.py",)),
}
# DESIGN, section 9: multiples of the floor, and microseconds added.
BUDGETS = {
    "bare": "≤ 2.5 ×",
    "payload": "≤ 4.0 ×",
    "decorator": "≤ 5.0 ×",
    "durable": "≥ 20,000",
    "lost": "0",
    "processor time a span, all threads": "≤ 25 µs",
    "call, 4 kB prompt": "≤ 30 µs",
    "a chunk more": "≤ 1.5 µs",
    "first chunk later": "≤ 50 µs",
    "1 MB in one message": "≤ 100 µs",
    "1 MB in 10,000 messages": "≤ 300 µs",
    "call, all threads": "≤ 150 µs",
    "serving_endpoints.query": "≤ 20 µs",
}
# What only depends on the machine a little: at most so much of the bare call, and of what
# OpenTelemetry adds in the same run.
SHARES = {
    "call, 4 kB prompt": (0.05, 0.4),
    "a chunk more": (0.025, 0.6),
    "first chunk later": (0.05, 0.5),
}


def python_of(name: str) -> Path:
    """The Python of a contender's environment, which is made if need be."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    stamp = folder / ".complete"
    wanted = " ".join(CONTENDERS[name])
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing {name} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        subprocess.run([*pip, *CONTENDERS[name]], check=True)
        stamp.write_text(wanted)
    return python


def figures(name: str, script: str) -> dict[str, dict[str, float]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
    command = [str(python_of(name)), str(HERE / script), name]
    done = subprocess.run(  # in that folder: MLflow leaves files in its working directory
        command, env=environment, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    for table in sys.argv[1:] or TABLES:
        contenders, scripts = TABLES[table]
        # One after the other: what else the machine does must not hit one of them only.
        results: dict[str, Any] = {
            name: {key: value for script in scripts for key, value in figures(name, script).items()}
            for name in contenders
        }
        show(table, results)


def show(table: str, results: dict[str, Any]) -> None:
    print(f"\n{table:36}{'budget':>10}", *(f"{name:>24}" for name in results))
    if table == "calls":
        print("of a call, added to what it takes without tracing (in brackets)")
    for case in results["tracetape"]:
        cells = [cell(of_one.get(case)) for of_one in results.values()]
        budget = BUDGETS.get(case, "")
        print(f"{case:36}{budget:>10}", *(f"{text:>24}" for text in cells))
    if table == "calls":
        print("opentelemetry keeps prompts and answers in log events, which go nowhere here")
        show_shares(results)
    if table == "spans":
        print("\n×: multiples of the floor (benchmarks/floor.py), taken in turns with it")
    path = FOLDER / f"{table}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(results, indent=2, ensure_ascii=False))
    print(f"written to {path.relative_to(ROOT)}")


def show_shares(results: dict[str, Any]) -> None:
    """Each row as a share of the bare call, and of what OpenTelemetry adds."""
    print(
        f"\n{'as shares, of the bare call':36}{'budget':>10}", *(f"{name:>24}" for name in results)
    )
    for case in results["tracetape"]:
        shares = [share_of_bare(of_one.get(case)) for of_one in results.values()]
        if any(shares):
            budget = f"≤ {SHARES[case][0]:.1%}" if case in SHARES else ""
            texts = [f"{share:.1%}" if share is not None else "–" for share in shares]
            print(f"{case:36}{budget:>10}", *(f"{text:>24}" for text in texts))
    peer = results.get("opentelemetry", {})
    print(
        f"\n{'as shares, of OpenTelemetry':36}{'budget':>10}", *(f"{name:>24}" for name in results)
    )
    for case in results["tracetape"]:
        theirs = peer.get(case, {}).get("µs")
        if not theirs:
            continue
        budget = f"≤ {SHARES[case][1]:.2f}" if case in SHARES else ""
        ours = [of_one.get(case, {}).get("µs") for of_one in results.values()]
        texts = [f"{one / theirs:.2f}" if one is not None else "–" for one in ours]
        print(f"{case:36}{budget:>10}", *(f"{text:>24}" for text in texts))


def share_of_bare(figure: dict[str, float] | None) -> float | None:
    bare = (figure or {}).get("µs without")
    return figure["µs"] / bare if figure and bare else None


def cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "–"
    if "µs" in figure:
        bare = figure.get("µs without")
        return f"{figure['µs']:,.1f} µs" + (f" (to {bare:,.0f})" if bare else "")
    if "microseconds" not in figure:
        return ", ".join(f"{value:,.0f} {unit}" for unit, value in figure.items())
    floors = figure["floors"]
    shown = "" if math.isnan(floors) else f" ({floors:,.1f} ×)"
    return f"{figure['microseconds']:,.2f} µs{shown}"


if __name__ == "__main__":
    main()
