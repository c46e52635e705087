"""httpx and httpx2: one code for both, given the library's module."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache, wraps
from typing import Any

from tracetape.cassettes.context import seen
from tracetape.cassettes.file.model import Chunk, RecordedError, Request, header_bytes
from tracetape.cassettes.record.recording import Recording
from tracetape.cassettes.transports.decision import Played, concerned, decide
from tracetape.cassettes.transports.errors import httpx_error
from tracetape.cassettes.transports.mocks import count_for_respx, respx_answers

__all__ = ["wrap", "wrap_async"]

_RESPX = "respx.mocks"


def wrap(original: Callable[..., Any], library: Any) -> Callable[..., Any]:
    """``HTTPTransport.handle_request`` with a tape before it."""

    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        tapes = concerned(
            str(request.url), is_mocked=_RESPX in sys.modules and respx_answers(request)
        )
        if not tapes:
            return original(self, request)
        request.read()
        decision = decide(tapes, _request(request))
        if isinstance(decision, Played):
            if _RESPX in sys.modules:
                count_for_respx(request)
            return _replayed(library, request, decision)
        try:
            with seen():
                response = original(self, request)
        except BaseException as error:
            _failed(library, decision, error)
            raise
        return _taped(library, response, decision)

    return handle_request


def wrap_async(original: Callable[..., Any], library: Any) -> Callable[..., Any]:
    """``AsyncHTTPTransport.handle_async_request`` with a tape before it."""

    @wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        tapes = concerned(
            str(request.url), is_mocked=_RESPX in sys.modules and respx_answers(request)
        )
        if not tapes:
            return await original(self, request)
        await request.aread()
        decision = decide(tapes, _request(request))
        if isinstance(decision, Played):
            if _RESPX in sys.modules:
                count_for_respx(request)
            return _replayed(library, request, decision)
        try:
            with seen():
                response = await original(self, request)
        except BaseException as error:
            _failed(library, decision, error)
            raise
        return _taped(library, response, decision)

    return handle_async_request


def _request(request: Any) -> Request:
    url = str(request.url)
    return Request(request.method.upper(), url, _headers(request.headers), request.content)


def _headers(headers: Any) -> list[tuple[str, str]]:
    return [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in headers.raw]


def _replayed(library: Any, request: Any, played: Played) -> Any:
    response, error = played.interaction.response, played.interaction.error
    if response is None:
        raise httpx_error(library, error or RecordedError("TransportError", ""), request)
    last = None
    if error is not None:
        last = httpx_error(library, error, request)
    elif response.cut:
        last = library.ReadError(
            "the recording ends here, because its reader stopped early", request=request
        )
    return library.Response(
        response.status,
        headers=[
            (name.encode("latin-1", "replace"), header_bytes(value))
            for name, value in response.headers_for_replay(request.method)
        ],
        stream=_stream_class(library, _Replay)(response.chunks, played.speed, last),
        extensions={
            "http_version": b"HTTP/1.1",
            "reason_phrase": response.reason.encode("latin-1", "replace"),
        },
    )


def _failed(library: Any, recording: Recording, error: BaseException) -> None:
    # Some errors of TLS come through unmapped, as OSError.
    if isinstance(error, (library.RequestError, OSError)):
        recording.failed(error)
    else:
        recording.dropped()


def _taped(library: Any, response: Any, recording: Recording) -> Any:
    reason = response.extensions.get("reason_phrase", b"").decode("latin-1")
    recording.head(response.status_code, reason, _headers(response.headers))
    response.stream = _stream_class(library, _Tee)(response.stream, recording)
    return response


@lru_cache(maxsize=8)
def _stream_class(library: Any, base: type) -> Any:
    # The library's responses insist on streams of its own base classes.
    return type(base.__name__, (base, library.SyncByteStream, library.AsyncByteStream), {})


class _Replay:
    """Recorded parts, with their recorded pauses if wished."""

    def __init__(self, chunks: list[Chunk], speed: float, last: Exception | None) -> None:
        self._chunks = chunks
        self._speed = speed
        self._last = last

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if self._speed:
                time.sleep(chunk.delay / self._speed)
            yield chunk.data
        if self._last is not None:
            raise self._last

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if self._speed:
                # Not asyncio's: httpx runs under trio too.
                await importlib.import_module("anyio").sleep(chunk.delay / self._speed)
            yield chunk.data
        if self._last is not None:
            raise self._last

    def close(self) -> None:
        """Do nothing: the stream holds no connection."""

    async def aclose(self) -> None:
        """Do nothing: the stream holds no connection."""


class _Tee:
    """The real body; the recording takes each part as it passes, and none is awaited."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        self._stream = stream
        self._recording = recording
        self._exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._stream:
                self._recording.chunk(part)
                yield part
        except Exception as error:
            self._recording.failed(error)
            raise
        self._exhausted = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                self._recording.chunk(part)
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
            self._recording.end(exhausted=self._exhausted)

    async def aclose(self) -> None:
        """The reader is done."""
        try:
            await self._stream.aclose()
        finally:
            self._recording.end(exhausted=self._exhausted)
