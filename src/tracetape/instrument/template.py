"""SDKs generated from OpenAI's template: all their calls pass one method, `request`.

Its signature, ``request(cast_to, options, *, stream, stream_cls)``, is the same in openai 1.0 to
3.54 and in its kin; each of them is one small `Template`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, get_origin
from urllib.parse import urlsplit

from tracetape.apis import Endpoint, Reference, resolve
from tracetape.capture.conversion import is_sentinel
from tracetape.capture.encoding import holds_odd_float
from tracetape.diagnostics import internal_error
from tracetape.instrument.autolog_options import options
from tracetape.instrument.body import Body, watch_body
from tracetape.instrument.byte_streams import library_of
from tracetape.instrument.call import Call, begin_call, calling
from tracetape.instrument.copying import copied
from tracetape.instrument.credentials import ClientSecrets, of_request
from tracetape.instrument.endpoints import Endpoints, is_below, path_below
from tracetape.instrument.files import described_files
from tracetape.instrument.integration import Extractor, Request, Target
from tracetape.instrument.providers import provider_of, provider_of_client
from tracetape.instrument.streams import is_watchable, watch_stream
from tracetape.privacy.values import those_that_tell
from tracetape.tracing.runtime import runtime

__all__ = ["Template"]

_REFUSALS = (400, 422)
_MANY_SERVERS = 256
_PARSING = frozenset({"parse", "_parse"})
_RAW_RESPONSE = "x-stainless-raw-response"
# What `parse()` adds to an answer: objects of the user's own models, whose serialisers are his.
_PARSED: dict[str, Any] = {
    "choices": {
        "__all__": {
            "message": {
                "parsed": True,
                "tool_calls": {"__all__": {"function": {"parsed_arguments": True}}},
            }
        }
    },
    "output": {"__all__": {"parsed_arguments": True, "content": {"__all__": {"parsed": True}}}},
}
_NEVER_NUMBERS = tuple(
    f'"{name}":null'.encode()
    for name in ("refusal", "logprobs", "content", "audio", "function_call", "tool_calls")
)
# Base URLs of servers that refuse to be asked for the usage of streams.
_without_usage: set[str] = set()


class Template(NamedTuple):
    """One SDK.

    Attributes:
        module: its package; ``Stream`` and ``AsyncStream`` are exported there.
        client, async_client: the names of its client classes.
        endpoints: by path below the API's base, as in `tracetape.instrument.Api`.
        generic: reads calls of other paths whose body names a model; None: they are not traced.
        management: reads all other calls, if `autolog(all_requests=True)` asks for them.
        managed: beginnings of paths that are never read by `generic`.
        request_id: the header of an answer that has its id.
        name: the integration's, where it differs from `module`; `autolog(capture=…)` goes by it.
        default_provider: who serves the models when neither the base URL nor the client's class
            tells; None: nobody is named, which is right for what others serve too.
    """

    module: str
    client: str
    async_client: str
    endpoints: Mapping[str, Endpoint | Reference]
    default_provider: str | None = None
    generic: Reference | None = None
    management: Reference | None = None
    managed: tuple[str, ...] = ()
    request_id: str = "x-request-id"
    name: str = ""

    def targets(self) -> tuple[Target, ...]:
        """`request` of both client classes; it is inherited, so it can be taken off again."""
        return (
            Target(self.module, self.client, "request", self._wrap),
            Target(self.module, self.async_client, "request", self._wrap_async),
            *(
                Target(self.module, client, method, wrap, optional=True)
                for client in (self.client, self.async_client)
                for method, wrap in _PRIVATE_HOOKS.items()
            ),
        )

    def _wrap(self, original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
        seam = _Seam(self, is_async=False)

        def request(*args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = seam.begin(given, kwargs) if is_on() else None
            if call is None:
                return original(*args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                while True:
                    try:
                        result = original(*given, **kwargs)
                        break
                    except BaseException as exception:
                        if not seam.asks_again(call, exception, given, kwargs):
                            seam.failed(given, call, exception)
                            raise
            finally:
                calling.set(before)
            seam.returned(call, result)
            return result

        return request

    def _wrap_async(
        self, original: Callable[..., Any], is_on: Callable[[], bool]
    ) -> Callable[..., Any]:
        seam = _Seam(self, is_async=True)

        async def request(*args: Any, **kwargs: Any) -> Any:
            given = list(args)
            call = seam.begin(given, kwargs) if is_on() else None
            if call is None:
                return await original(*args, **kwargs)
            before = calling.get()
            calling.set(call)
            try:
                while True:
                    try:
                        result = await original(*given, **kwargs)
                        break
                    except BaseException as exception:
                        if not seam.asks_again(call, exception, given, kwargs):
                            seam.failed(given, call, exception)
                            raise
            finally:
                calling.set(before)
            seam.returned(call, result)
            return result

        return request


class _Seam:
    """The steps before and after `request`, the same for both kinds of client."""

    def __init__(self, template: Template, *, is_async: bool) -> None:
        self._template = template
        self._is_async = is_async
        module = sys.modules[template.module]
        self._stream: type = module.AsyncStream if is_async else module.Stream
        self._endpoints = Endpoints(template.endpoints)
        self._secrets = ClientSecrets()
        self._last: tuple[Any, Any, tuple[str | None, str]] = (None, None, (None, ""))

    def begin(self, args: list[Any], kwargs: dict[str, Any]) -> Call | None:
        """Begin the span of a call; None if it is not tracetape's.

        `args`, with the client first, and `kwargs`, what `request` is called with, are changed
        where something is added.
        """
        if not runtime.enabled:
            return None
        sent = _sent(args, kwargs)
        base = None if sent is None else getattr(args[0], "base_url", None)
        if base is None:
            return None  # the SDK is about to refuse it
        try:
            provider, base_url = self._provider(base, type(args[0]))
            path, method = path_below(sent.url, base_url), sent.method.upper()
            if "://" in sent.url:
                provider, base_url, path = _elsewhere(sent.url, provider, base_url)
            body, extractor = _body(sent), self._endpoints.find(method, path)
            if extractor is None and not path.startswith(self._template.managed):
                more, path, extractor = self._endpoints.find_end(method, path)
                base_url += more
            extractor = extractor or self._other(method, path, body)
            if extractor is None:
                return None
            request = Request(path, body, self._is_async, provider, base_url, method)
            name = self._template.name or self._template.module
            call = begin_call(extractor(), request, name)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a request")
            return None
        if call is not None:
            try:
                self._prepare(call, request, args, kwargs)
            except Exception:  # noqa: BLE001 - the guard
                internal_error("preparing a request")
        return call

    def _prepare(
        self, call: Call, request: Request, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """Add to the request what was asked for."""
        sent = _sent(args, kwargs)
        headers = sent.headers if isinstance(sent.headers, Mapping) else {}
        call.keep_from_records(self._secrets.of(args[0]))
        query = getattr(sent, "params", None)
        if headers or query:
            call.keep_from_records(those_that_tell(of_request(headers, query)))
        added: dict[str, Any] = {}
        if options.stream_usage and kwargs.get("stream"):
            hideable = self._is_own(kwargs.get("stream_cls")) and not _is_raw(headers)
            if hideable and request.base_url not in _without_usage:
                more = call.usage_options(request)
                if more:
                    added["json_data"] = {**sent.json_data, **more}
        parser = getattr(sent, "post_parser", None)
        if callable(parser):
            added["post_parser"] = _watched_parser(parser, call)
        if options.propagate and not _has_traceparent(args[0], headers):
            added["headers"] = {**headers, "traceparent": call.traceparent}
        if added:
            _send(args, kwargs, sent, added)

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
            client = args[0]
            _without_usage.add(self._provider(client.base_url, type(client))[1])
            _send(args, kwargs, sent, {"json_data": body})
            call.usage_asked = None
        except Exception:  # noqa: BLE001 - the guard
            internal_error("sending a request again")
            return False
        return True

    def _provider(self, url: Any, client: type) -> tuple[str | None, str]:
        last, last_client, found = self._last
        # Mostly the same client calls again: writing a URL as text is dear.
        if url is not last or client is not last_client:
            default = provider_of_client(client) or self._template.default_provider
            found = provider_of(str(url), default)
            self._last = (url, client, found)
        return found

    def _other(self, method: str, path: str, body: Mapping[str, Any]) -> type[Extractor] | None:
        """The extractor of a call whose path is not in the table."""
        template = self._template
        asks_model = method == "POST" and isinstance(body.get("model"), str)
        other = template.management if options.all_requests else None
        if asks_model and template.generic and not path.startswith(template.managed):
            other = template.generic
        return None if other is None else resolve(other)

    def returned(self, call: Call, result: Any) -> None:
        """Take what `request` gave: a model, a stream, a raw response, or a binary answer."""
        try:
            if hasattr(type(result), "__pydantic_serializer__"):
                # Asked of the class: a model looks long for an attribute that it has not.
                request_id = vars(result).get("_request_id")
                if request_id:
                    call.add_fields({"request_id": request_id})
                call.answered(_json(call.condensed(result)))
                return
            if is_watchable(result, self._stream):
                call.streaming()
                call.add_fields(self._request_id(result.response))
                watch_stream(result, call)
                return
            response = _response_of(result)
            if response is None or library_of(response) is None:
                call.answered(_json(result))
                return
            call.streaming()
            call.add_fields(self._request_id(response))
            watch_body(response, call)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading an answer")
            call.answered(None)

    def failed(self, args: list[Any], call: Call, exception: BaseException) -> None:
        """Take the exception, and the answer that the SDK could not parse, if it has that."""
        try:
            call.keep_from_records(self._secrets.of(args[0]))  # a key may have been fetched since
            answer = call.refused_answer
            if answer is None:
                answer = getattr(exception, "completion", None)  # openai's LengthFinishReasonError
            answer = None if answer is None else _json(call.condensed(answer))
            if answer is None:
                self._read_refused(call, exception)
        except Exception:  # noqa: BLE001 - the guard
            answer = None
            internal_error("reading an answer")
        call.failed(exception, answer)

    def _read_refused(self, call: Call, exception: BaseException) -> None:
        """Let the call read a body that is not what its server calls it: the SDK gives up there."""
        response = _unparsed(exception, self._template.module)
        library = None if response is None else library_of(response)
        content = None if library is None else vars(response).get("_content")
        if library is not None and isinstance(content, bytes):
            call.add_fields(self._request_id(response))
            body = Body(response, sys.modules[library], call.span)
            body.keep_whole(content)
            call.reads_at_end(body.rest)

    def _request_id(self, response: Any) -> dict[str, Any]:
        value = response.headers.get(self._template.request_id)
        return {"request_id": value} if isinstance(value, str) and value else {}


def _sent(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The options of a call of `request`; None: it is called in a way that the SDK refuses."""
    sent = args[2] if len(args) > 2 else kwargs.get("options") if args else None
    said = (getattr(sent, "url", None), getattr(sent, "method", None))
    return sent if all(isinstance(one, str) for one in said) else None


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


def _watched_parser(parser: Callable[[Any], Any], call: Call) -> Callable[[Any], Any]:
    """Wrap the function that makes a user's model of an answer; keep an answer that it refuses."""

    def parse(answer: Any) -> Any:
        try:
            return parser(answer)
        except BaseException:
            call.refused_answer = answer
            raise

    return parse


def _elsewhere(url: str, provider: str | None, base_url: str) -> tuple[str | None, str, str]:
    """Provider, base and path of a call of a whole URL, which may be another service's."""
    other, whole = provider_of(url)
    if is_below(whole, base_url):
        return provider, base_url, whole.removeprefix(base_url) or "/"
    path = urlsplit(whole).path
    return other, whole.removesuffix(path), path or "/"


def _body(sent: Any) -> dict[str, Any]:
    """The JSON body or form as the caller meant it, without what is "not given".

    `extra_body` is merged, and files stand under their field's name.
    """
    body = sent.json_data if isinstance(sent.json_data, dict) else {}
    extra = getattr(sent, "extra_json", None)
    if extra and isinstance(extra, Mapping):
        body = {**body, **extra}
    if getattr(sent, "files", None):
        body = {**body, **described_files(sent.files)}
    return {key: value for key, value in body.items() if not is_sentinel(type(value))}


def _json(result: Any) -> Any:
    """A model's JSON as it came: what the provider left unsaid stays unsaid."""
    serializer = getattr(type(result), "__pydantic_serializer__", None)
    if serializer is None:
        return result
    how: dict[str, Any] = {"exclude_unset": True, "by_alias": True, "warnings": False}
    if type(result).__name__.startswith("Parsed"):
        how["exclude"] = _PARSED
    try:
        data: bytes = serializer.to_json(result, **how)
        # pydantic writes NaN and infinities as null, which most answers have where no text is.
        nulls = data.count(b"null")
        if nulls <= sum(map(data.count, _NEVER_NUMBERS)) or not holds_odd_float(result):
            return data
    except ValueError:  # pydantic's, for text that is not UTF-8, such as a lone surrogate
        pass
    try:
        return serializer.to_python(result, **how)
    except Exception:  # noqa: BLE001 - 255 levels, half a character in a name
        return copied(result)


def _unparsed(exception: BaseException, module: str) -> Any:
    """The HTTP response that an SDK was parsing when it met an exception; or None.

    Nothing public tells: the SDK's own method has it, among those that the exception has passed.
    """
    found = None
    step = exception.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        if frame.f_code.co_name in _PARSING and str(frame.f_globals.get("__name__")).startswith(
            f"{module}._"
        ):
            known = frame.f_locals
            found = known.get("response") or getattr(known.get("self"), "http_response", None)
    return found


def _response_of(result: Any) -> Any:
    """The HTTP response in a raw or binary answer or in a user's own kind of stream; or None."""
    for name in ("http_response", "response"):
        response = getattr(result, name, None)
        if response is not None:
            return response
    return result if hasattr(result, "iter_raw") else None  # he asked for just that


def _is_raw(headers: Mapping[str, Any]) -> bool:
    """Whether the user reads the response himself."""
    return any(name.lower() == _RAW_RESPONSE for name in headers)


def _has_traceparent(client: Any, headers: Mapping[str, Any]) -> bool:
    """Whether the caller sends one of his own, with this call or with all of this client."""
    own = getattr(client, "_custom_headers", None) or {}
    if any(name.lower() == "traceparent" for name in (*headers, *own)):
        return True
    transport = getattr(client, "_client", None)
    return "traceparent" in getattr(transport, "headers", ())


def _wrap_should_retry(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def should_retry(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        call = calling.get()
        if answer and call is not None and is_on():
            response = args[1] if len(args) > 1 else kwargs.get("response")
            call.refused(getattr(response, "status_code", None))
        return answer

    return should_retry


def _wrap_retry_timeout(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def calculate_retry_timeout(*args: Any, **kwargs: Any) -> Any:
        wait = original(*args, **kwargs)
        call = calling.get()
        if call is not None and is_on():
            call.retried(wait)
        return wait

    return calculate_retry_timeout


def _wrap_build_request(
    original: Callable[..., Any], is_on: Callable[[], bool]
) -> Callable[..., Any]:
    def build_request(*args: Any, **kwargs: Any) -> Any:
        request = original(*args, **kwargs)
        call = calling.get()
        if call is not None and is_on():
            call.sends(request)
        return request

    return build_request


# Private, but in every version from 1.0 on. Without the first, keys that only the HTTP client
# knows are not looked for; without the others there are no events of retries.
_PRIVATE_HOOKS = {
    "_build_request": _wrap_build_request,
    "_should_retry": _wrap_should_retry,
    "_calculate_retry_timeout": _wrap_retry_timeout,
}
