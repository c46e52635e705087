"""Streams of bytes that wrap a response's own; it is httpx's, httpx2's, or derived."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any, TypeVar

__all__ = ["ByteStream", "class_for", "library_of"]


class ByteStream:
    """Passes everything on to the response's own stream; subclasses look at what passes."""

    def __init__(self, stream: Any) -> None:
        """Wrap `stream`."""
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        """The parts, of a sync stream."""
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The parts, of an async stream."""
        return aiter(self._stream)

    def close(self) -> None:
        """Close a sync stream."""
        self._stream.close()

    async def aclose(self) -> None:
        """Close an async stream."""
        await self._stream.aclose()

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # not there yet, as in a copy
            raise AttributeError(name)
        return getattr(self._stream, name)  # what the library or the SDK looks for there


_Kind = TypeVar("_Kind", bound=ByteStream)


def library_of(response: Any) -> str | None:
    """The HTTP library that a response is of, though its class may be the user's."""
    kind: type = type(response)
    return _library_of(kind)


@lru_cache(maxsize=64)
def _library_of(kind: type) -> str | None:
    for ancestor in kind.__mro__:
        name = ancestor.__module__.partition(".")[0]
        module = sys.modules.get(name)
        if hasattr(module, "SyncByteStream") and hasattr(module, "AsyncByteStream"):
            return name
    return None


def class_for(kind: type[_Kind], library: str) -> type[_Kind]:
    """`kind`, derived from what the responses of `library` insist on."""
    made: type[_Kind] | None = _made.get((kind, library))
    if made is None:
        module = sys.modules[library]
        bases = (kind, module.SyncByteStream, module.AsyncByteStream)
        made = _made[kind, library] = type(kind.__name__, bases, {})
    return made


_made: dict[tuple[type, str], Any] = {}
