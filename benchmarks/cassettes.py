"""Cassettes beside vcrpy, in one process and in turns: `make .venv/.dev`, then run it.

Figures wanted, of processor time: replay of 20 calls, loading included, takes at most 0.3 of
vcrpy's time with equal matching, and 0.5 with its own; a tape of 10 MB is loaded as fast as by
vcrpy; recording adds less than 1 ms to a call; a miss among 1,000 recordings is explained in 50 ms.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import vcr

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, cassette, load, save

CALLS = 20
URL = "https://api.openai.com/v1/chat/completions"
JSON = [("content-type", "application/json")]


def question(number: int, text: str = "What is machine learning?") -> dict[str, Any]:
    messages = [
        {"role": "system", "content": "You are a helpful assistant. " * 20},
        {"role": "user", "content": f"{text} ({number})"},
    ]
    return {"model": "gpt-4o-mini", "messages": messages, "temperature": 0.5}


def answer(number: int, text: str = "Machine learning is a field of study. ") -> bytes:
    message = {"role": "assistant", "content": text * 20}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {"id": f"c{number}", "object": "chat.completion", "choices": [choice]}
    ).encode()


def stream(number: int) -> list[Chunk]:
    head = {"id": f"c{number}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return [
        Chunk(
            b"data: %b\n\n"
            % json.dumps(
                {**head, "choices": [{"index": 0, "delta": {"content": f" word {i}"}}]}
            ).encode(),
            0.01,
        )
        for i in range(100)
    ]


def interaction(number: int, *, streamed: bool = False) -> Interaction:
    headers = [("content-type", "text/event-stream")] if streamed else JSON
    chunks = stream(number) if streamed else [Chunk(answer(number))]
    body = httpx.Request("POST", URL, json=question(number)).content
    return Interaction(Request("POST", URL, JSON, body), Response(200, "OK", headers, chunks))


def ask(client: httpx.Client, number: int) -> None:
    assert client.post(URL, json=question(number)).status_code == 200


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def in_turns(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each; in turns, so that the rest of the machine hits all of them."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(processor_time(action))
    return {name: statistics.median(times) for name, times in found.items()}


def sound(number: int) -> Interaction:
    headers = [("content-type", "audio/mpeg")]
    chunk = Chunk(random.Random(number).randbytes(20_000))
    return Interaction(interaction(number).request, Response(200, "OK", headers, [chunk]))


def processor_time(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def replay(folder: Path) -> None:
    client = httpx.Client()  # to make one takes as long as all else, for its certificates
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=b"{}"))
    memory = httpx.Client(transport=transport)
    tapes: dict[str, Callable[[int], Interaction]] = {
        "JSON": interaction,
        "half streamed": lambda number: interaction(number, streamed=number % 2 == 0),
        "sound": sound,
    }

    def ask_all(client: httpx.Client = client) -> None:
        for number in range(CALLS):
            ask(client, number)

    def ours() -> None:
        with cassette(tape, mode="none"):
            ask_all()

    def theirs(**options: Any) -> None:
        with vcr.use_cassette(str(tape), record_mode="none", **options):
            ask_all()

    print(f"replay of {CALLS} calls, as shares of vcrpy {vcr.__version__}:")
    for name, make in tapes.items():
        tape = folder / "twenty.yaml"
        save(tape, Tape([make(number) for number in range(CALLS)]))
        actions: dict[str, Callable[[], object]] = {
            "ours": ours,
            "equal": lambda: theirs(match_on=["method", "uri", "body"]),
            "own": theirs,
            "memory": lambda: ask_all(memory),
        }
        took = in_turns(actions, rounds=25)
        print(
            f"  {name}: {took['ours'] * 1e3:.1f} ms, {took['ours'] / took['equal']:.2f} with equal "
            f"matching, {took['ours'] / took['own']:.2f} with its own; from memory "
            f"{took['memory'] * 1e3:.1f} ms"
        )


def loading(folder: Path) -> None:
    tape = folder / "large.yaml"
    number = 0
    found: list[Interaction] = []
    size = 0
    while size < 10_000_000:
        one = interaction(number, streamed=number % 2 == 0)
        found.append(one)
        assert one.response is not None
        size += len(one.request.body) + len(one.response.body)
        number += 1
    save(tape, Tape(found))

    def theirs() -> None:
        with vcr.use_cassette(str(tape), record_mode="none"):
            pass

    print(f"tape of {tape.stat().st_size / 1e6:.1f} MB with {number:,} recordings:")
    print(f"  loaded first in {processor_time(lambda: load(tape)):.2f} s")
    again = statistics.median(processor_time(lambda: load(tape)) for _ in range(5))
    print(f"  loaded again in {again:.3f} s; by vcrpy in {processor_time(theirs):.2f} s")


def missing(folder: Path) -> None:
    tape = folder / "thousand.yaml"
    save(tape, Tape([interaction(n) for n in range(1000)]))
    body = httpx.Request("POST", URL, json=question(7, "What is learning?")).content
    with cassette(tape, mode="none") as opened:
        sent = opened.sent(Request("POST", URL, JSON, body))
        took = [timed(lambda: opened.missed(sent)) for _ in range(9)]
    print(f"a miss among 1,000 recordings: {statistics.median(took) * 1e3:.1f} ms")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        data = answer(0)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def recording(folder: Path) -> None:
    with server() as url, httpx.Client() as client:
        plain, taped = [], []
        for number in range(100):
            plain.append(timed(lambda n=number: client.post(url, json=question(n))))
        with cassette(folder / "recorded.yaml", mode="all"):
            for number in range(100):
                taped.append(timed(lambda n=number: client.post(url, json=question(n))))
    added = statistics.median(taped) - statistics.median(plain)
    print(f"recording adds {added * 1e3:.2f} ms to a call")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["TRACETAPE_CACHE"] = str(folder / "cache")
        for measure in (replay, loading, missing, recording):
            measure(folder)


if __name__ == "__main__":
    main()
