"""Each extra and each dependency group alone, in an environment of its own, does what it is for.

`make packaging` runs it; the environments are in .packaging/. Arguments choose: `plain group-dev`.
The extras are those of the wheel. Versions are those of constraints/; --newest takes the newest.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import children

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".packaging"
PATIENCE = 600  # seconds for each command
SHOWN = 10_000  # characters of what a failing command has printed, its end
RUN = ("-m", "tracetape", "run", "--show")
EXPORT_OTLP = """
import http.server, threading, tracetape
from tracetape.cli import main
posts = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        posts.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with tracetape.start_span("step"): pass
tracetape.flush()
url = f"http://127.0.0.1:{server.server_port}/v1/traces"
main(["export", "--otlp", url], standalone_mode=False)
assert len(posts) == 1, posts
"""
TRACED = "import tracetape; tracetape.autolog(); import {0}; " + (
    "from tracetape.instrument.registry import active; assert {1!r} in active(), active()"
)


def example(name: str) -> tuple[str, ...]:
    """The arguments of Python for an example, as the README gives them."""
    tape = ROOT / "cassettes" / "examples" / f"{name}.yaml"
    replay = ("--cassette", str(tape), "--cassette-mode", "none") if tape.exists() else ()
    return (*RUN, *replay, str(ROOT / "examples" / f"{name}.py"))


EXAMPLES = tuple(example(path.stem) for path in sorted((ROOT / "examples").glob("*.py")))
PLAIN = tuple(map(example, ("basic", "events", "statuses", "retriever")))


@dataclass(frozen=True)
class Case:
    """What is installed, and the commands of its Python that must then work."""

    install: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]


def extra(name: str, *commands: tuple[str, ...]) -> Case:
    return Case((f"tracetape[{name}]",), commands)


def group(name: str, *commands: tuple[str, ...], project: bool = False) -> Case:
    return Case(("--group", name, *(("tracetape",) if project else ())), commands)


# They read the pyproject.toml of the folder in which they run.
AT_ROOT = {"hatchling", "mypy", "ruff"}
COLLECT = ("-m", "pytest", "--collect-only", "-qq", str(ROOT))
# The servers that `make record` starts, which load the model's and the index's libraries.
SERVERS = ("record", "model_server", "workspace_front")
HELP = tuple((str(ROOT / "scripts" / f"{name}.py"), "--help") for name in SERVERS)
PARQUET = ("-m", "tracetape", "export", "--parquet", "spans.parquet")
CASES = {
    "plain": Case(("tracetape",), PLAIN),
    "openai": extra("openai", example("rag"), example("parallel")),
    "databricks": extra("databricks", example("chat"), example("databricks_rag")),
    "anthropic": extra("anthropic", ("-c", TRACED.format("anthropic", "anthropic"))),
    "parquet": extra("parquet", PLAIN[0], PARQUET),
    "otlp": extra("otlp", ("-c", EXPORT_OTLP)),
    "group-demo": group("demo", *EXAMPLES, project=True),
    "group-test": group("test", COLLECT, project=True),
    "group-matrix": group("matrix", ("-c", "import httpx, hypothesis, pytest_asyncio, websockets")),
    "group-lint": group("lint", ("-m", "ruff", "check", str(ROOT)), ("-m", "mypy", "--version")),
    "group-build": group("build", ("-m", "hatchling", "version")),
    "group-mlflow": group("mlflow", ("-c", "import mlflow; mlflow.start_span")),
    "group-dev": group("dev", COLLECT, ("-m", "mypy"), ("-m", "ruff", "check"), project=True),
    "group-record": group("record", *HELP),
}


class FailedError(Exception):
    """A command that did not work; the text says which, how it ended and what it printed."""


def run(command: list[str], folder: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a command in `folder`, and end what it has started; raises `FailedError`."""
    done = children.run(command, PATIENCE, folder, env, joined=True)
    if done.code != 0:
        hung = done.code is None
        end = f"did not end within {PATIENCE} s" if hung else f"ended with code {done.code}"
        shown = done.out if len(done.out) <= SHOWN else f"…{done.out[-SHOWN:]}"
        printed = textwrap.indent(shown, "  | ") or "  | nothing"
        raise FailedError(f"{shlex.join(command)}\n  {end} and printed:\n{printed}")


def pip(python: Path, *arguments: str) -> None:
    run([str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", *arguments])


def limits(name: str, newest: bool) -> list[str]:
    """The arguments of pip that hold the versions."""
    kind = "mlflow-" if name == "group-mlflow" else "py"
    path = ROOT / "constraints" / f"{kind}{sys.version_info[0]}.{sys.version_info[1]}.txt"
    return [] if newest or not path.exists() else ["--constraint", str(path)]


def environment(folder: Path) -> Path:
    """A clean one; gives its Python."""
    run([sys.executable, "-m", "venv", "--clear", str(folder)])
    return folder / "bin" / "python"


def wheel(newest: bool) -> Path:
    """The wheel of this checkout."""
    python = environment(FOLDER / "build")
    pip(python, *limits("build", newest), "--upgrade", "pip>=25.1")
    pip(python, *limits("build", newest), "--group", "build")
    command = [str(python), "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation", "."]
    shutil.rmtree(FOLDER / "wheel", ignore_errors=True)
    run([*command, "--wheel-dir", str(FOLDER / "wheel")])
    (built,) = (FOLDER / "wheel").glob("*.whl")
    return built


def attempt(name: str, built: Path, newest: bool) -> None:
    """Install what a case names, and run its commands; the first that fails raises."""
    folder = FOLDER / name
    python = environment(folder)
    wanted = limits(name, newest)
    pip(python, *wanted, "--upgrade", "pip>=25.1")
    install = (w.replace("tracetape", str(built), 1) for w in CASES[name].install)
    pip(python, *wanted, *install)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TRACETAPE_", "PYTHON"))}
    for command in CASES[name].commands:
        place = ROOT if AT_ROOT & set(command) else folder
        run([str(python), *command], place, env=inherited)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--newest", action="store_true", help="the newest versions of everything")
    chosen = parser.parse_args()
    if unknown := set(chosen.cases) - CASES.keys():
        parser.error(f"there is no case {', '.join(sorted(unknown))}; choose from {list(CASES)}")
    failed = 0
    try:
        built = wheel(chosen.newest)
    except FailedError as error:
        print(f"the wheel cannot be built: {error}")
        return 1
    for name in chosen.cases or CASES:
        began = time.monotonic()
        state = "works"
        try:
            attempt(name, built, chosen.newest)
        except FailedError as error:
            print(f"{name}: {error}")
            state = "FAILS"
            failed += 1
        print(f"{name:16} {state} ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
