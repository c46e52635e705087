"""The tests of other instrumentations beside ours, each in an environment of its own.

`make coexistence` runs it; the environments are in .coexistence/. Arguments choose peers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import children

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".coexistence"
# OpenTelemetry's needs what it does not ask for: httpx, and an old util-genai: openai-v2 2.4b0
# imports its module `instruments`, which 1.2b0 no longer has.
PEERS = {
    "mlflow": ["mlflow>=3.5"],
    "langfuse": ["langfuse>=3"],
    "opentelemetry": [
        "opentelemetry-instrumentation-openai-v2",
        "opentelemetry-sdk",
        "httpx",
        "opentelemetry-util-genai==0.4b0",
    ],
    "openinference": ["openinference-instrumentation-openai"],
}
TESTS = "tests/coexistence"
PATIENCE = 600


def environment(peer: str) -> Path:
    """The interpreter of the environment, made if need be."""
    folder = FOLDER / peer
    interpreter = folder / "bin" / "python"
    stamp = folder / "ready"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
        command = [*pip, "--group", "matrix", "--editable", ".", "openai", *PEERS[peer]]
        subprocess.run(command, check=True, cwd=ROOT)
        stamp.touch()
    return interpreter


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}")
    chosen = parser.parse_args().peers or list(PEERS)
    if unknown := set(chosen) - PEERS.keys():
        parser.error(f"no peer of that name: {', '.join(sorted(unknown))}")
    failed = 0
    for peer in chosen:
        env = {**os.environ, "TRACETAPE_COEXISTENCE_PEER": peer}
        try:
            command = [
                str(environment(peer)),
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                TESTS,
            ]
            passed, summary = children.suite(command, PATIENCE, env)
        except subprocess.CalledProcessError as error:  # the other peers are tried all the same
            passed, summary = False, f"its environment cannot be made: {error}"
        print(f"{peer:14} {summary}", flush=True)
        failed += not passed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
