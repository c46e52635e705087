"""Watches the stream that an SDK made, without being one step ahead of the user.

The stream stays the SDK's own object, of its own class. Watched are two things that it holds: its
iterator of chunks, and the HTTP response, whose end is the stream's end too.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any
from weakref import ref

from tracetape.instrument.call import Call

__all__ = ["is_watchable", "watch_stream"]

_ITERATOR = "_iterator"
# Who overrides one of these may read the response without the SDK's iterator, or make of it what
# is no chunk any more.
_READING = (
    "__iter__",
    "__next__",
    "__aiter__",
    "__anext__",
    "__stream__",
    "_iter_events",
    _ITERATOR,
)


def is_watchable(stream: Any, sdk_class: type) -> bool:
    """Whether all that `stream` gives passes the iterator of `sdk_class`, the SDK's own."""
    made = type(stream)
    if sdk_class not in made.__mro__:
        return False
    if made is not sdk_class and any(
        getattr(made, name, None) is not getattr(sdk_class, name, None) for name in _READING
    ):
        return False
    return _ITERATOR in vars(stream) or hasattr(sdk_class, _ITERATOR)


def watch_stream(stream: Any, call: Call) -> None:
    """Let `call` see each chunk of `stream`, and its end."""
    observed = _Observed(stream._iterator, call)
    vars(stream)[_ITERATOR] = observed
    response = stream.response
    # A response that is read already does not close its stream of bytes any more.
    closed = response if getattr(response, "is_closed", False) else response.stream
    for name in ("close", "aclose"):
        if hasattr(closed, name):
            # Where the attribute cannot be set, exhaustion and collection still end the call.
            with contextlib.suppress(AttributeError, TypeError):
                setattr(closed, name, _Closing(closed, name, observed))


class _Observed(Iterator[Any], AsyncIterator[Any]):
    """The SDK's own iterator, each step of it seen by the call."""

    __slots__ = ("__weakref__", "_call", "_source", "_take")

    def __init__(self, source: Any, call: Call) -> None:
        self._source = source
        self._call = call
        self._take = call.chunk

    def __iter__(self) -> _Observed:
        return self

    def __aiter__(self) -> _Observed:
        return self

    def __next__(self) -> Any:
        try:
            while True:
                chunk = self._source.__next__()
                if self._take(chunk):
                    return chunk
        except StopIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise

    async def __anext__(self) -> Any:
        try:
            while True:
                chunk = await self._source.__anext__()
                if self._take(chunk):
                    return chunk
        except StopAsyncIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)  # close() and aclose() of the generator

    def closed(self) -> None:
        """The response was closed: by the user, unless by the SDK in the midst of a step."""
        source = self._source
        if not getattr(source, "gi_running", getattr(source, "ag_running", False)):
            self._call.ended("closed")


class _Closing:
    """`close` or `aclose` of a response or of its stream of bytes; tells who watches.

    The `.stream()` helpers close the response, and not the stream of chunks that they read.
    """

    __slots__ = ("_close", "_name", "_observed", "_owner")

    def __init__(self, owner: Any, name: str, observed: _Observed) -> None:
        self._owner = owner
        self._name = name
        self._close = getattr(owner, name)
        self._observed = ref(observed)  # an abandoned stream is to be collected

    def __call__(self) -> Awaitable[None] | None:
        if self._name == "aclose":
            return self._aclose()
        try:
            self._close()
        finally:
            self._closed()
        return None

    async def _aclose(self) -> None:
        try:
            await self._close()
        finally:
            self._closed()

    def _closed(self) -> None:
        observed = self._observed()
        if observed is not None:
            observed.closed()

    def __reduce__(self) -> tuple[Any, ...]:
        # A response can be pickled and copied: the other one gets the method of its class.
        return getattr, (self._owner, self._name)
