"""Watches the body of an HTTP response that the user reads, or does not, in his own way."""

from __future__ import annotations

import contextlib
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from itertools import accumulate
from typing import Any

from tracetape._lazy import loading
from tracetape._system import perf_counter_ns
from tracetape.instrument.byte_streams import ByteStream, class_for, library_of
from tracetape.instrument.call import Call
from tracetape.instrument.events import DONE, json_or_text, may_be_events, read_events
from tracetape.live.live_span import LiveSpan

__all__ = ["Body", "watch_body"]

_ENCODING = "content-encoding"
_EVENTS = "text/event-stream"
_PART_BYTES = 100  # of a part without its content
_MAX_BYTES = 64 * 2**20  # of a body; a longer one, such as a file's content, is not copied


def watch_body(response: Any, call: Call) -> None:
    """End `call` with the body of `response` (httpx's or httpx2's), when that has been read."""
    library = library_of(response)
    if library is None:
        raise TypeError(f"{type(response).__name__} is of no HTTP library that is known")
    body = Body(response, sys.modules[library], call.span)
    call.reads_at_end(body.rest)
    if response.is_closed:
        body.keep_whole(response.content)
        call.ended("exhausted")
        return
    response.stream = class_for(_Observed, library)(response.stream, body, call)


def _kind(headers: Any) -> str:
    kind: str = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind


class Body:
    """Copies of the raw parts of a body that passed, when they did, and what they say."""

    __slots__ = (
        "_headers",
        "_is_decoded",
        "_kept",
        "_library",
        "_parts",
        "_size",
        "_span",
        "_times",
    )

    def __init__(self, response: Any, library: Any, span: LiveSpan) -> None:
        # Not the response itself: that one is to be collected as soon as the user lets it go.
        self._headers = response.headers
        self._library = library
        self._parts: list[bytes] = []
        self._times: list[int] = []
        self._size = 0
        self._kept = 0  # bytes that the span counts
        self._span = span
        self._is_decoded = False

    def keep(self, part: bytes) -> None:
        """Take a part as it passes."""
        self._size += len(part)
        if self._size <= _MAX_BYTES:
            self._parts.append(part)
            self._times.append(perf_counter_ns())
            size = len(part) + _PART_BYTES
            self._kept += size
            self._span._grow(size)
            if not self._span._trace.dropped:  # there was room for it
                return
            self._size = _MAX_BYTES + 1
        self.let_go()

    def let_go(self) -> None:
        """Forget what was kept."""
        self._parts, self._times = [], []
        kept, self._kept = self._kept, 0
        self._span._grow(-kept)

    def keep_whole(self, content: bytes) -> None:
        """Take a body that was read before, and decoded."""
        self._is_decoded = True
        self._parts, self._times = [content], [perf_counter_ns()]
        self._size = len(content)

    def rest(self, call: Call) -> tuple[Any, bool]:
        """The plain answer, None after a stream; whether that was there to its end."""
        if self._span._trace.dropped:
            return None, False
        if self._size > _MAX_BYTES:
            return f"[a body of {self._size} bytes is not kept]", False
        parts = list(self._decoded())
        self.let_go()
        data = b"".join(part for part, _ in parts)
        if not data:  # an empty body is not an answer, not even an empty text
            return None, False
        kind = _kind(self._headers)
        if kind == _EVENTS or may_be_events(data):  # some servers call it JSON, or text
            is_whole = _take_events(data, parts, call)
            if is_whole or call.has_chunks or (kind == _EVENTS and may_be_events(data)):
                return None, is_whole
        if kind.endswith("json") or kind == _EVENTS or (not kind and data[:1] in (b"{", b"[")):
            return json_or_text(data), False
        if kind.startswith("text/"):
            return data.decode(errors="replace"), False
        with loading:
            from tracetape.entities.attachment import Attachment

        content_type = kind or "application/octet-stream"
        return Attachment(content_type=content_type, content_bytes=data), False

    def _decoded(self) -> Iterator[tuple[bytes, int]]:
        """The parts without their encoding, each with its time."""
        encoding = self._headers.get(_ENCODING)
        if encoding is None or self._is_decoded:
            yield from zip(self._parts, self._times, strict=True)
            return
        at = 0

        def raw() -> Iterator[bytes]:
            nonlocal at
            for part, at in zip(self._parts, self._times, strict=True):  # noqa: B007 - its time
                yield part

        # A response of the same library knows how to decode; ours is thrown away after it. Of a
        # body that was cut short, what can be decoded is kept.
        library = self._library
        errors = (library.DecodingError, library.StreamError)
        decoder = library.Response(200, headers={_ENCODING: encoding}, content=raw())
        with contextlib.suppress(*errors):
            for part in decoder.iter_bytes():
                yield part, at


class _Observed(ByteStream):
    """A response's stream of bytes, whose parts are kept as they pass."""

    def __init__(self, stream: Any, body: Body, call: Call) -> None:
        super().__init__(stream)
        self._body = body
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        return _Passing(iter(self._stream), self._body, self._call)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Passing(aiter(self._stream), self._body, self._call)

    def close(self) -> None:
        self._call.ended("closed")
        self._stream.close()

    async def aclose(self) -> None:
        self._call.ended("closed")
        await self._stream.aclose()


class _Passing(Iterator[bytes], AsyncIterator[bytes]):
    """The parts as they pass; no generator, whose end the event loop would have to see to."""

    __slots__ = ("_call", "_keep", "_source")

    def __init__(self, source: Any, body: Body, call: Call) -> None:
        self._source = source
        self._keep = body.keep
        self._call = call

    def __next__(self) -> bytes:
        try:
            part: bytes = self._source.__next__()
        except StopIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise
        self._keep(part)
        return part

    def __del__(self) -> None:
        # Old versions of the SDK close nothing: they let go of what they were reading.
        self._call.ended("closed")

    async def __anext__(self) -> bytes:
        try:
            part: bytes = await self._source.__anext__()
        except StopAsyncIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise
        self._keep(part)
        return part


def _take_events(data: bytes, parts: list[tuple[bytes, int]], call: Call) -> bool:
    """Give each event to the call, with its time; whether the stream was there to its end."""
    ends = list(accumulate(len(part) for part, _ in parts))
    for end, event in read_events(data):
        if event is DONE:
            return True
        call.chunk(event, parts[min(bisect_left(ends, end), len(ends) - 1)][1])
    return False
