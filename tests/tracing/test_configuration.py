"""Steering what happens to spans: enable, disable, reset, configure, flush."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape import tracing
from tracetape.entities import NoOpSpan
from tracetape.exceptions import InvalidValueError, TracetapeException
from tracetape.media.policy import policy as media
from tracetape.privacy.levels import policy
from tracetape.tracing.runtime import runtime


@pytest.fixture(autouse=True)
def _settings_of_this_test() -> Iterator[None]:
    """What a test configures does not outlive it."""
    with tracetape.configure():
        yield
    tracing.enable()


def is_recorded() -> bool:
    """Whether a trace that begins now is."""
    with tracetape.start_span() as span:
        return not isinstance(span, NoOpSpan)


def test_off_and_on_again() -> None:
    """A switch for the whole process; using it twice is using it once."""
    assert is_recorded()
    tracing.disable()
    tracing.disable()
    assert not is_recorded()
    tracing.enable()
    tracing.enable()
    assert is_recorded()


def test_off_for_every_thread_and_task() -> None:
    """Unlike `context(enabled=False)`."""
    tracing.disable()
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(is_recorded()))
    thread.start()
    thread.join()

    async def task() -> None:
        seen.append(is_recorded())

    asyncio.run(task())
    assert seen == [False, False]


def test_a_context_does_not_switch_it_on() -> None:
    """Off is off."""
    tracing.disable()
    with tracetape.context(enabled=True):
        assert not is_recorded()


def test_switched_off_inside_of_a_span() -> None:
    """That span goes on and ends; those that would begin inside do not."""
    with tracetape.start_span("root") as root:
        tracing.disable()
        with tracetape.start_span("hidden") as hidden:
            assert isinstance(hidden, NoOpSpan)
        assert tracetape.get_current_active_span() is root
        root.set_outputs(1)
    tracing.enable()
    trace = tracetape.get_trace(root.trace_id)
    assert trace is not None
    assert [(span.name, span.outputs) for span in trace.data.spans] == [("root", 1)]


def test_switched_on_inside_of_a_block() -> None:
    """The block began without a span, and ends without one."""
    tracing.disable()
    with tracetape.start_span() as span:
        tracing.enable()
        with tracetape.start_span() as root:
            assert root.parent_id is None
    assert isinstance(span, NoOpSpan)
    assert tracetape.get_current_active_span() is None


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_off_by_the_environment(value: str, run_python: Callable[..., Any]) -> None:
    """Without a word in the program; nothing is written."""
    program = """
        import pathlib, tracetape
        with tracetape.start_span() as span:
            print(span.trace_id, pathlib.Path(".tracetape").exists())
    """
    done = run_python(program, TRACETAPE_DISABLED=value)
    assert done.stdout.split() == ["MLFLOW_NO_OP_SPAN_TRACE_ID", "False"]


@pytest.mark.parametrize("value", ["", "0", "false", "no"])
def test_not_off_by_the_environment(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by `reset()` as well."""
    monkeypatch.setenv("TRACETAPE_DISABLED", value)
    tracing.reset()
    assert is_recorded()
    monkeypatch.setenv("TRACETAPE_DISABLED", "1")
    tracing.reset()
    assert not is_recorded()


def test_reset(tmp_path: Path) -> None:
    """All that was configured is gone: the defaults and the environment hold."""
    tracing.disable()
    tracetape.configure(
        span_processors=[print],
        sampling_ratio=0,
        keep_errors=True,
        prices={"m": {"input": 1}},
        store="memory://",
    )
    tracing.reset()
    assert tracing.get_config() == tracing.TracingConfig()
    assert (runtime.sampling_ratio, runtime.config.keep_errors, runtime.config.prices) == (
        1.0,
        False,
        {},
    )
    assert is_recorded()
    assert tracetape.flush(20) == 0
    assert tracetape.stats()["store"].endswith(".tracetape/traces.db")
    assert (tmp_path / ".tracetape" / "traces.db").exists()


def test_reset_writes_what_is_queued(query: Callable[..., Any]) -> None:
    """Nothing is lost on the way."""
    with tracetape.start_span("before"):
        pass
    tracing.reset()
    assert query("SELECT name FROM spans") == [("before",)]


def test_reset_while_a_span_is_open(query: Callable[..., Any]) -> None:
    """It ends where it began."""
    with tracetape.start_span("open") as span:
        tracing.reset()
    before = span._trace.sink
    before.flush(20)  # type: ignore[attr-defined]
    before.close()  # type: ignore[attr-defined]
    assert query("SELECT name FROM spans WHERE end_ns IS NOT NULL") == [("open",)]


@pytest.mark.parametrize("url", ["postgres://host/db", "http://host"])
def test_a_store_that_is_none(url: str) -> None:
    """Refused with the URL, and the former one stays."""
    before = tracetape.stats()["store"]
    with pytest.raises(ValueError, match="store") as caught:
        tracetape.configure(store=url)
    assert isinstance(caught.value, InvalidValueError)
    assert tracetape.stats()["store"] == before


def test_a_refused_configuration_changes_nothing() -> None:
    """What is checked is checked first."""
    with pytest.raises(TracetapeException):
        tracetape.configure(sampling_ratio=2, keep_errors=True, span_processors=[print])
    assert (runtime.config.keep_errors, tracing.get_config().span_processors) == (False, [])
    with pytest.raises(TracetapeException):
        tracetape.configure(sampling_ratio=0, span_processors=[print], store="postgres://host/db")
    assert (runtime.sampling_ratio, tracing.get_config().span_processors) == (1.0, [])


def test_flush_waits_until_all_is_written(query: Callable[..., Any]) -> None:
    """And tells how many are not."""
    for _ in range(50):
        with tracetape.start_span():
            pass
    assert tracetape.flush() == 0
    assert query("SELECT count(*) FROM spans") == [(50,)]


@pytest.mark.parametrize("terminate", [False, True])
def test_mlflows_name_for_flush(terminate: bool, query: Callable[..., Any]) -> None:
    """It never raises; spans that come later are written too."""
    tracetape.flush_trace_async_logging(terminate)
    with tracetape.start_span():
        pass
    tracetape.flush_trace_async_logging(terminate=terminate)
    assert query("SELECT count(*) FROM spans") == [(1,)]
    with tracetape.start_span():
        pass
    tracetape.flush_trace_async_logging(terminate=terminate)
    assert query("SELECT count(*) FROM spans") == [(2,)]


def test_the_last_trace_of_a_thread() -> None:
    """Each thread knows the one whose root ended last in it."""
    last = tracetape.get_last_active_trace_id
    seen: list[str | None] = []

    def other() -> None:
        seen.append(last(thread_local=True))
        with tracetape.start_span() as span:
            pass
        seen.extend([last(thread_local=True), last(), span.trace_id])

    assert last(thread_local=True) is None
    with tracetape.start_span() as mine:
        pass
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen[0] is None
    assert seen[1] == seen[2] == seen[3] == last()
    assert last(thread_local=True) == mine.trace_id


def test_the_last_trace_is_that_of_a_root() -> None:
    """Children, and spans that are not recorded, do not count."""
    with tracetape.start_span() as first:
        pass
    with tracetape.start_span():
        with tracetape.start_span():
            pass
        assert tracetape.get_last_active_trace_id(thread_local=True) == first.trace_id
        with tracetape.context(enabled=False), tracetape.start_span():
            pass
        assert tracetape.get_last_active_trace_id() == first.trace_id


def test_a_block_puts_back_the_very_configuration_that_it_found() -> None:
    """All of it, whatever the block has changed; but where traces go is said by other functions."""
    before = runtime.config
    with tracetape.configure(
        capture="metadata", retention="30d", max_attachment_size="1MB", async_logging=False
    ):
        assert runtime.config != before
        assert (policy.now.capture, media.now.max_bytes) == ("metadata", 10**6)
        tracetape.set_experiment("mine")
    assert runtime.config._replace(destination=None) == before
    assert (policy.now, media.now) == (before.privacy, before.media)
    assert runtime.config.destination is not None
