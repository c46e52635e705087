"""The test suites of the SDKs themselves, without and with `tracetape.autolog()`.

`make transparency` runs it; environments and results are in .transparency/. Arguments choose
packages, such as `openai` or `openai==3.0.0`; without a version the newest is taken. A test that
ends in another way with us is run again on both sides before it counts, for some are unsteady.
A suite that did not run to its end, or in which nothing passed, has compared nothing: it fails.
Where GitHub is out of reach, `--checkouts FOLDER` gives the tests of packages whose sdist has none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".transparency"
PLUGIN = ROOT / "scripts" / "plugin"  # nothing else is there that would hide a library's module
PATIENCE = 3600  # seconds for one run of a suite
AGAIN = 2  # runs of the tests that differ
LIMIT = ["--timeout=180"]  # of each test: pytest-timeout's
SHOWN = 40  # differences that are listed
ENDS = (0, 1)  # exit statuses of a pytest that ran to its end: all passed, some failed
# Without these of a suite's own group no test is lost: they check types, write documents or
# drive other machines.
UNUSED = re.compile(
    r"(mypy|pyright|ty|ruff|black|mkdocs.*|pymdown.*|pandas-stubs|types-.*|boto3-stubs|playwright"
    r"|cogapp|.*-theme|furo|sphinx.*|twine|dapr|check-manifest|build|ipython|ipywidgets"
    r"|pycodestyle|pytest-cov|pytest-watcher|coverage)\b"
)


class Suite(NamedTuple):
    """How a package's tests are run.

    Attributes:
        needs: what they need besides the package and its group `group`.
        group: the group, or extra, of its pyproject.toml that lists what tests need.
        tests: the folder of the tests.
        arguments: of pytest, in place of the project's own `addopts`.
        source: where the sources of a release are, for a package whose sdist has no tests.
        tag: how a version's tag is called there.
    """

    needs: tuple[str, ...] = ()
    group: str = "dev"
    tests: str = "tests"
    arguments: tuple[str, ...] = ()
    source: str | None = None
    tag: str = "v{}"


SUITES = {
    "openai": Suite(("openai[aiohttp,realtime,datalib,bedrock]",)),
    "anthropic": Suite(
        ("anthropic[aiohttp,bedrock,mcp,vertex]",), arguments=("-p", "tests._alias_httpx")
    ),
    "databricks-sdk": Suite(source="https://github.com/databricks/databricks-sdk-py"),
    "openai-agents": Suite(("openai-agents[voice,viz,litellm,sqlalchemy,redis]",)),
    "langchain-openai": Suite(group="test", tests="tests/unit_tests"),
    "llm": Suite(source="https://github.com/simonw/llm", tag="{}"),
}


class NotRunError(Exception):
    """A suite that cannot be had or that does not run; says why."""


class Run(NamedTuple):
    """What one run of a suite gave.

    Attributes:
        outcomes: by test, how each of its phases ended.
        faults: internal errors of ours, by place.
        spans: how many were recorded.
        tail: the last of what pytest printed.
        code: how pytest ended, None if it was stopped after PATIENCE seconds.
    """

    outcomes: dict[str, list[str]]
    faults: dict[str, int]
    spans: int
    tail: str
    code: int | None

    def passed(self) -> int:
        """How many tests passed, in all that they did."""
        return sum(phases == ["passed"] for phases in self.outcomes.values())

    def check(self, side: str) -> None:
        """Refuse a run that says nothing about the suite."""
        if self.code is None:
            raise NotRunError(f"its suite ({side}) was not finished after {PATIENCE} s")
        if self.code not in ENDS:
            why = f"its suite ({side}) broke off: pytest's exit status is {self.code}"
            raise NotRunError(f"{why}\n{self.tail}")


def fetch(name: str, version: str, checkouts: Path | None) -> Path:
    """The folder of a release's sources, with its tests; those of `checkouts` if it has none."""
    sdists = FOLDER / "sdists" / name
    if not list(sdists.glob("*.tar.gz")) or version:
        wanted = f"{name}=={version}" if version else name
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        pip += ["--no-deps", "--no-binary", name, "--dest", str(sdists), wanted]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRunError(f"its sdist cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    archives = sorted(sdists.glob(f"*-{version or '*'}.tar.gz"), key=lambda p: p.stat().st_mtime)
    archive = archives[-1]
    folder = FOLDER / "sources" / archive.name.removesuffix(".tar.gz")
    if not folder.exists():
        with tarfile.open(archive) as tar:
            # Python before 3.10.12 and 3.11.4 has no filters.
            options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(folder.parent, **options)
    suite = SUITES[name]
    if not has_tests(folder / suite.tests):
        if checkouts is not None and has_tests(given := checkouts / name / suite.tests):
            shutil.copytree(given, folder / suite.tests, dirs_exist_ok=True)
        else:
            clone(suite, folder)
    return folder


def has_tests(folder: Path) -> bool:
    return any(folder.rglob("test_*.py"))


def clone(suite: Suite, folder: Path) -> None:
    """Put the tests of the release's tag where its sdist has none."""
    if suite.source is None:
        raise NotRunError("its sdist has no tests")
    checkout = folder.with_name(f"{folder.name}.git")
    shutil.rmtree(checkout, ignore_errors=True)
    tag = suite.tag.format(folder.name.rpartition("-")[2])
    git = ["git", "clone", "--quiet", "--depth", "1", "--branch", tag, suite.source, str(checkout)]
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        subprocess.run(git, env=env, capture_output=True, text=True, timeout=120, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise NotRunError(
            f"its sdist has no tests, and {suite.source} at {tag} cannot be had ({said[-1]})"
        ) from None
    if not has_tests(checkout / suite.tests):
        raise NotRunError(f"neither its sdist nor {suite.source} has tests in {suite.tests}")
    shutil.rmtree(folder)
    checkout.rename(folder)


def environment(name: str, folder: Path) -> Path:
    """The interpreter of the suite's environment, made if need be."""
    venv = FOLDER / "venvs" / folder.name
    python, stamp = venv / "bin" / "python", venv / "ready"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        version = folder.name.rpartition("-")[2]
        ours = ["--editable", str(ROOT), "pytest", "pytest-asyncio", "pytest-timeout"]
        suite = SUITES[name]
        needs = [*suite.needs, f"{name}=={version}", "pytest-xdist", *needed(suite, folder)]
        done = subprocess.run([*pip, *ours, *needs], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRunError(f"its environment cannot be made: {done.stderr.strip()[-300:]}")
        stamp.touch()
    return python


def needed(suite: Suite, folder: Path) -> list[str]:
    """What the project's own group asks for, less what no test uses."""
    import tomllib

    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    groups = project.get("dependency-groups", {})
    extras = project.get("project", {}).get("optional-dependencies", {})
    listed = groups.get(suite.group) or extras.get(suite.group) or []
    return [one for one in listed if isinstance(one, str) and not UNUSED.match(one)]


class _Anything(BaseHTTPRequestHandler):
    """Answers each call with an empty object, in place of the mock server that a suite wants."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def anything() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Anything)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that hang up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(name: str, folder: Path, python: Path, side: str, workers: int, only: Path | None) -> Run:
    """Run a suite once; with us on, or without any part of ours."""
    results = FOLDER / "results" / name / side
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    home = FOLDER / "home"
    home.mkdir(exist_ok=True)
    suite = SUITES[name]
    command = [str(python), "-m", "pytest", suite.tests, "-q", "-o", "addopts=", "--tb=no"]
    command += ["-p", "no:cacheprovider", "--continue-on-collection-errors", *LIMIT]
    command += ["-p", "transparency_plugin", "-n", str(workers), *suite.arguments]
    if side == "off":
        command += ["-p", "no:tracetape"]  # not even our pytest plugin
    with anything() as server:
        env = {k: v for k, v in os.environ.items() if not is_private(k)} | {
            "PYTHONPATH": str(PLUGIN),
            "HOME": str(home),
            "TEST_API_BASE_URL": server,
            "TRANSPARENCY_FOLDER": str(results),
            "TRANSPARENCY_SIDE": side,
        }
        if only is not None:
            env["TRANSPARENCY_ONLY"] = str(only)
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Run({}, {}, 0, "", None)
    (results / "output.txt").write_text(done.stdout, "utf-8")
    found = results / "outcomes.json"
    outcomes = json.loads(found.read_text("utf-8")) if found.exists() else {}
    faults: dict[str, int] = {}
    spans = 0
    for file in results.glob("faults.*.json"):
        part = json.loads(file.read_text("utf-8"))
        spans += part["spans"]
        for place, count in part["faults"].items():
            faults[place] = faults.get(place, 0) + count
    tail = "\n".join(done.stdout.splitlines()[-15:])
    return Run(outcomes, faults, spans, tail, done.returncode)


def is_private(variable: str) -> bool:
    """Variables that would make a suite call real services, or us do other than by default."""
    return bool(
        re.match(r"TRACETAPE_|PYTEST_|OPENAI_|ANTHROPIC_|DATABRICKS_|.*_API_KEY$", variable)
    )


def differing(off: Run, on: Run) -> list[str]:
    return sorted(
        test
        for test in off.outcomes.keys() | on.outcomes.keys()
        if off.outcomes.get(test) != on.outcomes.get(test)
    )


def trial(name: str, version: str, workers: int, checkouts: Path | None = None) -> bool:
    """Whether a suite sees no difference."""
    folder = fetch(name, version, checkouts)
    python = environment(name, folder)
    label = folder.name
    off = run(name, folder, python, "off", workers, None)
    off.check("off")
    if not off.passed():
        raise NotRunError(f"no test of its suite passes without us\n{off.tail}")
    on = run(name, folder, python, "on", workers, None)
    on.check("on")
    count, spans, faults, passed = len(off.outcomes), on.spans, dict(on.faults), off.passed()
    different = first = differing(off, on)
    for _ in range(AGAIN):
        if not different:
            break
        only = FOLDER / "results" / name / "again.txt"
        only.write_text("\n".join(different), "utf-8")
        off = run(name, folder, python, "off", 0, only)
        on = run(name, folder, python, "on", 0, only)
        for place, times in on.faults.items():
            faults[place] = max(times, faults.get(place, 0))
        again = set(differing(off, on))
        # One that could not even be run again still counts.
        different = [one for one in different if one in again or one not in off.outcomes]
    print(
        f"{label}: {count:,} tests, {passed:,} passed without us; {spans:,} spans; "
        f"{len(different)} differ ({len(first) - len(different)} unsteady), "
        f"{sum(faults.values())} internal errors",
        flush=True,
    )
    for test in different[:SHOWN]:
        print(f"  {test}\n    off: {off.outcomes.get(test)}\n    on:  {on.outcomes.get(test)}")
    for place, times in faults.items():
        print(f"  internal error while {place}: {times} times")
    return not different and not faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--workers", type=int, default=2, help="processes for each run")
    parser.add_argument(
        "--checkouts",
        type=Path,
        metavar="FOLDER",
        help="has the tests that an sdist lacks, as FOLDER/llm/tests",
    )
    given = parser.parse_args()
    chosen = [one.partition("==")[::2] for one in given.packages or SUITES]
    if unknown := {name for name, _ in chosen} - SUITES.keys():
        parser.error(
            f"unknown package {', '.join(sorted(unknown))}; choose from {', '.join(SUITES)}"
        )
    if sys.version_info < (3, 11):
        parser.error("this needs Python 3.11 or newer: make PYTHON=python3.12 transparency")
    failed, not_run = 0, []
    for name, version in chosen:
        try:
            failed += not trial(name, version, given.workers, given.checkouts)
        except NotRunError as why:
            not_run.append(name)
            print(f"{name}: not run, {why}", flush=True)
    if not_run:
        print(f"nothing is known of {', '.join(not_run)}", flush=True)
    return 1 if failed or not_run else 0


if __name__ == "__main__":
    sys.exit(main())
