"""A tape made of a stored trace: what its calls of models asked, and what was answered."""

from __future__ import annotations

import ast
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tracetape.apis import endpoint_of, resolve
from tracetape.capture import encode
from tracetape.cassettes import Chunk, Interaction, RecordedError, Request, Response
from tracetape.entities import Span, SpanStatusCode, Trace
from tracetape.entities.attachment import Attachment
from tracetape.exceptions import InvalidValueError
from tracetape.exchange.replay import (
    AnyReplay,
    Replay,
    StoredCall,
    UnfitError,
    data_event,
    field_of,
)

__all__ = ["calls_of", "interactions_of"]

_JSON = [("content-type", "application/json")]
_SSE = [("content-type", "text/event-stream")]
_MISS = "tracetape.exceptions.CassetteMissError: "
_SOON = [("retry-after-ms", "1")]  # the SDK waits as long as that before it tries again
Attachments = Callable[[str], "Attachment | None"]


def calls_of(trace: Trace, spans: Collection[str] = ()) -> list[Span]:
    """The spans of a trace's calls, in the order in which they began.

    A call is a span that an integration made: it knows the URL, and has the bodies as inputs and
    outputs.

    Args:
        trace: the trace.
        spans: ids of the spans to take, or what they begin with; none: all calls.

    Raises:
        InvalidValueError: there is no such span, or several, or no call at all.
    """
    chosen = {_span_id(trace, wanted) for wanted in spans}
    calls = [
        span
        for span in trace.data.spans
        if span.span_id in chosen or (not spans and _is_call(span))
    ]
    if not calls:
        raise InvalidValueError(
            f"the trace {trace.trace_id} has no calls of models that a tape could replay: only "
            "those that an integration has traced (`tracetape.autolog()`) can be"
        )
    return sorted(calls, key=lambda span: span.start_time_ns)


def _span_id(trace: Trace, wanted: str) -> str:
    """The id of the span that a user means by the beginning of one, in upper or lower case."""
    ids = [span.span_id for span in trace.data.spans]
    found = {one for one in ids if wanted and one.startswith(wanted.lower())}
    if len(found) == 1:
        return found.pop()
    if found:
        raise InvalidValueError(
            f"{wanted!r} is the beginning of several spans' ids ({', '.join(sorted(found)[:3])}): "
            "give more of it"
        )
    raise InvalidValueError(
        f"the trace {trace.trace_id} has no span {wanted!r}: "
        f"`tracetape show --full {trace.trace_id}` shows their ids"
    )


def interactions_of(span: Span, attachments: Attachments) -> list[Interaction]:
    """The interactions that a cassette would hold of a call.

    Refused attempts are there as often as the SDK tried again. A stream is made of the answer:
    its text is that of the recorded run, the borders of its chunks are not.

    Args:
        span: one of `calls_of`.
        attachments: gives an attachment by its id.

    Raises:
        InvalidValueError: it cannot be replayed; the error says why.
    """
    try:
        return [*_interactions(span, attachments)]
    except UnfitError as reason:
        raise InvalidValueError(
            f"the span {span.span_id} ({span.name}) cannot be replayed: {reason}"
        ) from None


def _is_call(span: Span) -> bool:
    return field_of(span, "path") is not None and field_of(span, "base_url") is not None


def _interactions(span: Span, attachments: Attachments) -> Iterator[Interaction]:
    if not _is_call(span):
        raise UnfitError("it was not made by an integration, so its URL and bodies are not known")
    path = str(field_of(span, "path"))
    replay = _replay_of(span, path)
    body = _media(span.inputs, attachments)
    if not isinstance(body, dict):
        raise UnfitError("its inputs are not the body of a request")
    call = StoredCall(span, path, body, _media(span.outputs, attachments))
    request = Request("POST", replay.url(call), [*_JSON], encode(replay.body(call)))
    for event in span.events:
        if event.name == "retry":
            yield _refused(request, event.attributes.get("http.response.status_code"))
    yield _answered(call, replay, request)


def _replay_of(span: Span, path: str) -> Replay:
    """The replay of the endpoint, by the table of endpoints."""
    endpoint = endpoint_of(path)
    if endpoint is None and span.name == f"POST {path}":
        return AnyReplay()
    reference = None if endpoint is None else endpoint.replay
    replay = None if reference is None else resolve(reference)
    if replay is None:
        raise UnfitError(f"tracetape does not know the requests and answers of {path}")
    if replay.refusal:
        raise UnfitError(replay.refusal)
    made: Replay = replay()
    return made


def _refused(request: Request, status: Any) -> Interaction:
    """An attempt after which the SDK tried again."""
    if not isinstance(status, int):
        return Interaction(request, None, RecordedError("ConnectError", "Connection error."))
    return Interaction(request, Response(status, "", [*_JSON, *_SOON], [Chunk(b"{}")]))


def _answered(call: StoredCall, replay: Replay, request: Request) -> Interaction:
    failure = _failure(call.span)
    if call.answer is None:
        if failure is None:
            raise UnfitError("it has no outputs, so there is no answer to give")
        return _failed(request, *failure)
    answer = replay.answer(call)
    request_id, ending = call.field("request_id"), call.field("stream_end")
    head = [("x-request-id", str(request_id))] if request_id else []
    if not call.field("streamed"):
        return Interaction(request, Response(200, "OK", [*_JSON, *head], [Chunk(encode(answer))]))
    chunks = [Chunk(event) for event in replay.events(call, answer)]
    response = Response(200, "OK", [*_SSE, *head], chunks)
    if failure is not None and ending == "error":
        kind, message = failure
        if kind != "APIError":
            return Interaction(request, response, RecordedError(kind, message))
        response.chunks.append(Chunk(data_event({"error": {"message": message}})))
    elif ending == "exhausted":
        if replay.done:
            response.chunks.append(Chunk(replay.done))
    else:
        response.cut = True  # its reader left
    return Interaction(request, response)


def _failure(span: Span) -> tuple[str, str] | None:
    """Class and message of the exception that ended the call."""
    if span.status.status_code is not SpanStatusCode.ERROR:
        return None
    for event in reversed(span.events):
        if event.name == "exception":
            said = event.attributes
            if _MISS in str(said.get("exception.stacktrace")):  # older SDKs make their own of it
                return "CassetteMissError", str(said.get("exception.message"))
            return str(said.get("exception.type")), str(said.get("exception.message"))
    return None


def _failed(request: Request, kind: str, message: str) -> Interaction:
    """A call without an answer: an error of the server, or none at all."""
    status, body = _status_of(message)
    if status is not None:
        # Only what was not tried again came out as an exception.
        headers = [*_JSON, ("x-should-retry", "false")]
        return Interaction(request, Response(status, "", headers, [Chunk(body)]))
    if kind == "APITimeoutError":
        return Interaction(request, None, RecordedError("ReadTimeout", message))
    if kind == "APIConnectionError":
        return Interaction(request, None, RecordedError("ConnectError", message))
    if kind == "CassetteMissError":
        raise UnfitError(
            "its request was not on the cassette that was replayed, so no server answered: record "
            "it there with mode 'new_episodes', or choose other calls with --span"
        )
    raise UnfitError(
        f"it ended with {kind}, which is not an answer from a server: choose other calls with "
        "--span"
    )


def _status_of(message: str) -> tuple[int | None, bytes]:
    """Parse the SDK's text ``Error code: 404 - {…}``, whose body is in Python's notation."""
    head, separator, said = message.partition(" - ")
    code = head.removeprefix("Error code: ")
    if code == head or not code.isdecimal():
        return None, b""
    if not separator:
        return int(code), b"{}"
    # Old versions of the SDK show the body in Python's notation, new ones its message only.
    value: Any = None
    if said.startswith("{"):
        try:
            value = ast.literal_eval(said)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            value = None
    return int(code), encode(value if isinstance(value, dict) else {"error": {"message": said}})


def _media(value: Any, attachments: Attachments) -> Any:
    """`value` with the media themselves in the place of references to them."""
    if isinstance(value, dict):
        return {key: _media(item, attachments) for key, item in value.items()}
    if isinstance(value, list):
        return [_media(item, attachments) for item in value]
    said = Attachment.parse_ref(value) if isinstance(value, str) else None
    if said is None:
        return value
    found = attachments(str(said["attachment_id"]))
    if found is None:
        raise UnfitError(f"the attachment {said['attachment_id']} was not stored")
    text = b64encode(found.content_bytes).decode()
    if parse_qs(urlsplit(value).query).get("encoding") == ["base64"]:
        return text
    return f"data:{found.content_type};base64,{text}"
