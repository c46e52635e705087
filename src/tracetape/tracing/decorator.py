"""`@trace`: a span around each call of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from tracetape.capture import encode
from tracetape.diagnostics import internal_error
from tracetape.entities.constants import SpanType
from tracetape.exceptions import InvalidTypeError
from tracetape.live.live_span import LiveSpan, NoOpSpan
from tracetape.tracing.arguments import binder
from tracetape.tracing.generators import (
    Reducer,
    Run,
    begin_run,
    traced_async_generator,
    traced_generator,
)
from tracetape.tracing.runtime import runtime
from tracetape.tracing.settings import checked_ratio
from tracetape.tracing.spans import SpanScope, span_scope
from tracetape.tracing.start import Extras, experiment_of

if TYPE_CHECKING:
    from typing import TypeAlias

    from tracetape.entities.link import Link
    from tracetape.entities.log_level import SpanLogLevel

    Links: TypeAlias = list[Link] | Callable[[], list[Link]]

__all__ = ["trace"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def trace(
    func: Callable[_P, _R],
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
    output_reducer: Reducer | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    log_level: SpanLogLevel | str | None = None,
    links: Links | None = None,
    description: str | None = None,
) -> Callable[_P, _R]: ...
@overload
def trace(
    func: None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
    output_reducer: Reducer | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    log_level: SpanLogLevel | str | None = None,
    links: Links | None = None,
    description: str | None = None,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
def trace(
    func: Callable[_P, _R] | None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
    output_reducer: Reducer | None = None,
    trace_destination: Any = None,
    sampling_ratio_override: float | None = None,
    log_level: SpanLogLevel | str | None = None,
    links: Links | None = None,
    description: str | None = None,
) -> Callable[_P, _R] | Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A span around each call of a function, with its arguments and its result.

    Use it with or without parentheses, or as a wrapper: ``trace(f)(x)``, on plain and async
    functions, generators and async generators, methods, class and static methods. The function
    keeps its name, signature and kind. Inputs are the arguments by name (``self`` and ``cls``
    left out), the output is the return value unless the body called ``set_outputs``.

    A generator's span is current only while its body runs, never between items; it begins with
    the first item that is asked for and ends once, when the generator is exhausted, closed, or
    fails, with the items that came so far. After ``mlflow.trace``.

    Args:
        func: the function.
        name: the span's name; the function's, if not given.
        span_type: one of `SpanType`, or any other string.
        attributes: attributes of each span.
        output_reducer: for a generator, makes the output from the list of items.
        trace_destination: as in `start_span`.
        sampling_ratio_override: the share of traces to record that begin here, from 0 to 1.
        log_level: how important the span is.
        links: spans of other traces that this one is related to; or a function that gives them,
            called for each span.
        description: what the span is about, for readers.

    Raises:
        InvalidValueError: `sampling_ratio_override` is outside of 0 to 1.
        InvalidTypeError: `output_reducer` is given for a function that is not a generator.
    """
    ratio = sampling_ratio_override
    if ratio is not None:
        ratio = checked_ratio(ratio, "sampling_ratio_override")
    extras = None
    experiment_id = experiment_of(trace_destination)
    if any(said is not None for said in (ratio, log_level, links, description, experiment_id)):
        extras = Extras(
            log_level,
            links if callable(links) else tuple(links or ()),
            description,
            experiment_id=experiment_id,
            sampling_ratio=ratio,
        )

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return _Decoration(name, span_type, attributes, extras, output_reducer).of(function)

    return decorate if func is None else decorate(func)


class _Decoration:
    """The options of `trace`, applied to one function."""

    def __init__(
        self,
        name: str | None,
        span_type: str,
        attributes: dict[str, Any] | None,
        extras: Extras | None,
        reducer: Reducer | None,
    ) -> None:
        self._name = name
        self._type = span_type
        self._attributes = attributes
        self._extras = extras
        self._reducer = reducer

    def of(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """The traced function, of the same kind."""
        if isinstance(function, (classmethod, staticmethod)):
            return cast("Callable[_P, _R]", type(function)(self.of(function.__func__)))
        self._function_name = getattr(function, "__name__", type(function).__name__)
        self._span_name = self._name or self._function_name
        self._bind = binder(function)
        if inspect.isgeneratorfunction(function):
            return cast("Callable[_P, _R]", traced_generator(function, self._run))
        if inspect.isasyncgenfunction(function):
            return cast("Callable[_P, _R]", traced_async_generator(function, self._run))
        if self._reducer is not None:
            raise InvalidTypeError(
                "The output_reducer argument is only supported for generator functions. "
                f"{self._function_name!r} is another function."
            )
        if inspect.iscoroutinefunction(function):
            return cast("Callable[_P, _R]", self._async(function))
        return cast("Callable[_P, _R]", self._plain(function))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        scope, before, after = self._scope, self._before, self._after

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            if not runtime.enabled:
                return function(*args, **kwargs)
            with scope() as span:
                before(span, args, kwargs)
                result = function(*args, **kwargs)
                after(span, result)
                return result

        return traced

    def _async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        scope, before, after = self._scope, self._before, self._after

        @functools.wraps(function)
        async def traced(*args: Any, **kwargs: Any) -> Any:
            if not runtime.enabled:
                return await function(*args, **kwargs)
            with scope() as span:
                before(span, args, kwargs)
                result = await function(*args, **kwargs)
                after(span, result)
                return result

        return traced

    def _scope(self) -> SpanScope:
        return span_scope(self._span_name, self._type, self._attributes, self._extras)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
        """Begin the span of a generator, which is not current between items."""
        span, run = begin_run(self._scope(), self._reducer)
        self._before(span, args, kwargs)
        return run

    def _before(self, span: LiveSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if span.__class__ is NoOpSpan:
            return
        try:
            if span._fields is None:
                span._fields = {"function_name": self._function_name}
            else:  # the attributes have set some
                span._fields["function_name"] = self._function_name
            arguments = self._bind(args, kwargs)
            if arguments is not None:
                span._keep_inputs(encode(arguments))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a function's arguments")

    def _after(self, span: LiveSpan, result: Any) -> None:
        try:
            if span._outputs is None and span._end is None:
                span._keep_outputs(encode(result))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a function's result")
