"""The command line as a user has it: a process of its own in the test's folder."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The far end of an OpenAI call within the process: it is traced if `autolog` is on.
CALL = """
import httpx2, openai
body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=body))
client = openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))
client.chat.completions.create(model="m", messages=[])
"""
Tracetape = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tracetape_command(run_command: Tracetape) -> Tracetape:
    """Run `tracetape` with these arguments."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tracetape", *arguments]
        return run_command(command, _environment(environment))

    return call


@pytest.fixture
def warm_command(command_warm: Tracetape) -> Tracetape:
    """The same, where it may find the SDKs imported: that saves up to two seconds."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return command_warm(*arguments, environment=_environment(environment))

    return call


def _environment(more: dict[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRACETAPE_")}
    # As in an environment that was activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**inherited, "COLUMNS": "100", "PATH": path, **more}


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    """Write a program, and give its name."""

    def write(source: str, name: str = "app.py") -> str:
        (tmp_path / name).write_text(source)
        return name

    return write


@pytest.fixture
def openai_call() -> str:
    """A program that knows nothing of us, and calls a model."""
    return CALL


@pytest.fixture
def span_names(tmp_path: Path) -> Callable[[], list[str]]:
    """Names of the spans in the default store, in their order; none, if there is no store."""

    def read() -> list[str]:
        database = tmp_path / ".tracetape" / "traces.db"
        if not database.exists():
            return []
        connection = sqlite3.connect(database)
        try:
            found = connection.execute("SELECT name FROM spans ORDER BY start_ns")
            return [name for (name,) in found]
        finally:
            connection.close()

    return read
