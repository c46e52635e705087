"""The SDK's tool runners: an AGENT span a run, and below it each call of a model and of a function.

They came with openai 3; their inner methods are where functions are executed, in the loop, early
while a response is still streamed, or in a pool of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tracetape.entities import LiveSpan, SpanType
from tracetape.instrument import (
    Run,
    begin_run,
    encode,
    guarded,
    span_scope,
    start_span,
    traced_async_generator,
    traced_generator,
)

__all__ = ["wrap_execute", "wrap_iterate", "wrap_run"]

_Wrapped = Callable[..., Any]


class _AgentRun(Run):
    """Of the turns only the last one's response is kept: each is a span of its own below."""

    _response: Any = None

    def item(self, item: Any) -> None:
        """A turn is over."""
        self._response = item.response

    def _outputs(self) -> bytes:
        return encode(self._response)


def wrap_iterate(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """A run is a generator of its turns; its span is current while it works, not between."""

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        span, run = begin_run(
            span_scope(type(args[0]).__name__, SpanType.AGENT, None), None, _AgentRun
        )
        _asked(span, args, kwargs)
        return run

    drive = traced_async_generator if is_async else traced_generator

    def iterate(*args: Any, **kwargs: Any) -> Any:
        turns = original(*args, **kwargs)  # here it refuses a wrong call; nothing runs yet
        return drive(lambda *_, **__: turns, begin)(*args, **kwargs) if is_on() else turns

    return iterate


def wrap_run(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """A run that does not show its turns."""

    def scope(args: tuple[Any, ...], kwargs: dict[str, Any]) -> AbstractContextManager[LiveSpan]:
        return start_span(type(args[0]).__name__, SpanType.AGENT)

    def run(*args: Any, **kwargs: Any) -> Any:
        if not args or not is_on():
            return original(*args, **kwargs)
        with scope(args, kwargs) as span:
            _asked(span, args, kwargs)
            result = original(*args, **kwargs)
            span.set_outputs(result)
            return result

    async def run_async(*args: Any, **kwargs: Any) -> Any:
        if not args or not is_on():
            return await original(*args, **kwargs)
        with scope(args, kwargs) as span:
            _asked(span, args, kwargs)
            result = await original(*args, **kwargs)
            span.set_outputs(result)
            return result

    return run_async if is_async else run


def wrap_execute(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """A function that the model has called."""

    def scope(run: Any, item: Any) -> AbstractContextManager[LiveSpan]:
        return start_span(str(item.name), SpanType.TOOL, {"call_id": item.call_id})

    def execute(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 3 or not is_on():
            return original(*args, **kwargs)
        runner, run, item = args
        with scope(run, item) as span:
            span.set_inputs(run.arguments.get(item.call_id))
            output = original(runner, run, item)
            span.set_outputs(output.get("output"))
            return output

    async def execute_async(*args: Any, **kwargs: Any) -> Any:
        if len(args) != 3 or not is_on():
            return await original(*args, **kwargs)
        runner, run, item = args
        with scope(run, item) as span:
            span.set_inputs(run.arguments.get(item.call_id))
            output = await original(runner, run, item)
            span.set_outputs(output.get("output"))
            return output

    return execute_async if is_async else execute


def _asked(span: LiveSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The parameters of the run, the third argument of the method; the rest says how, not what."""
    with guarded("recording what a tool runner is asked"):
        span.set_inputs(args[2] if len(args) > 2 else kwargs.get("params"))
