"""Sees that an SDK cannot make of a stream what the user has asked for, such as his own model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracetape.instrument.call import Call, open_streams

__all__ = ["wrap_taking_a_chunk"]


def wrap_taking_a_chunk(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    """Wrap a `.stream()` helper's step for each chunk: where it fails, the call has failed."""

    def take(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception as exception:
            if is_on():
                _failed((*args, *kwargs.values()), exception)
            raise

    return take


def _failed(arguments: tuple[Any, ...], exception: Exception) -> None:
    for argument in arguments:
        call = _call_of(argument)
        if call is not None:
            call.failed(exception)


def _call_of(chunk: Any) -> Call | None:
    """The call whose stream has just given `chunk`."""
    if chunk is not None:
        for call in list(open_streams):
            if call._latest is chunk:
                return call
    return None
