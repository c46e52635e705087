"""Which of several open tapes answers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tracetape.cassettes import bypass, cassette, load
from tracetape.exceptions import CassetteError, CassetteMissError

httpx2 = pytest.importorskip("httpx2")


@pytest.fixture
def get(server: Any) -> Iterator[Any]:
    """A request for a path of the server: the server's running number, or the taped one."""
    client = httpx2.Client(trust_env=False, verify=False, timeout=10)
    yield lambda path: client.get(server.url + path).json()["asked"]
    client.close()


@pytest.fixture
def tapes(tmp_path: Path, server: Any, get: Callable[..., Any]) -> Any:
    """Two tapes with different answers to the same request."""
    paths = tmp_path / "one.yaml", tmp_path / "two.yaml"
    for path in paths:
        with cassette(path):
            get("/a")
    return paths


def test_the_innermost_tape_is_asked_first(tapes: Any, get: Callable[..., Any]) -> None:
    """Then the ones around it."""
    one, two = tapes
    with cassette(one, mode="none"), cassette(two, mode="none"):
        assert [get("/a"), get("/a")] == [2, 1]
        with pytest.raises(CassetteMissError, match=r"two\.yaml"):
            get("/a")


def test_inside_a_tape_that_records_another_may_replay(
    tmp_path: Path, tapes: Any, get: Callable[..., Any]
) -> None:
    """What the inner one lacks is recorded by the outer one."""
    outer = tmp_path / "outer.yaml"
    with cassette(outer), cassette(tapes[0], mode="none") as inner:
        assert [get("/a"), get("/new")] == [1, 3]
    assert inner.played == 1
    assert [one.request.url[-4:] for one in load(outer).interactions] == ["/new"]


async def test_tapes_of_two_tasks_never_answer_for_each_other(tapes: Any, server: Any) -> None:
    """Both are open at once, each in its own task."""
    both = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

    async def ask(path: Any) -> Any:
        async with cassette(path, mode="none") as tape:
            if both is not None:
                await both.wait()
            async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
                answer = (await client.get(f"{server.url}/a")).json()["asked"]
            await asyncio.sleep(0.01)
            return answer, tape.played

    assert await asyncio.gather(*map(ask, tapes)) == [(1, 1), (2, 1)]


async def test_blocks_of_one_object_may_overlap(tapes: Any, server: Any) -> None:
    """Each task leaves its own block."""
    tape = cassette(tapes[0], mode="none")

    async def task(seconds: Any) -> Any:
        async with tape, httpx2.AsyncClient(trust_env=False, verify=False) as client:
            await asyncio.sleep(seconds)
            return (await client.get(f"{server.url}/a")).json()["asked"]

    assert await asyncio.gather(task(0.01), task(0.05)) == [1, 1]


def test_tapes_of_two_threads_never_answer_for_each_other(
    tapes: Any, get: Callable[..., Any]
) -> None:
    """Each thread has opened its own; a thread with neither gets a clear error."""
    barrier = threading.Barrier(3)

    def ask(path: Any) -> Any:
        with cassette(path, mode="none"):
            barrier.wait(60)
            answer = get("/a")
            barrier.wait(60)
            return answer

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, path) for path in tapes]
        barrier.wait(60)
        with pytest.raises(CassetteError, match="two cassettes are open, and this thread belongs"):
            get("/a")
        barrier.wait(60)
        assert [answer.result(60) for answer in answers] == [1, 2]


def test_a_thread_started_in_a_block_finds_its_tape(tapes: Any, get: Callable[..., Any]) -> None:
    """Threads have no context of their own; nested tapes are asked as in the block."""
    with cassette(tapes[0], mode="none"), cassette(tapes[1], mode="none"):
        with ThreadPoolExecutor(1) as pool:
            assert [pool.submit(get, "/a").result(60) for _ in range(2)] == [2, 1]


def test_a_tape_for_the_process_answers_all_who_have_none(
    tapes: Any, get: Callable[..., Any]
) -> None:
    """Whoever has a tape of his own asks that one."""
    one, two = tapes
    answers = []

    def ask() -> None:
        answers.append(get("/a"))

    with cassette(one, mode="none", scope="process"):
        nobodys = contextvars.Context()
        with cassette(two, mode="none"):
            assert get("/a") == 2
            thread = threading.Thread(target=nobodys.run, args=(ask,))
            thread.start()
            thread.join()
    assert answers == [1]


def test_200_concurrent_calls_claim_each_recording_once(tape: Path, server: Any) -> None:
    """`gather` mixes the order; each call gets the answer to its own question."""

    async def ask(client: Any, number: Any) -> Any:
        path = f"{server.url}/{number % 50}"  # each path four times
        return number % 50, (await client.get(path)).json()["asked"]

    async def main() -> Any:
        limits = httpx2.Limits(max_connections=20)
        async with httpx2.AsyncClient(
            trust_env=False, verify=False, limits=limits, timeout=30
        ) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(200)))

    with cassette(tape) as recording:
        first = asyncio.run(main())
    server.stop()
    with cassette(tape, mode="none") as replaying:
        second = asyncio.run(main())
    assert recording.recorded == replaying.played == 200
    assert not replaying.unused
    assert sorted(second) == sorted(first)


def test_200_threaded_calls_claim_each_recording_once(
    tape: Path, server: Any, get: Callable[..., Any]
) -> None:
    """The same for threads."""
    with cassette(tape):
        with ThreadPoolExecutor(8) as pool:
            first = list(pool.map(get, ["/same"] * 200))
    server.stop()
    with cassette(tape, mode="none"):
        with ThreadPoolExecutor(8) as pool:
            second = list(pool.map(get, ["/same"] * 200))
    assert sorted(first) == sorted(second) == list(range(1, 201))


def test_requests_inside_bypass_are_on_no_tape(
    tape: Path, server: Any, get: Callable[..., Any]
) -> None:
    """For our own exports: they go to the network, also in replay."""
    with cassette(tape) as recording:
        get("/a")
        with bypass():
            get("/export")
    assert recording.recorded == 1
    with cassette(tape, mode="none") as replaying, bypass():
        assert get("/export") == 3
    assert replaying.played == 0


def test_ignored_hosts_are_on_no_tape(tape: Path, server: Any, get: Callable[..., Any]) -> None:
    """Neither recorded nor replayed, and reached for real; host and port may be named."""
    for host in ("127.0.0.1", server.url.removeprefix("http://")):
        with cassette(tape, ignore_hosts=[host]) as recording:
            get("/a")
        assert recording.recorded == 0
    assert len(server.asked) == 2
    assert not tape.exists()


def test_a_task_that_outlives_its_tape_is_on_no_tape(tape: Path, server: Any) -> None:
    """When the block is over, requests go their way again."""

    async def main() -> None:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            gate = asyncio.Event()

            async def later() -> Any:
                await gate.wait()
                return (await client.get(f"{server.url}/later")).json()["asked"]

            async with cassette(tape) as recording:
                task = asyncio.create_task(later())
            gate.set()
            assert await task == 1
            assert recording.recorded == 0

    asyncio.run(main())
