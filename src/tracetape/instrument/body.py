"""Watches the body of an HTTP response that the user reads, or does not, in his own way."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any

import orjson

from tracetape.diagnostics import internal_error
from tracetape.instrument.call import Call

__all__ = ["watch_body"]

_ENCODING = "content-encoding"
_MAX_BYTES = 64 * 2**20  # of a body; a longer one, such as a file's content, is not copied


def watch_body(response: Any, call: Call) -> None:
    """End `call` with the body of `response` (httpx's or httpx2's), when that has been read."""
    if response.is_closed:
        body = _Body(response, call)
        body.finish(response.content, "exhausted")
        return
    response.stream = _observed_class(type(response).__module__.partition(".")[0])(response, call)


class _Body:
    """Copies of the raw parts that passed, and what they say in the end."""

    def __init__(self, response: Any, call: Call) -> None:
        self._response = response
        self._stream = response.stream
        self._call = call
        self._parts: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._stream:
                self._keep(part)
                yield part
        except GeneratorExit:
            self.end("closed")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise
        self.end("exhausted")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._stream:
                self._keep(part)
                yield part
        except GeneratorExit:
            self.end("closed")
            raise
        except BaseException as exception:
            self._call.failed(exception)
            raise
        self.end("exhausted")

    def close(self) -> None:
        self.end("closed")
        self._stream.close()

    async def aclose(self) -> None:
        self.end("closed")
        await self._stream.aclose()

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= _MAX_BYTES:
            self._parts.append(part)
        else:
            self._parts.clear()

    def end(self, reason: str) -> None:
        """The body is over: read it, once."""
        parts, self._parts = self._parts, []
        try:
            if self._size > _MAX_BYTES:
                self._call.answered(f"[a body of {self._size} bytes is not kept]")
            elif parts:
                self.finish(self._decoded(b"".join(parts)), reason)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a response's body")
        self._call.ended(reason)

    def finish(self, data: bytes, reason: str) -> None:
        """Give the decoded body to the call."""
        kind = self._response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/event-stream" or (not kind and data.startswith((b"data:", b"event:"))):
            for event in _events(data):
                self._call.chunk(event)
            self._call.ended(reason)
        elif kind.endswith("json") or (not kind and data[:1] in (b"{", b"[")):
            self._call.answered(_json_or_text(data))
        elif kind.startswith("text/"):
            self._call.answered(data.decode(errors="replace"))
        else:
            from tracetape.entities.attachment import Attachment

            content_type = kind or "application/octet-stream"
            self._call.answered(Attachment(content_type=content_type, content_bytes=data))

    def _decoded(self, data: bytes) -> bytes:
        # A response of the same library knows how to decode; ours is thrown away after it.
        encoding = self._response.headers.get(_ENCODING)
        if encoding is None:
            return data
        content: bytes = type(self._response)(
            200, headers={_ENCODING: encoding}, content=data
        ).content
        return content


@lru_cache(maxsize=8)
def _observed_class(library: str) -> type[_Body]:
    # The library's responses insist on streams of its own base classes.
    module = sys.modules[library]
    bases = (_Body, module.SyncByteStream, module.AsyncByteStream)
    return type("ObservedBody", bases, {})


def _json_or_text(data: bytes) -> Any:
    """JSON as it is; a body that was cut short, or that orjson refuses, otherwise."""
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data)  # lone surrogates, NaN
        except ValueError:
            return data.decode(errors="replace")
    return data


def _events(data: bytes) -> Iterator[Any]:
    """The JSON of each server-sent event; one that is none, or was cut short, is left out."""
    parts: list[bytes] = []
    for line in (*data.splitlines(), b""):
        if line.startswith(b"data:"):
            parts.append(line[5:].strip())
        elif not line and parts:
            text = b"\n".join(parts)
            parts.clear()
            if text and text != b"[DONE]":
                event = _json_or_text(text)
                if event is text:
                    yield orjson.loads(text)
                elif not isinstance(event, str):
                    yield event
