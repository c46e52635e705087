"""The integrations' tests with old and new versions of the SDKs, on every Python there is.

`make matrix` runs it; each combination has an environment of its own in .matrix/. Arguments choose:
`--only "openai 1.0.0" databricks`, `--python 3.12`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import children

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".matrix"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PATIENCE = 600


@dataclass(frozen=True)
class World:
    """Versions that are installed together, and the tests of them."""

    name: str
    requirements: tuple[str, ...]
    tests: str


WORLDS = (
    # The first, the last before `proxies` went, the last of 1, the last of 2 with httpx, 3, the
    # newest. openai 1.0 to 1.55.2 pass `proxies`, which httpx 0.28 refuses.
    World("openai 1.0.0", ("openai==1.0.0", "httpx<0.28"), "tests/openai"),
    World("openai 1.55.3", ("openai==1.55.3",), "tests/openai"),
    World("openai 1.109.1", ("openai==1.109.1",), "tests/openai"),
    World("openai 2.54.0", ("openai==2.54.0",), "tests/openai"),
    World("openai 3.0.0", ("openai==3.0.0",), "tests/openai"),
    World("openai newest", ("openai",), "tests/openai"),
    World("databricks-sdk 0.40.0", ("databricks-sdk==0.40.0", "openai<3"), "tests/databricks"),
    World(
        "databricks newest",
        ("databricks-sdk", "databricks-vectorsearch", "mlflow-skinny", "openai>=3"),
        "tests/databricks",
    ),
    World(
        "databricks-openai newest",
        ("databricks-openai", "databricks-vectorsearch", "openai<3"),
        "tests/databricks",
    ),
)


def pythons() -> Iterator[tuple[str, str]]:
    """(version, executable) of each Python that is installed: on the PATH, and pyenv's."""
    homes = [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"]
    for version in PYTHONS:
        candidates = [shutil.which(f"python{version}")]
        for home in homes:
            candidates += sorted(str(p) for p in home.glob(f"{version}.*/bin/python"))
        for candidate in candidates:
            if candidate and _is(candidate, version):
                yield version, candidate
                break


def _is(executable: str, version: str) -> bool:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def environment(python: str, executable: str, world: World) -> Path:
    """The interpreter of the environment, made if need be."""
    folder = FOLDER / f"py{python}-{world.name.replace(' ', '')}"
    interpreter = folder / "bin" / "python"
    stamp = folder / "ready"
    project = (ROOT / "pyproject.toml").read_text()
    group = next(line for line in project.splitlines() if line.startswith("matrix = "))
    wanted = " ".join((group, *world.requirements))
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
        command = [*pip, "--group", "matrix", "--editable", ".", *world.requirements]
        subprocess.run(command, check=True, cwd=ROOT)
        stamp.write_text(wanted)
    return interpreter


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[""], metavar="WORLD", help="by its beginning")
    parser.add_argument("--python", nargs="*", default=PYTHONS, metavar="VERSION")
    parser.add_argument("--verbose", action="store_true", help="show what pytest says")
    chosen = parser.parse_args()
    found = [(version, path) for version, path in pythons() if version in chosen.python]
    if not found:
        print(f"none of these Pythons is installed: {', '.join(chosen.python)}", file=sys.stderr)
        return 2
    failed = 0
    for python, executable in found:
        for world in WORLDS:
            if not world.name.startswith(tuple(chosen.only)):
                continue
            began = time.monotonic()
            try:
                interpreter = environment(python, executable, world)
                command = [str(interpreter), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
                command.append(world.tests)
                passed, summary = children.suite(command, PATIENCE, verbose=chosen.verbose)
            except subprocess.CalledProcessError as error:  # the others are tried all the same
                passed, summary = False, f"its environment cannot be made: {error}"
            failed += not passed
            took = f"{time.monotonic() - began:.0f} s"
            print(f"Python {python:5} {world.name:25} {took:>6}  {summary}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
