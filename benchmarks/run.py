"""All contenders side by side, each in an environment of its own: one table, and JSON.

`make bench` runs it. The environments are made below `.bench/` and kept for the next run.
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
    "tracetape": ["--editable", str(ROOT), "openai>=3"],
    "opentelemetry": ["opentelemetry-sdk", "openai>=3"],
    "mlflow": ["mlflow", "openai>=3"],
}
# DESIGN, section 9: multiples of the floor.
BUDGETS = {"bare": 2.5, "payload": 4.0, "decorator": 5.0}


def python_of(name: str) -> Path:
    """The Python of a contender's environment, which is made if need be."""
    folder = FOLDER / name
    python = folder / "bin" / "python"
    stamp = folder / ".complete"
    if not stamp.exists():
        print(f"installing {name} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *CONTENDERS[name]]
        subprocess.run(install, check=True)
        stamp.touch()
    return python


def figures(name: str, script: str) -> dict[str, dict[str, float]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
    command = [str(python_of(name)), str(HERE / script), name]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    # In turns: whatever else the machine does then hits all of them.
    results: dict[str, Any] = {
        name: {**figures(name, "spans.py"), **figures(name, "footprint.py")} for name in CONTENDERS
    }
    print(f"\n{'':28}{'budget':>10}", *(f"{name:>24}" for name in CONTENDERS))
    for case in results["tracetape"]:
        cells = [cell(results[name].get(case)) for name in CONTENDERS]
        budget = f"≤ {BUDGETS[case]} ×" if case in BUDGETS else ""
        print(f"{case:28}{budget:>10}", *(f"{text:>24}" for text in cells))
    print("\n×: multiples of the floor (benchmarks/floor.py), taken in turns with it")
    path = FOLDER / f"spans-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.write_text(json.dumps(results, indent=2))
    print(f"written to {path.relative_to(ROOT)}")


def cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "–"
    if "microseconds" not in figure:
        return ", ".join(f"{value:,.0f} {unit}" for unit, value in figure.items())
    floors = figure["floors"]
    shown = "" if math.isnan(floors) else f" ({floors:,.1f} ×)"
    return f"{figure['microseconds']:,.2f} µs{shown}"


if __name__ == "__main__":
    main()
