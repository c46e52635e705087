"""Stand-ins for functions of tracetape whose module cannot be loaded now.

A signal handler or finaliser may run while it is being loaded; the program may have no file left to
open. Tracing is off for that call, and the next one tries again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import wraps
from importlib import import_module
from typing import Any

__all__ = ["Absent", "AbsentModule", "absent", "is_half_loaded"]

_told = False
# What kind of function it is, in the flags of its code; `inspect` may not be there.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


class _NoSpan:
    """A span that records nothing, where not even `NoOpSpan` can be loaded."""

    trace_id = request_id = "MLFLOW_NO_OP_SPAN_TRACE_ID"
    span_id = name = parent_id = inputs = outputs = start_time_ns = end_time_ns = None
    attributes: Mapping[str, Any] = {}
    events: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing

    def __repr__(self) -> str:
        return "NoOpSpan()"


def _nothing(*_arguments: Any, **_named: Any) -> None:
    return None


def _no_span(*_arguments: Any, **_named: Any) -> Any:
    module = sys.modules.get("tracetape.live.live_span")
    if module is None or is_half_loaded(module):
        return _NoSpan()
    return module.NoOpSpan()


def _no_scope(*_arguments: Any, **_named: Any) -> Any:
    return nullcontext(_no_span())


def _no_context(*_arguments: Any, **_named: Any) -> Any:
    return nullcontext()


def _traced_later(func: Any = None, *arguments: Any, **named: Any) -> Any:
    """The function, of the same kind, which is traced from the first call on that finds `trace`."""
    if func is None:
        return lambda func: _traced_later(func, *arguments, **named)
    if isinstance(func, (classmethod, staticmethod)):
        return type(func)(_traced_later(func.__func__, *arguments, **named))
    traced: Any = None

    def found() -> Any:
        nonlocal traced
        if traced is None:
            try:
                trace = import_module("tracetape").trace
                if not isinstance(trace, Absent):
                    traced = trace(func, *arguments, **named)
            except Exception:  # noqa: BLE001 - the guard
                return func
        return func if traced is None else traced

    return wraps(func)(_of_kind(func, found))


def _of_kind(func: Any, found: Callable[[], Any]) -> Callable[..., Any]:
    def plain(*args: Any, **kwargs: Any) -> Any:
        return found()(*args, **kwargs)

    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        return await found()(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        return (yield from found()(*args, **kwargs))

    async def async_generator(*args: Any, **kwargs: Any) -> Any:
        inner = found()(*args, **kwargs)
        step = inner.asend(None)
        while True:
            try:
                item = await step
            except StopAsyncIteration:
                return
            try:
                step = inner.asend((yield item))
            except GeneratorExit:
                await inner.aclose()
                raise
            except BaseException as error:  # noqa: BLE001 - what was thrown in goes on inside
                step = inner.athrow(error)

    flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
    kinds = ((_COROUTINE, coroutine), (_GENERATOR, generator), (_ASYNC_GENERATOR, async_generator))
    return next((like for kind, like in kinds if flags & kind), plain)


def _itself(func: Any) -> Any:
    return func


def _flush(timeout: float | None = None) -> int:
    module = sys.modules.get("tracetape.tracing.runtime")
    runtime = getattr(module, "runtime", None)  # None: nothing can have been recorded
    return 0 if runtime is None else int(runtime.recorder.flush(timeout))


# Those that never raise, and have a meaning where tracing is off. What reads traces, or says how
# much is recorded, raises what it met: any answer would be wrong.
_INSTEAD: dict[str, Callable[..., Any]] = {
    "autolog": _nothing,
    "carry": _itself,
    "context": _no_context,
    "delete_trace_tag": _nothing,
    "flush": _flush,
    "flush_trace_async_logging": _nothing,
    "get_active_trace_id": _nothing,
    "get_current_active_span": _nothing,
    "get_last_active_trace_id": _nothing,
    "get_tracing_context_headers_for_http_request": dict,
    "set_span_chat_tools": _nothing,
    "set_trace_tag": _nothing,
    "set_tracing_context_from_http_request_headers": _no_context,
    "start_span": _no_scope,
    "start_span_no_context": _no_span,
    "trace": _traced_later,
    "update_current_trace": _nothing,
}
_MODULES = (
    "tracetape.agents",
    "tracetape.anthropic",
    "tracetape.databricks",
    "tracetape.openai",
    "tracetape.tracing",
)


class Absent:
    """A function that could not be loaded; each call tries again."""

    __slots__ = ("_module", "_name")

    def __init__(self, module: str, name: str) -> None:
        """Of the name in the module that exports it."""
        self._module = module
        self._name = name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        function = getattr(import_module(self._module), self._name)
        if isinstance(function, Absent):
            function = _INSTEAD[self._name]
        return function(*arguments, **named)


class AbsentModule:
    """A module that could not be loaded; each look at it tries again."""

    def __init__(self, name: str) -> None:
        """By its whole name."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        package, _, short = self._name.rpartition(".")
        module = getattr(import_module(package), short)
        if not isinstance(module, AbsentModule):
            return getattr(module, name)
        if name in _INSTEAD:
            return _INSTEAD[name]
        raise AttributeError(f"module {self._name!r} cannot be loaded now, so has no {name!r}")


def absent(package: str, name: str, error: Exception | None = None) -> Any:
    """The stand-in for `name`; None: raise the error that was met."""
    # What stays so, a package that is not installed or a sub-interpreter, the user must hear of.
    if isinstance(error, ModuleNotFoundError):
        return None
    if isinstance(error, ImportError) and error.name == "tracetape._interpreter":
        return None
    whole = f"{package}.{name}"
    if package in ("tracetape", "tracetape.tracing") and name in _INSTEAD:
        _tell(whole, error)
        return Absent(package, name)
    if whole in _MODULES:
        _tell(whole, error)
        return AbsentModule(whole)
    return None


def is_half_loaded(module: Any) -> bool:
    """Whether the code of a module still runs, further up in this thread."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _tell(whole: str, error: Exception | None) -> None:
    global _told
    if _told:
        return
    _told = True
    why = "it is being loaded" if error is None else f"{type(error).__name__}: {error}"
    text = (
        f"tracetape: {whole} cannot be loaded now ({why}): this call is not traced, the next one"
        " tries again (reported once)"
    )
    try:
        import logging  # costs more than all else here, and is seldom needed
    except Exception:  # noqa: BLE001 - nor can this be loaded now
        if sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
        return
    logging.getLogger("tracetape").warning("%s", text)
