"""First use at a bad moment: the program goes on, and the next call is traced."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Query = Callable[..., list[tuple[Any, ...]]]
Run = Callable[..., subprocess.CompletedProcess[str]]

# Every function of ours that a program has in its way, as it is used.
USE = """
def use():
    span = tracetape.start_span_no_context("by hand")
    span.set_inputs({"a": 1})
    span.set_attribute("k", "v")
    span.end()
    with tracetape.start_span("block", attributes={"a": 1}) as span:
        span.set_outputs(2)
        span.set_status("OK")
        assert span.trace_id
    with tracetape.context(tags={"a": "b"}):
        assert tracetape.trace(lambda x: x + 1)(1) == 2
        assert tracetape.trace(name="named")(lambda x: x + 1)(1) == 2
        assert tracetape.carry(lambda x: x)(3) == 3
    tracetape.get_current_active_span(), tracetape.get_active_trace_id()
    tracetape.update_current_trace(tags={"a": "b"})
    tracetape.tracing.get_tracing_context_headers_for_http_request()
    with tracetape.tracing.set_tracing_context_from_http_request_headers({}):
        pass
    try:
        with tracetape.start_span("failing"):
            raise KeyError("user's")
    except KeyError:
        pass
"""


@pytest.mark.parametrize(
    "module",
    [
        "tracetape.tracing",
        "tracetape.tracing.spans",
        "orjson.orjson",
        "tracetape.recorder.recorder",
    ],
)
def test_a_signal_while_start_span_is_loaded(
    module: str, run_python: Run, query: Query, store_path: Path
) -> None:
    """Its handler goes on without a span; what was interrupted has one, and so has the next."""
    done = run_python(
        f"""
import signal, sys
import tracetape
{USE}
handled = []

def handler(*args):
    use()
    handled.append(args)

class Signals:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and not handled:
            signal.raise_signal(signal.SIGTERM)
        return None

signal.signal(signal.SIGTERM, handler)
sys.meta_path.insert(0, Signals())
with tracetape.start_span("interrupted"):
    pass
assert len(handled) == 1
use()
assert tracetape.flush(30) == 0
assert not tracetape.stats()["faults"]
""",
        TRACETAPE_STORE=str(store_path),
    )
    assert done.stderr.count("cannot be loaded now") == 1
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'interrupted'") == [(1,)]
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'block'") == [(1,)]


FULL = """
import resource
import tracetape

resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_program_that_can_open_no_more_files(
    run_python: Run, query: Query, store_path: Path
) -> None:
    """It goes on without spans, told once; when it can, it has them, by the same names."""
    done = run_python(
        f"""{FULL}
{USE}
from tracetape import start_span, trace
from tracetape import openai

@trace
def plain(x):
    return x + 1

@trace(name="of a class")
class Made:
    pass

class Holder:
    @trace
    @staticmethod
    def static(x):
        return x
    @classmethod
    @trace
    def of_class(cls, x):
        return x

@trace
async def coroutine(x):
    return x

@trace
def generator(x):
    got = yield x
    return got

@trace(name="items")
async def async_generator(x):
    try:
        yield (yield x)
    except KeyError as error:
        yield repr(error)

def use_functions():
    assert plain(1) == 2 and plain.__name__ == "plain"
    assert isinstance(Made(), object)
    assert (Holder.static(3), Holder.of_class(4)) == (3, 4)
    running = generator(5)
    assert next(running) == 5
    try:
        running.send(6)
    except StopIteration as end:
        assert end.value == 6

    async def main():
        assert await coroutine(7) == 7
        items = async_generator(8)
        assert await items.asend(None) == 8
        assert await items.asend(9) == 9
        assert await items.athrow(KeyError("k")) == "KeyError('k')"
        assert [item async for item in items] == []
        items = async_generator(8)
        assert await items.asend(None) == 8
        await items.aclose()

    if not held:  # an event loop opens files
        import asyncio, inspect
        asyncio.run(main())
        assert inspect.iscoroutinefunction(coroutine)
        assert inspect.isgeneratorfunction(generator)
        assert inspect.isasyncgenfunction(async_generator)

use()
use_functions()
tracetape.autolog()
openai.autolog()
tracetape.flush(1)
with start_span("unseen"):
    pass
while held:
    held.pop().close()
use_functions()
with start_span("block"):
    pass
openai.autolog()
use()
assert tracetape.flush(30) == 0
""",
        TRACETAPE_STORE=str(store_path),
    )
    assert done.stderr.count("cannot be loaded now") == 1
    assert "Traceback" not in done.stderr
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'block'") == [(2,)]
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'unseen'") == [(0,)]
    decorated = ["coroutine", "generator", "items", "of a class", "of_class", "plain", "static"]
    counted = "SELECT name, COUNT(*) FROM spans WHERE name = ? GROUP BY name"
    assert [query(counted, name) for name in decorated] == [
        [(name, 2 if name == "items" else 1)] for name in decorated
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_what_cannot_be_answered_says_so(run_python: Run) -> None:
    """A name that does not exist, and a question whose answer is not known, still raise."""
    run_python(
        FULL
        + """
for module, name in ((tracetape, "start_spam"), (tracetape.tracing, "start_spam")):
    try:
        getattr(module, name)
    except AttributeError:
        pass
    else:
        raise SystemExit(name)
for name in ("search_traces", "get_trace", "configure", "TracetapeException"):
    try:
        getattr(tracetape, name)
    except OSError:
        pass
    else:
        raise SystemExit(name)
"""
    )


def test_deep_in_a_recursion(run_python: Run, query: Query, store_path: Path) -> None:
    """Near its limit orjson would end the process on loading; farther away spans are made."""
    done = run_python(
        """
import sys
import tracetape

def dive(depth, name):
    if depth:
        dive(depth - 1, name)
    else:
        with tracetape.start_span(name):
            pass

limit = sys.getrecursionlimit()
sys.setrecursionlimit(200)
for depth in range(170, 80, -5):
    dive(depth, "deep")
sys.setrecursionlimit(limit)
dive(80, "next")
assert tracetape.flush(30) == 0
""",
        TRACETAPE_STORE=str(store_path),
    )
    assert done.stderr.count("cannot be loaded now") == 1
    assert query("SELECT COUNT(*) FROM spans WHERE name = 'next'") == [(1,)]
