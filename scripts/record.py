"""Record the cassettes of the examples and of the tests anew, from a real model on loopback.

`make record` runs it. Each `examples/NAME.py` is recorded into `cassettes/examples/NAME.yaml`,
then the tests marked `cassette` into theirs; `--only NAME` records one example, `--only tests`
the tests.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from workspace_front import OPENAI, WORKSPACE

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests"
NO_TESTS_COLLECTED = 5
# A busy machine gives two tokens a second.
PATIENCE = 1800


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(script: str, *arguments: str) -> Iterator[None]:
    """Run a server of this folder, from its line "ready" until the block is left."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("ready"):
                raise RuntimeError(f"{script} did not start: see its message above")
            print(f"{script}: {line}", end="", flush=True)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def environment(openai: str, workspace: str) -> dict[str, str]:
    """The caller's environment, with the clients' settings and tracetape's replaced by ours."""
    ours = ("OPENAI_", "DATABRICKS_", "TRACETAPE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "OPENAI_API_KEY": "sk-loopback",
        "OPENAI_BASE_URL": openai,
        "DATABRICKS_HOST": workspace,
        "DATABRICKS_TOKEN": "dapi-loopback",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # The traces of a recording are nobody's; the user's own store stays as it is.
        "TRACETAPE_STORE": f"sqlite:///{ROOT / '.record' / 'traces.db'}",
    }


def record_example(example: Path, renames: dict[str, str], env: dict[str, str]) -> bool:
    options = ["--cassette", f"cassettes/examples/{example.stem}.yaml", "--cassette-mode", "all"]
    for recorded, real in renames.items():
        options += ["--cassette-rename", f"{recorded}={real}"]
    return run(["tracetape", "run", *options, str(example.relative_to(ROOT))], env) == 0


def record_tests(renames: dict[str, str], env: dict[str, str]) -> bool:
    pairs = ",".join(f"{recorded}={real}" for recorded, real in renames.items())
    # The clients' real sockets, which a replay does not have, may be left to the collector.
    sockets = "ignore::pytest.PytestUnraisableExceptionWarning"
    command = ["pytest", "--cassette-mode=all", "-m", "cassette", "-W", sockets, TESTS]
    return run(command, env | {"TRACETAPE_CASSETTE_RENAME": pairs}) in (0, NO_TESTS_COLLECTED)


def run(module: list[str], env: dict[str, str]) -> int:
    print("$ python -m", *module, flush=True)
    try:
        return subprocess.run(
            [sys.executable, "-m", *module], cwd=ROOT, env=env, timeout=PATIENCE, check=False
        ).returncode
    except subprocess.TimeoutExpired as error:
        print(f"record: {error}", file=sys.stderr)
        return 1


def leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # through the `finally` blocks, so that no server outlives us


def main() -> None:
    examples = {path.stem: path for path in sorted(ROOT.glob("examples/*.py"))}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME", choices=[*examples, TESTS], help="record this")
    only = parser.parse_args().only
    signal.signal(signal.SIGTERM, leave)

    ports = [free_port() for _ in range(3)]
    model, openai, workspace = map(str, ports)
    renames = {
        f"http://127.0.0.1:{openai}/v1": f"{OPENAI}/v1",
        f"http://127.0.0.1:{workspace}": WORKSPACE,
    }
    env = environment(*renames)
    failed: list[str] = []
    with ExitStack() as servers:
        servers.enter_context(running("model_server.py", "--port", model))
        front = ("--model-port", model, "--openai-port", openai, "--workspace-port", workspace)
        servers.enter_context(running("workspace_front.py", *front))
        for name, example in examples.items():
            if only in (None, name) and not record_example(example, renames, env):
                failed.append(name)
        if only in (None, TESTS) and not record_tests(renames, env):
            failed.append(TESTS)
    if failed:
        sys.exit(f"record: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
