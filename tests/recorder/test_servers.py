"""Servers that fork their workers before, or recycle them while, spans are made."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
StartGroup = Callable[..., "subprocess.Popen[str]"]
Eventually = Callable[[Callable[[], Any]], Any]

APP = """
import os, tracetape

with tracetape.start_span("preloaded"):  # the worker thread runs before the fork
    pass

def app(environ, start_response):
    with tracetape.start_span("request") as span:
        span.set_inputs({"pid": os.getpid()})
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]
"""
TASKS = """
import os, tracetape
from celery import Celery

app = Celery("tasks", broker="filesystem://", backend="cache+memory://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"
    },
    worker_max_tasks_per_child=5,
    task_ignore_result=True,
)

@app.task
@tracetape.trace
def work(n):
    return os.getpid()
"""


@pytest.fixture
def serve(start_group: StartGroup, store_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a server in the test's folder; it is gone when the test ends."""

    def start(*command: str) -> subprocess.Popen[str]:
        python = [sys.executable, "-W", "error::DeprecationWarning:tracetape", "-m"]
        store = f"sqlite:///{store_path}"
        return start_group([*python, *command], stderr=subprocess.STDOUT, TRACETAPE_STORE=store)

    return start


def test_gunicorn_forks_after_the_first_span(
    serve: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    query: Query,
    eventually: Eventually,
) -> None:
    """Preloaded, with recycled workers: every request's span is there, of several processes."""
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    server = serve(
        "gunicorn", "app:app", "--preload", "-w", "2", "-b", address, "--max-requests", "15"
    )

    def ask() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=60) as answer:
                return bool(answer.read() == b"ok")
        except OSError:  # not up yet, or a worker that is being replaced
            return False

    eventually(ask)
    asked = 1 + sum(ask() for _ in range(60))
    server.send_signal(signal.SIGTERM)
    said = server.communicate(timeout=120)[0]

    assert asked > 50
    assert query("SELECT count(*) FROM spans WHERE name = 'request'")[0][0] >= asked
    assert query("SELECT count(*) FROM spans WHERE name = 'preloaded'") == [(1,)]
    assert query("SELECT count(DISTINCT inputs) FROM spans WHERE name = 'request'")[0][0] > 2
    assert "multi-threaded" not in said  # Python's warning of forking with threads
    assert "tracetape" not in said


def test_celery_recycles_its_children(
    serve: Callable[..., subprocess.Popen[str]],
    run_command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    query: Query,
    eventually: Eventually,
) -> None:
    """Children that end after five tasks leave the spans of all five."""
    (tmp_path / "tasks.py").write_text(textwrap.dedent(TASKS))
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    send = "from tasks import work\nfor n in range(20): work.delay(n)"
    sent = run_command([sys.executable, "-c", send])
    assert sent.returncode == 0, sent.stderr
    worker = serve("celery", "-A", "tasks", "worker", "-c", "2", "-l", "warning", "-P", "prefork")

    def done() -> bool:
        try:
            return query("SELECT count(*) FROM spans WHERE name = 'work'") == [(20,)]
        except sqlite3.OperationalError:  # no table yet
            return False

    eventually(done)
    worker.send_signal(signal.SIGTERM)
    said = worker.communicate(timeout=120)[0]

    assert query("SELECT count(DISTINCT outputs) FROM spans WHERE name = 'work'")[0][0] >= 3
    assert "multi-threaded" not in said
