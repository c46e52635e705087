"""The way of one request is short: few files of ours, and nothing is done to it twice."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import tracetape
from tracetape.cassettes import cassette
from tracetape.privacy import values

SOURCE = Path(tracetape.__file__).parent
LOGIN = {"authorization": "Bearer sk-" + "a1" * 20}  # no real one
SCRUBBING = ("cassettes/scrub.py", "_scrub")
KEY = ("cassettes/matching.py", "key")
Passed = Counter[tuple[str, str]]


def passed(call: Callable[[], object]) -> Passed:
    """How often each function of tracetape is called, by its file and name."""
    calls: Passed = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(SOURCE):
            calls[path.relative_to(SOURCE).as_posix(), frame.f_code.co_name] += 1

    for one in vars(values).values():
        if hasattr(one, "cache_clear"):
            one.cache_clear()  # what an earlier test has asked for is asked for again
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def files(calls: Passed) -> list[str]:
    """The files, each once."""
    return sorted({file for file, _ in calls})


@pytest.fixture
def question(ask: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Ask a model's server, which is answered by JSON; the libraries have been used before."""
    for mocks in ("respx.mocks", "responses"):  # pytest and other tests have loaded them
        monkeypatch.delitem(sys.modules, mocks, raising=False)
    ask("GET", f"{server.url}/")
    body = {"model": "m", "messages": [{"role": "user", "content": "What is a tape?"}]}
    return lambda n: ask("POST", f"{server.url}/v1/chat", json={**body, "n": n}, headers=LOGIN)


def test_replay_of_a_request_passes_twelve_files(question: Any, tape: Path, server: Any) -> None:
    """It is found as it was sent: nothing is scrubbed, and its key is computed once."""
    with cassette(tape):
        question(1)
        question(2)
    server.stop()
    with cassette(tape, mode="none") as opened:
        first = passed(lambda: question(1))
        second = passed(lambda: question(2))

    assert opened.played == 2
    assert len(files(first)) <= 12, files(first)
    assert len(files(second)) <= 12, files(second)
    assert (second[SCRUBBING], second[KEY]) == (0, 1)
    assert (first[SCRUBBING], first[KEY]) == (0, 3)  # those of the recordings, too


def test_recording_of_a_request_passes_twenty_files(question: Any, ask: Any, tape: Path) -> None:
    """The opening of its connection and of the tape's file included; it is scrubbed once."""
    with cassette(tape) as opened:
        first = passed(lambda: question(1))
        second = passed(lambda: question(2))

    assert opened.recorded == 2
    # urllib3, by which requests sends, may be asked past it: that is looked at, too.
    most = 21 if ask.library == "requests" else 20
    assert len(files(first)) <= most, " ".join(files(first))
    assert len(files(second)) <= 20, files(second)
    assert (second[SCRUBBING], second[KEY]) == (1, 0)


def test_a_request_that_a_tape_lacks_is_scrubbed_once(question: Any, tape: Path) -> None:
    """And its key is computed once, though it is looked for as sent, scrubbed and in doubt."""
    with cassette(tape):
        question(1)
    with cassette(tape, mode="new_episodes") as opened:
        question(2)
        calls = passed(lambda: question(3))

    assert opened.recorded == 2
    assert (calls[SCRUBBING], calls[KEY]) == (1, 1)
