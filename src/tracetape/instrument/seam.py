"""Steps of a traced call of a generated SDK: before its method `request`, and after it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, get_origin

from tracetape.apis import resolve
from tracetape.diagnostics import internal_error
from tracetape.instrument.answers import json_of, response_of
from tracetape.instrument.autolog_options import options
from tracetape.instrument.beginning import begin_unread
from tracetape.instrument.body import Body, watch_body
from tracetape.instrument.byte_streams import library_of
from tracetape.instrument.call import Call
from tracetape.instrument.clients import Client, Clients, Given, Route, body_of
from tracetape.instrument.credentials import of_request
from tracetape.instrument.endpoints import Endpoints
from tracetape.instrument.integration import Extractor, Request
from tracetape.instrument.streams import is_watchable, watch_stream
from tracetape.instrument.unread import Unread
from tracetape.privacy.values import those_that_tell
from tracetape.tracing.runtime import runtime

if TYPE_CHECKING:
    from tracetape.instrument.template import Template

__all__ = ["Seam"]

_REFUSALS = (400, 422)
_MANY_SERVERS = 256
_RAW_RESPONSE = "x-stainless-raw-response"
# Base URLs of servers that refuse to be asked for the usage of streams.
_without_usage: set[str] = set()


class Seam:
    """The steps before and after `request`, the same for both kinds of client."""

    def __init__(self, template: Template, *, is_async: bool) -> None:
        """Steps of one kind of client of an SDK, which is imported."""
        self._template = template
        self._is_async = is_async
        module = sys.modules[template.module]
        self._stream: type = module.AsyncStream if is_async else module.Stream
        self._endpoints = Endpoints(template.endpoints)
        self._clients = Clients(template.default_provider)
        self._name = template.name or template.module

    def begin(self, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
        """Begin the span of a call; None if it is not tracetape's.

        `args`, with the client first, and `kwargs`, what `request` is called with, are changed
        where something is added.
        """
        if not runtime.enabled:
            return None
        sent = _sent(args, kwargs)
        if sent is None:
            return None  # the SDK is about to refuse it
        try:
            client = self._clients.of(args[0])
            if client is None:
                return None
            route = client.routes.get((sent.method, sent.url)) or self._route(client, sent)
            if route is None:
                return None
            call = self._begin(client, route, sent)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a request")
            return None
        if call is not None:
            try:
                self._prepare(call, client, route, args, kwargs)
            except Exception:  # noqa: BLE001 - the guard
                internal_error("preparing a request")
        return call

    def _begin(self, client: Client, route: Route, sent: Any) -> Call | None:
        kind, request = route.kind, route.request
        name = route.name or kind().name(request._replace(body=body_of(sent)))
        call = begin_unread(Unread(kind, request), name, kind.span_type, self._name)
        if call is None:
            return None
        may_wait = (
            kind.reads_later and type(sent.json_data) is dict and not getattr(sent, "files", None)
        )
        if may_wait:
            call.client, call.sent = client, _given(sent)
        if may_wait and client.is_watched:
            call.describe_later(partial(body_of, call.sent))
        else:
            call.describe(request._replace(body=body_of(sent)))
            call.keep_from_records(_told(sent))
        return call

    def _route(self, client: Client, sent: Any) -> Route | None:
        """Where a call goes that no other call of this client went to, and what reads it."""
        path, provider, base_url = client.place(sent.url)
        method = sent.method.upper()
        kind = self._endpoints.find(method, path)
        if kind is None and not path.startswith(self._template.managed):
            more, path, kind = self._endpoints.find_end(method, path)
            base_url += more
        is_known = kind is not None
        kind = kind or self._other(method, path, sent)
        if kind is None:
            return None
        request = Request(path, {}, self._is_async, provider, base_url, method)
        name = kind().name(request) if kind.name is Extractor.name else None
        route = Route(kind, request, name)
        if is_known:  # else the body tells, or an option
            client.keep(sent.method, sent.url, route)
        return route

    def _other(self, method: str, path: str, sent: Any) -> type[Extractor] | None:
        """The extractor of a call whose path is not in the table."""
        template = self._template
        asks_model = method == "POST" and isinstance(body_of(sent).get("model"), str)
        other = template.management if options.all_requests else None
        if asks_model and template.generic and not path.startswith(template.managed):
            other = template.generic
        return None if other is None else resolve(other)

    def _prepare(
        self, call: Call, client: Client, route: Route, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """Add to the request what was asked for."""
        call.propagates = options.propagate
        call.keep_from_records(self._clients.secrets.of(args[0]))
        if options.stream_usage and kwargs.get("stream"):
            sent = _sent(args, kwargs)
            request = route.request._replace(body=body_of(sent))
            hideable = self._is_own(kwargs.get("stream_cls")) and not _is_raw(sent.headers)
            if hideable and request.base_url not in _without_usage:
                more = call.usage_options(request)
                if more:
                    _send(args, kwargs, sent, {"json_data": {**sent.json_data, **more}})
                    if call.sent is not None:
                        call.sent = _given(_sent(args, kwargs))

    def _is_own(self, stream_class: Any) -> bool:
        """Whether the SDK makes a stream of its own class, not of one of the user's."""
        return stream_class is None or (get_origin(stream_class) or stream_class) is self._stream

    def asks_again(
        self, call: Call, exception: BaseException, args: list[Any], kwargs: dict[str, Any]
    ) -> bool:
        """Whether the server refused what we had added; that is then taken out, also in future."""
        try:
            added = call.usage_asked
            if not added or not _refuses(exception, added):
                return False
            sent = _sent(args, kwargs)
            body = {key: value for key, value in sent.json_data.items() if key not in added}
            if len(_without_usage) >= _MANY_SERVERS:
                _without_usage.clear()
            client = self._clients.of(args[0])
            route = None if client is None else self._route(client, sent)
            if route is not None:
                _without_usage.add(route.request.base_url)
            _send(args, kwargs, sent, {"json_data": body})
            call.usage_asked = None
        except Exception:  # noqa: BLE001 - the guard
            internal_error("sending a request again")
            return False
        return True

    def returned(self, call: Call, result: Any) -> None:
        """Take what `request` gave: a model, a stream, a raw response, or a binary answer."""
        response, call.response = call.response, None  # it is the user's to let go
        try:
            if call.sent is not None:
                _describe(call)
            if hasattr(type(result), "__pydantic_serializer__"):
                # Asked of the class: a model looks long for an attribute that it has not.
                request_id = vars(result).get("_request_id")
                if request_id:
                    call.add_fields({"request_id": request_id})
                call.answered(call.content(response) or json_of(call.condensed(result)))
                return
            if is_watchable(result, self._stream):
                call.streaming()
                call.answered_with(result.response.headers, self._template.request_id)
                watch_stream(result, call)
                return
            if type(result) in (dict, list):
                call.answered(call.content(response) or result)
                return
            response = response_of(result)
            if response is None or library_of(response) is None:
                call.answered(json_of(result))
                return
            call.streaming()
            call.answered_with(response.headers, self._template.request_id)
            watch_body(response, call)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading an answer")
            call.answered(None)

    def failed(self, args: list[Any], call: Call, exception: BaseException) -> None:
        """Take the exception, and the answer that the SDK could not parse, if it has that."""
        try:
            # A key may have been fetched since.
            call.keep_from_records(self._clients.secrets.of(args[0]))
            if call.sent is not None:
                _describe(call)
            self._read_refused(call)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading an answer")
        call.failed(exception)

    def _read_refused(self, call: Call) -> None:
        """Let the call read a body of which the SDK, or the user's model, can make nothing."""
        response, call.response = call.response, None
        library = None if response is None else library_of(response)
        content = None if library is None else vars(response).get("_content")
        if library is not None and isinstance(content, bytes):
            call.answered_with(response.headers, self._template.request_id)
            body = Body(response, sys.modules[library], call.span)
            body.keep_whole(content)
            call.reads_at_end(body.rest)


def _describe(call: Call) -> None:
    """Describe a call whose request was not seen: the SDK, or the user, has built none."""
    sent, client = call.sent, call.client
    call.sent = call.client = None
    if client is not None:
        client.missed()
    call.keep_from_records(_told(sent))
    call.takes_request(None)


def _given(sent: Any) -> Given:
    extra, params = getattr(sent, "extra_json", None), getattr(sent, "params", None)
    return Given(sent.json_data, extra, sent.headers, params)


def _told(sent: Any) -> frozenset[str]:
    """Credentials in the headers and the query that the user gives with one call."""
    headers = sent.headers if isinstance(sent.headers, Mapping) else {}
    query = getattr(sent, "params", None)
    return those_that_tell(of_request(headers, query)) if headers or query else frozenset()


def _sent(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The options of a call of `request`; None: it is called in a way that the SDK refuses."""
    sent = args[2] if len(args) > 2 else kwargs.get("options") if args else None
    is_whole = isinstance(getattr(sent, "url", None), str)
    return sent if is_whole and isinstance(getattr(sent, "method", None), str) else None


def _send(args: list[Any], kwargs: dict[str, Any], sent: Any, changes: dict[str, Any]) -> None:
    """Change the options of a call: a copy of them, for the user may use his own again."""
    changed = copy(sent)
    vars(changed).update(changes)  # pydantic's own way takes as long as all of this
    if len(args) > 2:
        args[2] = changed
    else:
        kwargs["options"] = changed


def _refuses(exception: BaseException, added: Mapping[str, Any]) -> bool:
    """Whether a server says that it does not know what was `added` to a body."""
    if getattr(exception, "status_code", None) not in _REFUSALS:
        return False
    answer = getattr(getattr(exception, "response", None), "text", "")
    said = f"{exception} {answer}"
    return any(name in said for key, value in added.items() for name in (key, *value))


def _is_raw(headers: Any) -> bool:
    """Whether the user reads the response himself."""
    return isinstance(headers, Mapping) and any(name.lower() == _RAW_RESPONSE for name in headers)
