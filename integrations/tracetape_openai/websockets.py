"""Sessions over WebSockets: Responses, and Realtime. One span a response.

A session has no requests and answers, only events of both sides: what is sent is seen at `send`,
what comes at `recv_bytes`, through which every way of reading passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from weakref import ref

from tracetape.entities.attachment import Attachment
from tracetape.instrument import (
    Call,
    Request,
    begin_call,
    call_watched,
    call_watched_async,
    decode,
    decoded_base64,
    encode,
    get,
    guarded,
    provider_of,
    secrets_of_request,
    those_that_tell,
)
from tracetape_openai.responses import Responses

__all__ = ["RealtimeResponses", "wrap_close", "wrap_receive", "wrap_send"]

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})
_Wrapped = Callable[..., Any]


class RealtimeResponses(Responses):
    """A response of a realtime session: text, tool calls, and speech as text.

    Inputs are the items that were added to the conversation since the response before, and the
    parameters of ``response.create``. Shapes: OpenAI's API reference, "Realtime server events".
    """

    resource: ClassVar[str] = "Realtime"
    content: ClassVar[frozenset[str]] = frozenset({"items", "input"})


class _Session:
    """The responses of one connection that are asked for, and those that are under way."""

    def __init__(self, connection: Any, *, realtime: bool, is_async: bool) -> None:
        self._extractor = RealtimeResponses if realtime else Responses
        self._realtime = realtime
        self._is_async = is_async
        self._asked: deque[Call] = deque()
        self._running: dict[str, Call] = {}
        self._items: list[Any] = []
        # Of the handshake; a stand-in for a connection may have none.
        request = getattr(getattr(connection, "_connection", None), "request", None)
        headers, path = getattr(request, "headers", None), getattr(request, "path", None)
        host = headers.get("Host", "") if isinstance(headers, Mapping) else ""
        self._provider, self._base_url = provider_of(f"https://{host}")
        self._login = those_that_tell(secrets_of_request(headers or {}, path or ""))
        models = parse_qs(urlsplit(path).query) if isinstance(path, str) else {}
        self._model = models.get("model", [None])[0]

    def sent(self, event: Any) -> None:
        """Take an event of the client: the SDK's object, or a dictionary."""
        event = decode(encode(event))
        kind = get(event, "type")
        if kind == "conversation.item.create":
            self._items.append(_with_sound(event.get("item")))
        elif kind == "response.create":
            asked = event.get("response") if self._realtime else event
            asked = asked if isinstance(asked, dict) else {}
            call = self._begin({k: v for k, v in asked.items() if k != "type"})
            if call is not None:
                self._asked.append(call)

    def received(self, data: bytes | str) -> None:
        """Take an event of the server; the SDK reports what is not one."""
        event = decode(data.encode() if isinstance(data, str) else data)
        kind = get(event, "type")
        if not isinstance(kind, str) or not (kind == "error" or kind.startswith("response.")):
            return
        number, call = self._call(kind, event)
        if call is None:
            return
        call.chunk(event)
        if kind in _ENDS or kind == "error":
            self._running.pop(number, None)
            if self._asked and self._asked[0] is call:
                self._asked.popleft()
            call.ended("exhausted")

    def over(self, exception: BaseException | None) -> None:
        """The connection is closed, or lost."""
        calls = [*self._running.values(), *self._asked]
        self._running.clear()
        self._asked.clear()
        for call in calls:
            call.ended("closed") if exception is None else call.failed(exception)

    def _call(self, kind: str, event: dict[str, Any]) -> tuple[str, Call | None]:
        """The response that an event is about; deltas of the Responses API do not say."""
        number = event.get("response_id") or get(event.get("response"), "id")
        number = number if isinstance(number, str) else None
        if kind == "response.created" and number:
            call = self._asked.popleft() if self._asked else None
            if call is None and self._realtime:
                call = self._begin({})  # the server heard that the user has finished speaking
            if call is not None:
                self._running[number] = call
            return number, call
        if kind == "error":
            # In a realtime session most errors are about something else.
            if self._asked:
                return "", self._asked[0]
            number = None if self._realtime else next(reversed(self._running), None)
        elif number is None:
            number = next(reversed(self._running), None)
        return number or "", self._running.get(number or "")

    def _begin(self, asked: dict[str, Any]) -> Call | None:
        body = {"model": self._model, **asked} if self._model else asked
        if self._realtime:
            body = {**body, "items": self._items}
            self._items = []
        request = Request("/responses", body, self._is_async, self._provider, self._base_url, "GET")
        if self._realtime:
            request = request._replace(path="/realtime")
        call = begin_call(self._extractor(), request, "openai")
        if call is not None:
            call.keep_from_records(self._login)
            call.streaming()
        return call


def _with_sound(item: Any) -> Any:
    """An item whose base64 sound is an attachment."""
    content = get(item, "content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("audio"), str):
            sound = decoded_base64([part["audio"]])
            if sound is not None:
                part["audio"] = Attachment(content_type="audio/pcm", content_bytes=sound)
    return item


# By the connection's number: nothing is put on the user's object, which may be a stand-in.
_sessions: dict[int, tuple[ref[Any], _Session]] = {}


def _session(connection: Any, *, is_async: bool) -> _Session | None:
    number = id(connection)
    held = _sessions.get(number)
    if held is not None and held[0]() is connection:
        return held[1]
    if not type(connection).__weakrefoffset__:
        return None  # a stand-in that cannot be watched
    reference = ref(connection, lambda _: _sessions.pop(number, None))
    realtime = any("Realtime" in kind.__name__ for kind in type(connection).__mro__)
    session = _Session(connection, realtime=realtime, is_async=is_async)
    _sessions[number] = reference, session
    return session


def _observe(
    args: tuple[Any, ...], is_async: bool, take: Callable[[_Session, Any], None], what: Any
) -> None:
    """Let the session of a connection, the first of `args`, take what passes."""
    with guarded("reading an event of a session"):
        session = _session(args[0], is_async=is_async) if args else None
        if session is not None:
            take(session, what)


# The wrappers pass on what they get as it is: what is wrong with it, the SDK says.


def wrap_send(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See what is sent, before it is: the answer may come at once."""

    def look(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        event = args[1] if len(args) > 1 else kwargs.get("event")
        if event is not None and is_on():
            _observe(args, is_async, _Session.sent, event)

    def send(*args: Any, **kwargs: Any) -> Any:
        look(args, kwargs)
        return original(*args, **kwargs)

    async def send_async(*args: Any, **kwargs: Any) -> Any:
        look(args, kwargs)
        return await original(*args, **kwargs)

    return send_async if is_async else send


def wrap_receive(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See what comes, and that nothing more comes; a `recv` that is cancelled loses nothing."""

    def look(args: tuple[Any, ...], take: Callable[[_Session, Any], None], what: Any) -> None:
        if is_on():
            _observe(args, is_async, take, what)

    def lost(args: tuple[Any, ...], exception: BaseException) -> None:
        if isinstance(exception, Exception):
            look(args, _Session.over, _abnormal(exception))

    def receive(*args: Any, **kwargs: Any) -> Any:
        data = call_watched(original, partial(lost, args), *args, **kwargs)
        look(args, _Session.received, data)
        return data

    async def receive_async(*args: Any, **kwargs: Any) -> Any:
        data = await call_watched_async(original, partial(lost, args), *args, **kwargs)
        look(args, _Session.received, data)
        return data

    return receive_async if is_async else receive


def wrap_close(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See that the user has had enough."""

    def close(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            _observe(args, is_async, _Session.over, None)
        return original(*args, **kwargs)

    async def close_async(*args: Any, **kwargs: Any) -> Any:
        if is_on():
            _observe(args, is_async, _Session.over, None)
        return await original(*args, **kwargs)

    return close_async if is_async else close


def _abnormal(exception: BaseException) -> BaseException | None:
    """None for the end of a session that both sides wanted (RFC 6455, code 1000)."""
    return None if type(exception).__name__ == "ConnectionClosedOK" else exception
