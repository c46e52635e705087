"""`@trace`: a span around each call of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from tracetape.capture import encode
from tracetape.diagnostics import internal_error
from tracetape.entities import LiveSpan, SpanType
from tracetape.tracing.arguments import binder
from tracetape.tracing.runtime import runtime
from tracetape.tracing.spans import SpanScope

__all__ = ["trace"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


@overload
def trace(func: Callable[_P, _R]) -> Callable[_P, _R]: ...
@overload
def trace(
    func: None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]: ...
@overload
def trace(
    func: Callable[_P, _R],
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
) -> Callable[_P, _R]: ...
def trace(
    func: Callable[_P, _R] | None = None,
    name: str | None = None,
    span_type: str = SpanType.UNKNOWN,
    attributes: dict[str, Any] | None = None,
) -> Callable[_P, _R] | Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A span around each call of a plain or async function, with its arguments and its result.

    Use it with or without parentheses, or as a wrapper: ``trace(f)(x)``. The function keeps its
    name, signature and kind. Inputs are the arguments by name (``self`` and ``cls`` left out),
    the output is the return value unless the body called ``set_outputs``. After ``mlflow.trace``.

    Args:
        func: the function.
        name: the span's name; the function's, if not given.
        span_type: one of `SpanType`, or any other string.
        attributes: attributes of each span.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        return _wrap(function, name, span_type, attributes)

    return decorate if func is None else decorate(func)


def _wrap(
    function: Callable[_P, _R],
    name: str | None,
    span_type: str,
    attributes: dict[str, Any] | None,
) -> Callable[_P, _R]:
    if isinstance(function, (classmethod, staticmethod)):
        inner = _wrap(function.__func__, name, span_type, attributes)
        return cast("Callable[_P, _R]", type(function)(inner))
    function_name = getattr(function, "__name__", type(function).__name__)
    span_name = name or function_name
    bind = binder(function)

    def before(span: LiveSpan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            if span._fields is None:
                span._fields = {"function_name": function_name}
            else:  # the attributes have set some
                span._fields["function_name"] = function_name
            arguments = bind(args, kwargs)
            if arguments is not None:
                span._inputs = encode(arguments)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a function's arguments")

    def after(span: LiveSpan, result: Any) -> None:
        try:
            if span._outputs is None and span._end is None:
                span._outputs = encode(result)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("recording a function's result")

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def traced_async(*args: Any, **kwargs: Any) -> Any:
            if not runtime.enabled:
                return await function(*args, **kwargs)
            with SpanScope(span_name, span_type, attributes) as span:
                before(span, args, kwargs)
                result = await function(*args, **kwargs)
                after(span, result)
                return result

        return cast("Callable[_P, _R]", traced_async)

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        if not runtime.enabled:
            return function(*args, **kwargs)
        with SpanScope(span_name, span_type, attributes) as span:
            before(span, args, kwargs)
            result = function(*args, **kwargs)
            after(span, result)
            return result

    return cast("Callable[_P, _R]", traced)
