"""Sessions over WebSockets: Responses, and Realtime. One span a response.

A session has no requests and answers, only events of both sides: what is sent is seen at `send`,
what comes at `recv_bytes`, through which every way of reading passes.
"""

from __future__ import annotations

from base64 import b64decode
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import orjson

from tracetape.capture import decode, encode
from tracetape.diagnostics import internal_error
from tracetape.entities.attachment import Attachment
from tracetape.instrument import Request, provider_of
from tracetape.instrument.call import Call, begin_call
from tracetape_openai.responses import Responses

__all__ = ["RealtimeResponses", "wrap_close", "wrap_receive", "wrap_send"]

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.done"})
_Wrapped = Callable[..., Any]


class RealtimeResponses(Responses):
    """A response of a realtime session: text, tool calls, and what was said as text.

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
        request = getattr(connection._connection, "request", None)  # of the handshake
        host = request.headers.get("Host", "") if request is not None else ""
        self._provider, self._base_url = provider_of(f"https://{host}", "openai")
        models = parse_qs(urlsplit(request.path if request is not None else "").query)
        self._model = models.get("model", [None])[0]

    def sent(self, event: Any) -> None:
        """Take an event of the client: the SDK's object, or a dictionary."""
        event = decode(encode(event))
        kind = event.get("type")
        if kind == "conversation.item.create":
            self._items.append(_with_sound(event.get("item")))
        elif kind == "response.create":
            asked = event.get("response") if self._realtime else event
            call = self._begin({k: v for k, v in (asked or {}).items() if k != "type"})
            if call is not None:
                self._asked.append(call)

    def received(self, data: bytes | str) -> None:
        """Take an event of the server."""
        event = orjson.loads(data)
        kind = event.get("type")
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
        response = event.get("response")
        number = event.get("response_id") or (response or {}).get("id")
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
            call.streaming()
        return call


def _with_sound(item: Any) -> Any:
    """An item whose base64 sound is an attachment."""
    for part in (item or {}).get("content") or () if isinstance(item, dict) else ():
        if isinstance(part, dict) and isinstance(part.get("audio"), str):
            sound = b64decode(part["audio"])
            part["audio"] = Attachment(content_type="audio/pcm", content_bytes=sound)
    return item


def _session(connection: Any, *, is_async: bool) -> _Session:
    session: _Session | None = vars(connection).get("_tracetape_session")
    if session is None:
        realtime = "Realtime" in type(connection).__name__
        session = _Session(connection, realtime=realtime, is_async=is_async)
        connection._tracetape_session = session
    return session


def _observe(
    connection: Any, is_async: bool, take: Callable[[_Session, Any], None], what: Any
) -> None:
    try:
        take(_session(connection, is_async=is_async), what)
    except Exception:  # noqa: BLE001 - the guard
        internal_error("reading an event of a session")


def wrap_send(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See what is sent, before it is: the answer may come at once."""

    def send(connection: Any, event: Any) -> Any:
        if is_on():
            _observe(connection, is_async, _Session.sent, event)
        return original(connection, event)

    async def send_async(connection: Any, event: Any) -> Any:
        if is_on():
            _observe(connection, is_async, _Session.sent, event)
        return await original(connection, event)

    return send_async if is_async else send


def wrap_receive(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See what comes, and that nothing more comes; a `recv` that is cancelled loses nothing."""

    def receive(connection: Any) -> Any:
        try:
            data = original(connection)
        except Exception as exception:
            if is_on():
                _observe(connection, is_async, _Session.over, _abnormal(exception))
            raise
        if is_on():
            _observe(connection, is_async, _Session.received, data)
        return data

    async def receive_async(connection: Any) -> Any:
        try:
            data = await original(connection)
        except Exception as exception:
            if is_on():
                _observe(connection, is_async, _Session.over, _abnormal(exception))
            raise
        if is_on():
            _observe(connection, is_async, _Session.received, data)
        return data

    return receive_async if is_async else receive


def wrap_close(original: _Wrapped, is_on: Callable[[], bool], *, is_async: bool) -> _Wrapped:
    """See that the user has had enough."""

    def close(connection: Any, **options: Any) -> Any:
        if is_on():
            _observe(connection, is_async, _Session.over, None)
        return original(connection, **options)

    async def close_async(connection: Any, **options: Any) -> Any:
        if is_on():
            _observe(connection, is_async, _Session.over, None)
        return await original(connection, **options)

    return close_async if is_async else close


def _abnormal(exception: BaseException) -> BaseException | None:
    """None for the end of a session that both sides wanted (RFC 6455, code 1000)."""
    return None if type(exception).__name__ == "ConnectionClosedOK" else exception
