"""Watches a client library's stream without being one step ahead of the user."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args
from weakref import ref

from tracetape.instrument.call import Call

__all__ = ["traced_stream_class"]


class _Observed(Iterator[Any], AsyncIterator[Any]):
    """The library's own iterator, each step of it seen by the call."""

    __slots__ = ("__weakref__", "_call", "_source")

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

    def closed(self) -> None:
        """The response was closed: by the user, unless by the library in the midst of a step."""
        source = self._source
        if not getattr(source, "gi_running", getattr(source, "ag_running", False)):
            self._call.ended("closed")


class _Closing:
    """A response's stream; says when it is closed.

    The `.stream()` helpers close the response, and not the stream of chunks that they read.
    """

    def __init__(self, stream: Any, observed: _Observed) -> None:
        self._stream = stream
        self._observed = ref(observed)  # an abandoned stream is to be collected

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._closed()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._closed()

    def _closed(self) -> None:
        observed = self._observed()
        if observed is not None:
            observed.closed()


@functools.lru_cache(maxsize=8)
def _closing_class(library: str) -> type[_Closing]:
    # The library's responses insist on streams of its own base classes.
    module = sys.modules[library]
    return type("ClosingStream", (_Closing, module.SyncByteStream, module.AsyncByteStream), {})


def traced_stream_class(stream: Any, *, is_async: bool) -> Any:
    """A generic subclass of an SDK's ``Stream`` or ``AsyncStream``.

    Until `watch` is called on an instance, that behaves as the SDK's own.
    """
    close: Any = getattr(stream, "close", None)  # openai 1.0's streams have none

    def watch(self: Any, call: Call) -> None:
        self._tracetape_call = call
        self._iterator = observed = _Observed(self._iterator, call)
        response = self.response
        library = type(response).__module__.partition(".")[0]
        response.stream = _closing_class(library)(response.stream, observed)

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
