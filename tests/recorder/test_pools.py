"""What a process that may be killed after its last result leaves open."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.tracing.runtime import runtime

Run = Callable[..., Any]
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def store(store_path: Path) -> dict[str, str]:
    """The environment of a program that records into the test's store."""
    return {"TRACETAPE_STORE": f"sqlite:///{store_path}"}


STREAMING = """
    import json, multiprocessing, sys, warnings
    warnings.simplefilter("ignore")
    import httpx, openai, tracetape

    tracetape.autolog()

    def event(word):
        delta = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return "data: " + json.dumps({**chunk, "choices": [delta]}) + "\\n\\n"

    def answer(request):
        body = "".join(map(event, ["one", "two", "three"])) + "data: [DONE]\\n\\n"
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=http)

    def first_word(n):
        asked = [{"role": "user", "content": f"question {n}"}]
        for chunk in client.chat.completions.create(model="m", messages=asked, stream=True):
            return chunk.choices[0].delta.content

    def below(n):
        with tracetape.start_span("root"):
            return first_word(n)
"""


@pytest.mark.parametrize("outer", [True, False], ids=["in a parent's span", "roots"])
def test_a_stream_that_a_pools_worker_leaves_is_recorded_as_open(
    outer: bool, run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """The garbage collector would end it, but the worker is killed before."""
    run_python(
        textwrap.dedent(STREAMING)
        + textwrap.dedent(
            """
            import contextlib

            for job in (first_word, below):
                outer = tracetape.start_span("outer") if sys.argv[1] else contextlib.nullcontext()
                with outer, multiprocessing.get_context("fork").Pool(2) as pool:
                    assert pool.map(job, range(4), 1) == ["one"] * 4
            """
        ),
        "1" if outer else "",
        **store,
    )
    assert query("SELECT count(*) FROM spans WHERE type = 'CHAT_MODEL'") == [(8,)]
    assert query("SELECT count(*) FROM spans WHERE name = 'root'") == [(4,)]


def test_a_stream_that_a_child_leaves_ends_with_the_child(
    run_python: Run, query: Query, store: dict[str, str]
) -> None:
    """A forked child of multiprocessing runs no exit handlers of its own; what came is kept."""
    run_python(
        textwrap.dedent(STREAMING)
        + textwrap.dedent(
            """
            @tracetape.trace
            def items():
                yield 1
                yield 2

            def work():
                global left
                left = items()
                next(left)
                first_word(0)

            process = multiprocessing.get_context("fork").Process(target=work)
            process.start()
            process.join()
            assert process.exitcode == 0
            """
        ),
        **store,
    )
    found = query("SELECT name, end_ns IS NULL FROM spans ORDER BY name")
    assert [ended for _, ended in found] == [0, 0], found


def test_a_span_that_a_finaliser_ends_in_the_midst_of_ours_waits_for_nobody(
    isolated: None, store_path: Path
) -> None:
    """The writing thread may need the lock that the interrupted thread holds."""
    with tracetape.configure(store=f"sqlite:///{store_path}", async_logging=False):
        with tracetape.start_span("first"):
            pass
        late = tracetape.start_span_no_context("late")
        began = time.monotonic()
        with runtime.recorder._lock:  # as where the garbage collector runs in there
            late.end()
        assert time.monotonic() - began < 2  # it took five seconds
        assert tracetape.flush() == 0
