"""Watches the body of an HTTP response that the user reads, or does not, in his own way."""

from __future__ import annotations

import contextlib
import json
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any

import orjson

from tracetape._system import perf_counter_ns
from tracetape.instrument.call import Call

__all__ = ["is_readable", "watch_body"]

_DONE = object()
_ENCODING = "content-encoding"
_MAX_BYTES = 64 * 2**20  # of a body; a longer one, such as a file's content, is not copied


def is_readable(response: Any) -> bool:
    """Whether `response` is of a library that we know: a stand-in's body is not to be seen."""
    return _library(type(response)) is not None


def watch_body(response: Any, call: Call) -> None:
    """End `call` with the body of `response` (httpx's or httpx2's), when that has been read."""
    body = _Body(response, call)
    call.reads_at_end(body.rest)
    if response.is_closed:
        body.keep_whole(response.content)
        call.ended("exhausted")
        return
    observed = _observed_class(_library(type(response)).__name__)
    response.stream = observed(response.stream, body)


class _Body:
    """Copies of the raw parts of a body that passed, when they did, and what they say."""

    __slots__ = ("_call", "_is_decoded", "_parts", "_response", "_size", "_times")

    def __init__(self, response: Any, call: Call) -> None:
        self._response = response
        self._call = call
        self._parts: list[bytes] = []
        self._times: list[int] = []
        self._size = 0
        self._is_decoded = False

    def keep(self, part: bytes) -> None:
        """Take a part as it passes."""
        self._size += len(part)
        if self._size <= _MAX_BYTES:
            self._parts.append(part)
            self._times.append(perf_counter_ns())
        else:
            self._parts.clear()
            self._times.clear()

    def keep_whole(self, content: bytes) -> None:
        """Take a body that was read before, and decoded."""
        self._is_decoded = True
        self._parts, self._times = [content], [perf_counter_ns()]
        self._size = len(content)

    def over(self, reason: str) -> None:
        """Nothing more passes."""
        self._call.ended(reason)

    def failed(self, exception: BaseException) -> None:
        """What should pass next does not come."""
        self._call.failed(exception)

    def rest(self) -> tuple[Any, bool]:
        """The plain answer, None after a stream; whether that was there to its end."""
        if self._size > _MAX_BYTES:
            return f"[a body of {self._size} bytes is not kept]", False
        parts = list(self._decoded())
        self._parts, self._times = [], []
        if not parts:
            return None, False
        data = b"".join(part for part, _ in parts)
        kind = self._response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream" or (not kind and data.startswith((b"data:", b"event:"))):
            return None, self._read_events(data, parts)
        if kind.endswith("json") or (not kind and data[:1] in (b"{", b"[")):
            return _json_or_text(data), False
        if kind.startswith("text/"):
            return data.decode(errors="replace"), False
        from tracetape.entities.attachment import Attachment

        content_type = kind or "application/octet-stream"
        return Attachment(content_type=content_type, content_bytes=data), False

    def _read_events(self, data: bytes, parts: list[tuple[bytes, int]]) -> bool:
        ends = list(accumulate(len(part) for part, _ in parts))
        for end, event in _events(data):
            if event is _DONE:
                return True
            self._call.chunk(event, parts[min(bisect_left(ends, end), len(ends) - 1)][1])
        return False

    def _decoded(self) -> Iterator[tuple[bytes, int]]:
        """The parts without their encoding, each with its time."""
        encoding = self._response.headers.get(_ENCODING)
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
        library = _library(type(self._response))
        errors = (library.DecodingError, library.StreamError)
        decoder = library.Response(200, headers={_ENCODING: encoding}, content=raw())
        with contextlib.suppress(*errors):
            for part in decoder.iter_bytes():
                yield part, at


class _Observed:
    """A response's stream of bytes, whose parts are kept as they pass."""

    def __init__(self, stream: Any, body: _Body) -> None:
        self._stream = stream
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        keep = self._body.keep
        try:
            for part in self._stream:
                keep(part)
                yield part
        except GeneratorExit:
            self._body.over("closed")
            raise
        except BaseException as exception:
            self._body.failed(exception)
            raise
        self._body.over("exhausted")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        keep = self._body.keep
        try:
            async for part in self._stream:
                keep(part)
                yield part
        except GeneratorExit:
            self._body.over("closed")
            raise
        except BaseException as exception:
            self._body.failed(exception)
            raise
        self._body.over("exhausted")

    def close(self) -> None:
        self._body.over("closed")
        self._stream.close()

    async def aclose(self) -> None:
        self._body.over("closed")
        await self._stream.aclose()

    def __getattr__(self, name: str) -> Any:
        if name == "_stream":  # not there yet, as in a copy
            raise AttributeError(name)
        return getattr(self._stream, name)  # what the library or the SDK looks for there


def _library(response_class: type) -> Any:
    """The HTTP library that a response is of, though its class may be the user's; or None."""
    for ancestor in response_class.__mro__:
        module = sys.modules.get(ancestor.__module__.partition(".")[0])
        if hasattr(module, "SyncByteStream") and hasattr(module, "AsyncByteStream"):
            return module
    return None


@lru_cache(maxsize=8)
def _observed_class(library: str) -> type[_Observed]:
    # The library's responses insist on streams of its own base classes.
    module = sys.modules[library]
    bases = (_Observed, module.SyncByteStream, module.AsyncByteStream)
    return type("ObservedBody", bases, {})


def _json_or_text(data: bytes) -> Any:
    """JSON as it is; a body that was cut short, or that orjson refuses, otherwise."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data)  # lone surrogates, NaN
        except (ValueError, RecursionError):
            return data.decode(errors="replace")
    return data


def _events(data: bytes) -> Iterator[tuple[int, Any]]:
    """Where each server-sent event ends, and its JSON; one that is none is left out.

    The mark that nothing more comes is `_DONE`.
    """
    parts: list[bytes] = []
    end = 0
    for line in (*data.splitlines(keepends=True), b"\n"):
        end += len(line)
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            parts.append(text[5:].strip())
        elif not text and parts:
            said = b"\n".join(parts)
            parts.clear()
            if said.startswith(b"[DONE]"):
                yield end, _DONE
            elif said:
                event = _parsed(said)
                if isinstance(event, dict):
                    yield end, event


def _parsed(text: bytes) -> Any:
    """JSON values; None for what is no JSON, or was cut short."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            return json.loads(text)  # lone surrogates, NaN
        except (ValueError, RecursionError):
            return None
