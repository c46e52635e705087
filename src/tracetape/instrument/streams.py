"""Watches a client library's stream without being one step ahead of the user."""

from __future__ import annotations

import functools
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

from tracetape.instrument.call import Call

__all__ = ["traced_stream_class"]


class _Observed(Iterator[Any], AsyncIterator[Any]):
    """The library's own iterator, each step of it seen by the call."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: Any, call: Call) -> None:
        self._source = source
        self._call = call

    def __iter__(self) -> _Observed:
        return self

    def __aiter__(self) -> _Observed:
        return self

    def __next__(self) -> Any:
        try:
            while True:
                chunk = self._source.__next__()
                if self._call.chunk(chunk):
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
                if self._call.chunk(chunk):
                    return chunk
        except StopAsyncIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)  # close() and aclose() of the generator


def traced_stream_class(stream: Any, *, is_async: bool) -> Any:
    """A generic subclass of an SDK's ``Stream`` or ``AsyncStream``.

    Until `watch` is called on an instance, that behaves as the SDK's own.
    """
    close: Any = getattr(stream, "close", None)  # openai 1.0's streams have none

    def watch(self: Any, call: Call) -> None:
        self._tracetape_call = call
        self._iterator = _Observed(self._iterator, call)

    def close_watched(self: Any) -> None:
        try:
            close(self)
        finally:
            _closed(self)

    async def close_watched_async(self: Any) -> None:
        try:
            await close(self)
        finally:
            _closed(self)

    members: dict[str, Any] = {
        "__module__": __name__,
        "_tracetape_call": None,
        "watch": watch,
    }
    if close is not None:
        watched = close_watched_async if is_async else close_watched
        members["close"] = functools.wraps(close)(watched)
    # The SDK finds the chunks' type through the one generic base, by the same type variable.
    variable = get_args(stream.__orig_bases__[0])[0]
    return types.new_class(
        f"Traced{stream.__name__}", (stream[variable],), {}, lambda body: body.update(members)
    )


def _closed(stream: Any) -> None:
    if stream._tracetape_call is not None:
        stream._tracetape_call.ended("closed")
