"""Watches the stream that an SDK made, without being one step ahead of the user.

The stream stays the SDK's own object, of its own class. Watched are two things that it holds: its
iterator of chunks, and the HTTP response, whose end is the stream's end too.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import chain
from typing import Any
from weakref import ref

from tracetape.instrument.body import Body
from tracetape.instrument.byte_streams import ByteStream, class_for, library_of
from tracetape.instrument.call import Call

__all__ = ["is_watchable", "watch_stream"]

_ITERATOR, _DECODER = "_iterator", "_decoder"
# Who overrides one of these may read the response without the SDK's iterator, or make of it what
# is not a chunk any more.
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
    response = stream.response
    library = library_of(response)
    unread = None
    if library is not None:
        unread = _Unread(Body(response, sys.modules[library], call.span))
        call.reads_at_end(unread.rest)
    keeps_texts = _watch_events(stream, call)  # before the SDK makes the iterator
    observed = _Observed(stream._iterator, call, unread, call.keep if keeps_texts else call.chunk)
    vars(stream)[_ITERATOR] = observed
    if getattr(response, "is_closed", False):
        # It is read already, and closes its stream of bytes no more.
        content = vars(response).get("_content")
        if unread is not None and isinstance(content, bytes):
            unread.body.keep_whole(content)
        for name in ("close", "aclose"):
            setattr(response, name, _ClosingAgain(response, name, observed))
        return
    if library is not None and unread is not None:
        keeping = class_for(_Keeping, library)(response.stream, observed)
        keeping._unread = unread
        response.stream = keeping


def _watch_events(stream: Any, call: Call) -> bool:
    """Whether `call` may keep the text of each event in the place of the chunk that it becomes."""
    decoder = vars(stream).get(_DECODER)
    wraps = getattr(vars(stream).get("_options"), "synthesize_event_and_data", None)
    if decoder is None or wraps is True:
        return False
    events = _Events(decoder)
    if not call.keeps_texts(events):
        return False
    vars(stream)[_DECODER] = events
    return True


class _Events:
    """The SDK's decoder of events; the text of the last one is at hand."""

    __slots__ = ("_decoder", "text")

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self.text: str | None = None

    def iter_bytes(self, parts: Any) -> Iterator[Any]:
        for event in self._decoder.iter_bytes(parts):
            self.text = getattr(event, "data", None)
            yield event

    def iter(self, lines: Any) -> Iterator[Any]:  # of openai 1.0
        for event in self._decoder.iter(lines):
            self.text = getattr(event, "data", None)
            yield event

    def aiter_bytes(self, parts: Any) -> AsyncIterator[Any]:
        return _AsyncEvents(self._decoder.aiter_bytes(parts), self)

    def aiter(self, lines: Any) -> AsyncIterator[Any]:
        return _AsyncEvents(self._decoder.aiter(lines), self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)


class _AsyncEvents(AsyncIterator[Any]):
    """Events of an async stream; no generator, whose end the event loop would have to see to."""

    __slots__ = ("_events", "_next")

    def __init__(self, source: AsyncIterator[Any], events: _Events) -> None:
        self._next = source.__anext__
        self._events = events

    async def __anext__(self) -> Any:
        event = await self._next()
        self._events.text = getattr(event, "data", None)
        return event


class _Observed(Iterator[Any], AsyncIterator[Any]):
    """The SDK's own iterator, each step of it seen by the call."""

    __slots__ = ("__weakref__", "_call", "_next", "_source", "_take", "_unread")

    def __init__(
        self, source: Any, call: Call, unread: _Unread | None, take: Callable[[Any], bool]
    ) -> None:
        self._unread = unread
        self._source = source
        self._next: Callable[[], Any] = getattr(source, "__next__", iter(()).__next__)
        self._call = call
        self._take = take

    def __iter__(self) -> _Observed:
        return self

    def __aiter__(self) -> _Observed:
        return self

    def __next__(self) -> Any:
        try:
            while True:
                chunk = self._next()
                if self._take(chunk):
                    return chunk
        except StopIteration:
            self._call.ended("exhausted")
            raise
        except BaseException as exception:
            self._failed(exception)
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
            self._failed(exception)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)  # close() and aclose() of the generator

    def _failed(self, exception: BaseException) -> None:
        if self._unread is not None:  # the exception tells what was wrong with the body
            self._unread.body.let_go()
        self._call.failed(exception)

    @property
    def has_chunks(self) -> bool:
        """Whether a chunk was given."""
        return self._call.has_chunks

    def closed(self) -> None:
        """The response was closed: by the user, unless by the SDK in the midst of a step."""
        source = self._source
        if not getattr(source, "gi_running", getattr(source, "ag_running", False)):
            self._call.ended("closed")


class _Keeping(ByteStream):
    """A response's stream of bytes: keeps the parts that pass until the first event comes.

    It also tells who watches that it is closed: the `.stream()` helpers close the response, and
    not the stream of chunks that they read.
    """

    _unread: _Unread  # set when it is made

    def __init__(self, stream: Any, observed: _Observed) -> None:
        super().__init__(stream)
        self._observed = ref(observed)  # an abandoned stream is to be collected

    def __iter__(self) -> Iterator[bytes]:
        source = iter(self._stream)
        # After the first event no code of tracetape delays a part.
        return chain(_Kept(source, self._unread, self._observed), source)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Kept(aiter(self._stream), self._unread, self._observed)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            _closed(self._observed)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            _closed(self._observed)


class _Unread:
    """The body of a response, in which the SDK may find no event."""

    __slots__ = ("body",)

    def __init__(self, body: Body) -> None:
        self.body = body

    def rest(self, call: Call) -> tuple[Any, bool]:
        """The body, as a plain answer; none if there were events in it."""
        if call.has_chunks:
            self.body.let_go()
            return None, False
        return self.body.rest(call)


class _Kept(Iterator[bytes], AsyncIterator[bytes]):
    """The parts as they pass; no generator, whose end the event loop would have to see to.

    A sync one is over when the first event has come; an async one then only passes on.
    """

    __slots__ = ("_next", "_observed", "_source", "_unread")

    def __init__(self, source: Any, unread: _Unread, observed: ref[_Observed]) -> None:
        self._source = source
        self._unread = unread
        self._observed = observed
        self._next = self._keep_next

    def __next__(self) -> bytes:
        if self._is_over():
            raise StopIteration
        part: bytes = self._source.__next__()
        self._unread.body.keep(part)
        return part

    def __anext__(self) -> Awaitable[bytes]:
        return self._next()

    async def _keep_next(self) -> bytes:
        part: bytes = await self._source.__anext__()
        if self._is_over():
            self._next = self._source.__anext__
        else:
            self._unread.body.keep(part)
        return part

    def _is_over(self) -> bool:
        """Whether nobody needs the parts any more; those that were kept are let go."""
        watching = self._observed()
        if watching is not None and not watching.has_chunks:
            return False
        self._unread.body.let_go()
        return True


class _ClosingAgain:
    """`close` or `aclose` of a response that is closed already: it has nothing else to do."""

    __slots__ = ("_name", "_observed", "_response")

    def __init__(self, response: Any, name: str, observed: _Observed) -> None:
        # No strong references, no cycles: what the user lets go is collected as without us.
        self._response = ref(response)
        self._observed = ref(observed)
        self._name = name

    def __call__(self) -> Awaitable[None] | None:
        response = self._response()
        original = None if response is None else getattr(type(response), self._name)
        if self._name == "aclose":
            return self._aclose(response, original)
        try:
            if original is not None:
                original(response)
        finally:
            _closed(self._observed)
        return None

    async def _aclose(self, response: Any, original: Any) -> None:
        try:
            if original is not None:
                await original(response)
        finally:
            _closed(self._observed)

    def __reduce__(self) -> tuple[Any, ...]:
        # A response can be pickled and copied: the other one gets the method of its class.
        return getattr, (self._response(), self._name)


def _closed(observed: ref[_Observed]) -> None:
    watching = observed()
    if watching is not None:
        watching.closed()
