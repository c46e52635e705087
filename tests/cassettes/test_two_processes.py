"""Two processes that know nothing of each other, and one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracetape.cassettes.file.save import load

pytest.importorskip("fcntl")

PROGRAM = """
import http.server, pathlib, sys, threading, time
import requests
from tracetape import cassette

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
me, other = sys.argv[1:]

def wait_for(name):
    deadline = time.monotonic() + 60
    while not pathlib.Path(name).exists():
        assert time.monotonic() < deadline, name
        time.sleep(0.01)

with cassette("tape.yaml") as tape:
    pathlib.Path(f"{me} is open").touch()
    wait_for(f"{other} is open")
    if me == "late":
        wait_for(WHEN)
    requests.get(f"http://127.0.0.1:{server.server_port}/{me}")
    pathlib.Path(f"{me} has recorded").touch()
    if me == "early" and WHEN == "early has recorded":
        wait_for("late is done")
pathlib.Path(f"{me} is done").touch()
"""


@pytest.mark.parametrize(
    ("when", "why"),
    [("early has recorded", "is recording"), ("early is done", "another process has recorded")],
)
def test_the_second_is_refused(when: str, why: str, tmp_path: Path) -> None:
    """While the first records, and after that: it opened the file when nothing was on it."""
    source = PROGRAM.replace("WHEN", repr(when))
    early, late = (
        subprocess.Popen(
            [sys.executable, "-c", source, *names],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for names in (("early", "late"), ("late", "early"))
    )
    try:
        _, refused = late.communicate(timeout=90)
        (tmp_path / "late is done").touch()
        _, problems = early.communicate(timeout=90)
    finally:
        early.kill()
        late.kill()
    assert late.returncode == 1
    assert "CassetteError" in refused
    assert why in refused
    assert early.returncode == 0, problems
    (interaction,) = load(tmp_path / "tape.yaml").interactions
    assert interaction.request.url.endswith("/early")
    assert not list(tmp_path.glob("*.lock"))  # nothing is left in the folder for temporary files
