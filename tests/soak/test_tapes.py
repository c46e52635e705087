"""Long trials of cassettes: kill -9 while recording, and many who record and replay at once.

`make test` runs small ones; `make soak` sets TRACETAPE_SOAK=1 and runs them at full size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import cassette, load

httpx = pytest.importorskip("httpx")
Start = Callable[..., "subprocess.Popen[str]"]

# `isolated` removes the variable from each test's environment.
FULL = os.environ.get("TRACETAPE_SOAK") == "1"
KILLS, BYTES = (200, 200_000) if FULL else (4, 20_000)
STRIDE = 1 if FULL else 6  # of the steps at which a recording is killed
INTERACTIONS = 10_000 if FULL else 100
THREADS = 32 if FULL else 8
PROCESSES = 8 if FULL else 2
PATIENCE = 3600 if FULL else 300


# Records in forks, kills them, and looks at what they have left. A body says what it should be.
KILLING = """
import http.server, os, pathlib, random, signal, sys, threading, time, warnings
import httpx
from tracetape.cassettes import cassette, load

warnings.simplefilter("ignore")  # forking beside the server's thread
COUNT, SIZE = 8, int(sys.argv[2])

def body(path):
    return f"{path} " + "x" * (SIZE * (int(path.rpartition("/")[2]) % 3)) + " end"

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = body(self.path).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args): pass
    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # a client that was killed

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
tape = pathlib.Path("t.yaml")

def die_before(number):
    "End at what is the n-th to be done to a file: opened, changed, renamed or removed."
    left = [number]
    folder = str(tape.absolute().parent)

    def heard(event, arguments):
        if event in ("open", "os.rename", "os.remove", "os.chmod", "os.truncate"):
            if str(arguments[0]).startswith((folder, tape.name)):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(heard)

def record(version, mode, delay=None, number=0):
    pid = os.fork()
    if not pid:
        status = 1
        try:
            if number:
                die_before(number)
            with cassette(tape, mode=mode), httpx.Client(trust_env=False) as client:
                for number in range(COUNT):
                    assert client.get(f"{url}/{version}/{number}").text == body(
                        f"/{version}/{number}"
                    )
            status = 0
        finally:
            os._exit(status)
    if delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]

def recorded():
    found = load(tape)
    paths = []
    for one in found.interactions:
        path = one.request.url.removeprefix(url)
        assert one.response.body.decode() == body(path), f"{path}: half a body"
        paths.append(path)
    return paths, found.incomplete

def whole(version):
    return [f"/{version}/{number}" for number in range(COUNT)], False

def shown(found):
    return f"{len(found[0])} interactions, incomplete: {found[1]}"

with cassette("none.yaml", mode="none"):
    pass  # what it imports the forks have
chance = random.Random(11)
began = time.perf_counter()
assert record(0, "all") == 0
longest = 2.0 * (time.perf_counter() - began)
assert recorded() == whole(0)
version, replaced, kept, continued = 0, 0, 0, 0
for run in range(int(sys.argv[1])):
    if run % 2:  # over a good tape
        record(version + 1, "all", chance.uniform(0, longest))
        found = recorded()
        assert found in (whole(version), whole(version + 1)), shown(found)
        replaced += found == whole(version + 1)
        kept += found == whole(version)
        version += found == whole(version + 1)
    else:  # a new one, which is continued
        tape.unlink()
        version += 1
        record(version, "once", chance.uniform(0, longest))
        if tape.exists():
            paths, incomplete = recorded()
            assert paths == whole(version)[0][: len(paths)], paths
            assert incomplete or len(paths) == COUNT
            continued += 0 < len(paths) < COUNT
        assert record(version, "once") == 0
        assert recorded() == whole(version)
for mode in ("all", "once"):
    for step in range(1, 1000, int(sys.argv[3])):
        if mode == "once":
            tape.unlink()
        status = record(version + 1, mode, number=step)
        assert status in (0, signal.SIGKILL), status
        found = recorded() if tape.exists() else None
        if mode == "all":
            assert found in (whole(version), whole(version + 1)), shown(found)
        elif found is not None:
            assert found[0] == whole(version + 1)[0][: len(found[0])], shown(found)
        assert status or found == whole(version + 1), shown(found)
        for name in os.listdir():  # as if it had been left long ago
            if name.startswith("."):
                os.utime(name, (0, 0))
        assert record(version + 1, "all" if mode == "all" else "once") == 0
        version += 1
        assert recorded() == whole(version)
        left = sorted(set(os.listdir()) - {tape.name, "store"})
        assert not left, f"{mode}, step {step}: {left}"
        if not status:
            break
    print(f"mode {mode}: killed at steps up to {step}")
print(f"{kept} old tapes kept, {replaced} replaced, {continued} continued")
"""


def test_kill_at_any_moment_of_a_recording(
    start_python: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """The old tape or the new one is there, never a half; what was begun is continued."""
    process = start_python(KILLING, str(KILLS), str(BYTES), str(STRIDE))
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    if FULL:
        with capsys.disabled():
            sys.stdout.write(out)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # else each write waits for the client's acknowledgement

    def do_GET(self) -> None:
        data = self.path.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where a server answers with the path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ask_all(client: Any, url: str, threads: int) -> None:
    """Ask for every path from many threads; each has its own answer."""
    with ThreadPoolExecutor(threads) as pool:
        paths = [f"/{number}" for number in range(INTERACTIONS)]
        answers = pool.map(lambda path: client.get(url + path).text, paths)
        assert [*answers] == paths


REPLAYING = """
import sys
from concurrent.futures import ThreadPoolExecutor
import httpx
from tracetape.cassettes import cassette

tape, url, mode, number, threads = sys.argv[1:]
paths = [f"/{n}" for n in range(int(number))]
with cassette(tape, mode=mode) as player, httpx.Client(trust_env=False) as client:
    with ThreadPoolExecutor(int(threads)) as pool:
        assert [*pool.map(lambda path: client.get(url + path).text, paths)] == paths
print(player.played, player.recorded, len(player.misses))
"""


def test_many_threads_and_processes_at_one_tape(
    start_python: Start, url: str, tmp_path: Path
) -> None:
    """Threads record it; others replay it while one process records it again, and again."""
    tape = tmp_path / "t.yaml"
    with cassette(tape) as recording, httpx.Client(trust_env=False) as client:
        ask_all(client, url, THREADS)
    assert recording.recorded == INTERACTIONS
    assert len(load(tape).interactions) == INTERACTIONS
    with cassette(tape, mode="none") as replaying, httpx.Client(trust_env=False) as client:
        ask_all(client, url, THREADS)
    assert replaying.all_played

    arguments = (str(tape), url)
    size = (str(INTERACTIONS), str(THREADS))
    recorder = start_python(REPLAYING, *arguments, "all", *size)
    replayers = [start_python(REPLAYING, *arguments, "none", *size) for _ in range(PROCESSES)]
    for process in replayers:
        out, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (0, f"{INTERACTIONS} 0 0\n"), errors
    out, errors = recorder.communicate(timeout=PATIENCE)
    assert (recorder.returncode, out) == (0, f"0 {INTERACTIONS} 0\n"), errors
    assert not load(tape).incomplete
    assert sorted(one.response.body for one in load(tape).interactions if one.response) == sorted(
        f"/{number}".encode() for number in range(INTERACTIONS)
    )
