"""httpx and httpx2: one code for both, given the library's module."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache, wraps
from typing import Any

from tracetape.cassettes.bodies import decoded, is_event_stream
from tracetape.cassettes.interaction import Chunk, Headers, Interaction, RecordedError, Request
from tracetape.cassettes.player import Recording
from tracetape.cassettes.tape import ENCODING_HEADERS
from tracetape.cassettes.transports.decision import concerned, decide
from tracetape.cassettes.transports.mocks import respx_answers

__all__ = ["wrap", "wrap_async"]


def wrap(original: Callable[..., Any], library: Any) -> Callable[..., Any]:
    """``HTTPTransport.handle_request`` with a tape before it."""

    @wraps(original)
    def handle_request(transport: Any, request: Any) -> Any:
        tapes = concerned(str(request.url))
        if not tapes or respx_answers(request):
            return original(transport, request)
        request.read()
        decision = decide(tapes, _request(request))
        if decision.play is not None:
            return _replayed(library, request, decision.play, decision.speed)
        if decision.record is None:
            return original(transport, request)
        try:
            response = original(transport, request)
        except BaseException as error:
            decision.record.failed(error)
            raise
        return _taped(library, response, decision.record)

    return handle_request


def wrap_async(original: Callable[..., Any], library: Any) -> Callable[..., Any]:
    """``AsyncHTTPTransport.handle_async_request`` with a tape before it."""

    @wraps(original)
    async def handle_async_request(transport: Any, request: Any) -> Any:
        tapes = concerned(str(request.url))
        if not tapes or respx_answers(request):
            return await original(transport, request)
        await request.aread()
        decision = decide(tapes, _request(request))
        if decision.play is not None:
            return _replayed(library, request, decision.play, decision.speed)
        if decision.record is None:
            return await original(transport, request)
        try:
            response = await original(transport, request)
        except BaseException as error:
            decision.record.failed(error)
            raise
        return _taped(library, response, decision.record)

    return handle_async_request


def _request(request: Any) -> Request:
    headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in request.headers.raw
    ]
    return Request(request.method.upper(), str(request.url), headers, request.content)


def _replayed(library: Any, request: Any, interaction: Interaction, speed: float) -> Any:
    response, error = interaction.response, interaction.error
    if response is None:
        raise _exception(library, error or RecordedError("TransportError", ""), request)
    last = None
    if error is not None:
        last = _exception(library, error, request)
    elif response.cut:
        last = library.ReadError("the recording ends here: its reader left", request=request)
    stream = _stream_class(library, _Replay)(response.chunks, speed, last)
    extensions = {
        "http_version": b"HTTP/1.1",
        "reason_phrase": response.reason.encode("latin-1", "replace"),
    }
    return library.Response(
        response.status, headers=response.headers, stream=stream, extensions=extensions
    )


def _exception(library: Any, error: RecordedError, request: Any) -> Exception:
    cls = getattr(library, error.type, None)
    if not (isinstance(cls, type) and issubclass(cls, library.RequestError)):
        cls = library.TransportError
    exception: Exception = cls(error.message, request=request)
    return exception


def _taped(library: Any, response: Any, recording: Recording) -> Any:
    headers: Headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in response.headers.raw
    ]
    kept = [pair for pair in headers if pair[0] not in ENCODING_HEADERS]
    wire = [pair for pair in headers if pair[0] in ENCODING_HEADERS]
    reason = response.extensions.get("reason_phrase", b"").decode("latin-1")
    recording.head(response.status_code, reason, kept, wire)
    tee = _stream_class(library, _Tee)(response.stream, recording, dict(headers))
    return library.Response(
        response.status_code,
        headers=response.headers.raw,
        stream=tee,
        extensions=response.extensions,
    )


@lru_cache(maxsize=8)
def _stream_class(library: Any, base: type) -> Any:
    # The library's responses insist on streams of its own base classes.
    return type(base.__name__, (base, library.SyncByteStream, library.AsyncByteStream), {})


class _Replay:
    """Recorded parts, with their recorded pauses if wished."""

    def __init__(self, chunks: list[Chunk], speed: float, last: Exception | None) -> None:
        self._chunks = chunks
        self._pause = 0.0 if speed <= 0 else 1.0 / speed
        self._last = last

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if self._pause:
                time.sleep(chunk.delay * self._pause)
            yield chunk.data
        if self._last is not None:
            raise self._last

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if self._pause:
                await asyncio.sleep(chunk.delay * self._pause)
            yield chunk.data
        if self._last is not None:
            raise self._last

    def close(self) -> None:
        """Nothing is held."""

    async def aclose(self) -> None:
        """Nothing is held."""


class _Tee:
    """The real body; each part is copied to the recording as it passes, and none is awaited."""

    def __init__(self, stream: Any, recording: Recording, headers: dict[str, str]) -> None:
        self._stream = stream
        self._recording = recording
        self._headers = headers
        self._parts: list[bytes] = []
        self._exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._stream:
                self._take(part)
                yield part
        except Exception as error:
            self._recording.failed(error)
            raise
        self._exhausted = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                self._take(part)
                yield part
        except Exception as error:
            self._recording.failed(error)
            raise
        self._exhausted = True

    def close(self) -> None:
        """The reader is done."""
        try:
            self._stream.close()
        finally:
            self._end()

    async def aclose(self) -> None:
        """The reader is done."""
        try:
            await self._stream.aclose()
        finally:
            self._end()

    def _take(self, part: bytes) -> None:
        self._parts.append(part)
        self._recording.chunk(part)

    def _end(self) -> None:
        raw = b"".join(self._parts)
        cut = not (self._exhausted or self._is_whole(raw))
        encoding = self._headers.get("content-encoding", "")
        body = None
        if encoding and not cut:
            body = decoded(raw, encoding)
        self._recording.end(cut=cut, body=body)

    def _is_whole(self, raw: bytes) -> bool:
        """Whether a reader that left early, as SDKs do after the last event, missed nothing."""
        length = self._headers.get("content-length")
        if length is not None and length.isdigit():
            return len(raw) >= int(length)
        if is_event_stream(self._headers.get("content-type", "")):
            plain = decoded(raw, self._headers.get("content-encoding", "")) or raw
            return plain.rstrip().endswith(_TERMINATORS) or b"\nevent: response.completed" in plain
        return False


_TERMINATORS = (b"data: [DONE]", b"data:[DONE]")
