"""Wraps a method that is one call of a service: span before, answer or exception after."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from tracetape.diagnostics import internal_error
from tracetape.instrument.call import Call, calling
from tracetape.instrument.credentials import ClientSecrets
from tracetape.tracing.runtime import runtime

__all__ = [
    "Answer",
    "Begin",
    "around",
    "around_async",
    "around_generator",
    "begin_guarded",
    "keep_login_from_records",
    "parameters",
]

# From the method's owner and its arguments by name; None: the call is not traced.
Begin = Callable[[Any, dict[str, Any]], "Call | None"]
Answer = Callable[[Call, Any], Any]
_logins = ClientSecrets()
Wrap = Callable[[Callable[..., Any], Callable[[], bool]], Callable[..., Any]]


def _as_it_is(call: Call, result: Any) -> Any:
    del call
    return result


def around(begin: Begin, answer: Answer = _as_it_is) -> Wrap:
    """A wrapper for `Target.wrap`: each call of the method is one span.

    Args:
        begin: gives the call (`begin_call`) from the method's owner and its arguments by name;
            None: do not trace it. A method that another traced call passes is not asked.
        answer: makes JSON of the method's result, for `Extractor.result`.
    """

    def wrap(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        names = parameters(original)

        def method(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            call = begin_guarded(begin, names, owner, args, kwargs) if is_on() else None
            if call is None:
                return original(owner, *args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                result = original(owner, *args, **kwargs)
            except BaseException as exception:
                _failed(call, exception)
                raise
            finally:
                calling.set(before)
            _answered(call, result, answer)
            return result

        return method

    return wrap


def around_async(begin: Begin, answer: Answer = _as_it_is) -> Wrap:
    """As `around`, of a coroutine function."""

    def wrap(
        original: Callable[..., Awaitable[Any]], is_on: Callable[[], bool]
    ) -> Callable[..., Any]:
        names = parameters(original)

        async def method(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            call = begin_guarded(begin, names, owner, args, kwargs) if is_on() else None
            if call is None:
                return await original(owner, *args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                result = await original(owner, *args, **kwargs)
            except BaseException as exception:
                _failed(call, exception)
                raise
            finally:
                calling.set(before)
            _answered(call, result, answer)
            return result

        return method

    return wrap


def around_generator(begin: Begin) -> Wrap:
    """As `around`, of a generator function, whose items are the chunks of a stream.

    What it makes is a generator function too: nothing is sent before the first step.
    """

    def wrap(
        original: Callable[..., Iterator[Any]], is_on: Callable[[], bool]
    ) -> Callable[..., Iterator[Any]]:
        names = parameters(original)

        def method(owner: Any, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
            call = begin_guarded(begin, names, owner, args, kwargs) if is_on() else None
            chunks = original(owner, *args, **kwargs)
            if call is None:
                return (yield from chunks)
            call.streaming()
            try:
                while True:
                    before = calling.get()
                    calling.set(call)  # around each step only: in between the program goes on
                    try:
                        chunk = next(chunks)
                    except StopIteration:
                        break
                    finally:
                        calling.set(before)
                    call.chunk(chunk)
                    yield chunk
            except GeneratorExit:
                call.ended("closed")
                raise
            except BaseException as exception:
                call.failed(exception)
                raise
            call.ended("exhausted")
            return None

        return method

    return wrap


def keep_login_from_records(call: Call | None, owner: Any) -> Call | None:
    """Never write what `owner`, a client or its configuration, logs in with; gives the call."""
    if call is not None:
        try:
            call.keep_from_records(_logins.of(owner))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("looking for the login of a client")
    return call


def parameters(original: Callable[..., Any]) -> list[str]:
    """Names of the parameters that may be given by position, without ``self``."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = inspect.signature(original).parameters.values()
    return [parameter.name for parameter in known if parameter.kind in positional][1:]


def begin_guarded(
    begin: Begin, names: list[str], owner: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Call | None:
    """The call, begun; None also inside another, which it is a part of."""
    if not runtime.enabled or calling.get() is not None:
        return None
    try:
        given = dict(zip(names, args, strict=False))
        given.update(kwargs)
        return begin(owner, given)
    except Exception:  # noqa: BLE001 - the guard
        internal_error("beginning a call of a method")
        return None


def _answered(call: Call, result: Any, answer: Answer) -> None:
    try:
        call.answered(call.condensed(answer(call, result)))
    except Exception:  # noqa: BLE001 - the guard
        internal_error("reading the answer of a method")


def _failed(call: Call, exception: BaseException) -> None:
    code = getattr(exception, "error_code", None)
    if code:
        call.add_fields({"error_code": str(code)})
    call.failed(exception)
