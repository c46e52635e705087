"""Decorated generators: their span is current while the body runs, never between items."""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet

from tracetape._forks import RECORDERS, at_fork
from tracetape.capture import encode
from tracetape.diagnostics import internal_error, logger
from tracetape.entities import LiveSpan, NoOpSpan, SpanEvent
from tracetape.recorder.lifecycle import at_end
from tracetape.tracing.current import Current, current
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.tracing.otel import OtelContext

__all__ = ["Run", "begin_run", "end_generators", "traced_async_generator", "traced_generator"]

Reducer = Callable[[list[Any]], Any]
_ITEM_BYTES = 110  # of an item that is kept, without its JSON
_EXHAUSTED = (StopIteration, StopAsyncIteration)
_open: WeakSet[Run] = WeakSet()
at_fork(RECORDERS, in_child=_open.clear)  # they are the parent's to end


class Run:
    """One run of a generator; sync and async drivers call the same few steps."""

    def __init__(
        self,
        span: LiveSpan,
        inside: Current,
        reducer: Reducer | None,
        otel: OtelContext | None,
        shown: Any,
    ) -> None:
        """Watch over `span`, which has just begun.

        Args:
            span: the span.
            inside: what is current while the body runs: the span, or one that the body entered.
            reducer: makes the output from the items.
            otel: OpenTelemetry's context, if it follows ours.
            shown: what it is while the body runs.
        """
        self._span = span
        self._reducer = reducer
        self._inside = inside
        self._outside: Current = None
        self._otel = otel
        self._shown = shown  # swapped: while the body runs, what is current outside
        self._items: list[bytes] = []
        self._kept: list[Any] = []  # the items themselves, for a reducer
        _open.add(self)

    def __enter__(self) -> None:
        """The body goes on."""
        self._outside = current.get()
        current.set(self._inside)
        if self._otel is not None:
            self._shown = self._otel.swap(self._shown)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The body pauses, or is over."""
        self._inside = current.get()
        current.set(self._outside)
        if self._otel is not None:
            self._shown = self._otel.swap(self._shown)
        if exc is not None:
            self.end(None if isinstance(exc, _EXHAUSTED) else exc)

    def item(self, item: Any) -> None:
        """The body gave an item."""
        span = self._span
        if span.__class__ is NoOpSpan or span._end is not None:
            return
        if span._trace.dropped:  # too much was held in memory: nothing of it is kept
            self._items.clear()
            self._kept.clear()
            return
        try:
            data = encode(item)
            name = f"mlflow.chunk.item.{len(self._items)}"
            span._grow(_ITEM_BYTES + len(data))
            span.add_event(SpanEvent(name, attributes={"mlflow.chunk.value": data.decode()}))
            self._items.append(data)
            if self._reducer is not None:
                self._kept.append(item)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a generator's item")

    def end(self, error: BaseException | None = None) -> None:
        """The generator is over: exhausted, closed or failed, with what came so far."""
        span = self._span
        if span._end is not None or span.__class__ is NoOpSpan:
            return
        try:
            if span._outputs is None:
                span._keep_outputs(self._outputs())
            if error is not None:
                span._failed(error)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a generator's result")
        span._finish()

    def _outputs(self) -> bytes:
        if self._reducer is not None:
            try:
                return encode(self._reducer(self._kept))
            except Exception:  # noqa: BLE001 - reducers are the user's code
                logger.warning("The output_reducer failed; the items are kept.", exc_info=True)
        return b"[" + b",".join(self._items) + b"]"


def begin_run(
    scope: AbstractContextManager[LiveSpan],
    reducer: Reducer | None = None,
    kind: type[Run] = Run,
) -> tuple[LiveSpan, Run]:
    """Begin the span of `scope` for a generator: it is not current between items."""
    before = current.get()
    otel = runtime.otel
    shown = None if otel is None else otel.current()
    span = scope.__enter__()
    inside = current.get()
    current.set(before)
    if otel is not None:
        shown = otel.swap(shown)
    return span, kind(span, inside, reducer, otel, shown)


Begin: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], Run]


def traced_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """A generator function that drives `function`'s generator inside a span.

    `send`, `throw`, `close` and the return value pass through (PEP 342, PEP 380).
    """

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        run = begin(args, kwargs)
        try:
            with run:
                generator = function(*args, **kwargs)
            step, argument = generator.send, None
            while True:
                with run:
                    item = step(argument)
                run.item(item)
                try:
                    step, argument = generator.send, (yield item)
                except GeneratorExit:
                    with run:
                        generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown in by the consumer
                    step, argument = generator.throw, error
        except StopIteration as stop:
            return stop.value
        finally:
            run.end()

    return traced


def traced_async_generator(function: Callable[..., Any], begin: Begin) -> Callable[..., Any]:
    """An async generator function that drives `function`'s inside a span (PEP 525)."""

    @functools.wraps(function)
    async def traced(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        run = begin(args, kwargs)
        try:
            with run:
                generator = function(*args, **kwargs)
                first = _ours_alone(generator)
            argument = None
            step: Callable[[Any], Awaitable[Any]] = lambda _: first  # noqa: E731
            while True:
                with run:
                    item = await step(argument)
                run.item(item)
                try:
                    step, argument = generator.asend, (yield item)
                except GeneratorExit:
                    with run:
                        await generator.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - thrown in by the consumer
                    step, argument = generator.athrow, error
        except StopAsyncIteration:
            return
        finally:
            run.end()

    return traced


def _ours_alone(generator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """The first step of an async generator that the event loop does not learn of.

    The loop closes what it knows when it stops or finds it abandoned; closing the outer
    generator closes this one, and both at once would collide.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=None, finalizer=_closed_with_the_outer)
    try:
        return generator.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _closed_with_the_outer(generator: AsyncGenerator[Any, Any]) -> None:
    """Do nothing: the outer generator closes this one."""


@at_end
def end_generators() -> None:
    """End the spans of the generators that the program has not read to their end."""
    for run in list(_open):
        run.end()
