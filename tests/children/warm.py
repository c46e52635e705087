"""Programs that start warm: each in a fork of a process that has imported the SDKs already.

Importing `openai` and `databricks.sdk` takes four seconds of processor, a fork some milliseconds.
A test of what is done at an import starts a process of its own instead. The process that is forked
has imported nothing of tracetape's.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

# Answers each line with the process id of the fork, and when that has ended, with its status.
SERVER = """
import contextlib, gc, importlib, json, os, runpy, sys

def warm_up():
    import httpx, openai
    for name in ("databricks.sdk.mixins.open_ai_client", "openai.resources.responses.responses"):
        with contextlib.suppress(ImportError):  # not in each world of `make matrix`
            importlib.import_module(name)
    try:
        import httpx2 as http
    except ImportError:
        import httpx as http
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice]}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
    client.chat.completions.create(model="m", messages=[])

    import anyio, pytest, yaml
    anyio.__doc__ = "PYTEST_DONT_REWRITE"  # a plugin too, which pytest finds imported already

warm_up()
gc.freeze()  # else a fork that ends would look at each object, and copy its page
while line := sys.stdin.readline():
    if pid := os.fork():
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    else:
        break
else:
    os._exit(0)
del contextlib, importlib, warm_up, pid
os.setsid()
asked = json.loads(line)
os.chdir(asked["folder"])
os.environ.clear()
os.environ.update(asked["environment"])
for number, name in enumerate([os.devnull, *asked["files"]]):
    file = os.open(name, os.O_RDWR | os.O_APPEND)
    os.dup2(file, number)
    os.close(file)
sys.argv = [asked["what"], *asked["arguments"]]
if asked["what"] == "-m":
    sys.path[0] = os.getcwd()
    runpy._run_module_as_main(asked["source"])  # as Python itself does for `-m`
else:
    code = compile(asked["source"], "<string>", "exec")
    del asked, file, line, name, number
    exec(globals().pop("code"))
"""


class Warm:
    """A process that waits, forks for each program, and gives what the program said."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """Start it."""
        self._files = [folder / "out", folder / "err"]
        self._said = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def run(
        self,
        what: str,
        source: str,
        arguments: tuple[str, ...],
        environment: dict[str, str],
        folder: Path,
        timeout: float,
        files: list[Path] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program (`what` is -c or -m, as for Python); nothing that it started lives on.

        What it says is in `files` afterwards too, its output and its errors.
        """
        files = files or self._files
        for file in files:
            file.write_bytes(b"")
        asked = {
            "what": what,
            "source": source,
            "arguments": arguments,
            "environment": environment,
            "folder": str(folder),
            "files": [str(file) for file in files],
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        pid = self._answer(timeout)
        try:
            status = self._answer(timeout)
        except subprocess.TimeoutExpired:
            _end_group(pid)
            self._answer(timeout)
            raise
        _end_group(pid)
        output, errors = (file.read_text() for file in files)
        return subprocess.CompletedProcess([what, source, *arguments], status, output, errors)

    def _answer(self, timeout: float) -> int:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._said:
            if not select.select([pipe], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a program that started warm", timeout)
            more = os.read(pipe, 64)
            assert more, "the process that is forked has ended"
            self._said += more
        answer, _, self._said = self._said.partition(b"\n")
        return int(answer)

    def close(self) -> None:
        """End it."""
        _end_group(self._process.pid)
        self._process.communicate()


def _end_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nobody of the group is left
        os.killpg(pid, signal.SIGKILL)
