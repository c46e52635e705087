"""The arguments of a call, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["binder"]

_MISSING = object()
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def binder(function: Callable[..., Any]) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """A function from a call's arguments to a dictionary by name.

    Defaults are filled in, ``self`` and a class as ``cls`` are left out, as MLflow does. It
    gives None for arguments that do not fit: then the call itself is about to fail.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return lambda args, kwargs: {"args": args, "kwargs": kwargs}
    parameters = list(signature.parameters.values())
    bind = _slow if any(p.kind in _VARIADIC for p in parameters) else _fast
    return bind(signature)


def _fast(signature: inspect.Signature) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    # inspect's own bind takes 3 µs and more: several times the price of the span.
    parameters = list(signature.parameters.values())
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    template = {
        p.name: _MISSING if p.default is inspect.Parameter.empty else p.default for p in parameters
    }
    count, room = len(template), len(positional)
    has_self = bool(positional) and positional[0] == "self"
    has_class = bool(positional) and positional[0] == "cls"

    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) == count and not kwargs:
            bound = dict(zip(positional, args))  # noqa: B905 - as many, and `strict` costs time
        else:
            bound = {**template, **dict(zip(positional, args, strict=False)), **kwargs}
            if (
                len(args) > room
                or len(bound) > count
                or _MISSING in map(_as_marker, bound.values())
            ):
                return None
        if has_self:
            del bound["self"]
        elif has_class and isinstance(bound["cls"], type):
            del bound["cls"]
        return bound

    return bind


def _as_marker(value: Any) -> Any:
    # `in` compares by ==, which is the user's code (numpy's gives an array); identity is ours.
    return _MISSING if value is _MISSING else None


def _slow(signature: inspect.Signature) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    def bind(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return None
        bound.apply_defaults()
        arguments = bound.arguments
        first = next(iter(arguments), None)
        if first == "self" or (first == "cls" and isinstance(arguments["cls"], type)):
            del arguments[first]
        return arguments

    return bind
