"""The versions that are installed together, written to constraints/: names and versions only.

`make constraints` runs it: after a change of the dependencies in pyproject.toml, and whenever newer
versions are to be used. Run `make test` afterwards: a set that was not tested is worth nothing.
It needs uv, which its Makefile target installs into an environment of its own.

For each supported Python: `py3.12.txt` for everything in .venv, `mlflow-3.12.txt` for the real
MLflow, and `lowest-3.12.txt`, the oldest versions that pyproject.toml allows.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "constraints"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
LINE = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.+!]*")
SETS = {
    "py": ["pyproject.toml", "--all-extras", "--group", "dev", "--group", "build"],
    "mlflow-": ["--group", "mlflow"],
    "lowest-": [
        *("pyproject.toml", "--all-extras", "--group", "test", "--group", "build"),
        *("--resolution", "lowest-direct"),
    ],
}


def resolved(arguments: list[str], python: str) -> list[str]:
    """Lines `name==version` that satisfy `arguments` on that Python."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    command += ["--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--python-version", python, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()
    for line in lines:
        if not LINE.fullmatch(line):
            raise SystemExit(f"this is not a name and a version: {line!r}")
    return lines


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for python in PYTHONS:
        for name, arguments in SETS.items():
            path = FOLDER / f"{name}{python}.txt"
            path.write_text("\n".join(resolved(arguments, python)) + "\n")
            print(path.relative_to(ROOT), flush=True)


if __name__ == "__main__":
    main()
