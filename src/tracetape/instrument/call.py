"""One traced call: its span, its extractor, and its one end, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeAlias
from weakref import WeakSet

from tracetape._forks import RECORDERS, at_fork
from tracetape._system import perf_counter_ns
from tracetape.capture import encode
from tracetape.diagnostics import guarded_method, internal_error
from tracetape.entities.event import SpanEvent
from tracetape.instrument.copying import encoded
from tracetape.instrument.credentials import secrets_of_exception
from tracetape.instrument.events import events_of, json_object_of
from tracetape.instrument.integration import Extractor, Request
from tracetape.instrument.propagation import propagate
from tracetape.instrument.unread import (
    CHUNK_BYTES,
    COUNTED,
    Builder,
    Event,
    Texts,
    Unread,
    described,
    read_json,
    taken,
)
from tracetape.live.live_span import LiveSpan
from tracetape.live.running_span import read_late
from tracetape.recorder.lifecycle import at_end

__all__ = ["Call", "calling", "end_streams", "open_streams"]

# Reads what has come of a body: gives its chunks to the call, or gives back the plain answer; and
# whether it saw the end of a stream.
Rest: TypeAlias = Callable[["Call"], tuple[Any, bool]]

# The call that a client is making in this context: what the SDK does meanwhile belongs to it.
calling: ContextVar[Call | None] = ContextVar("tracetape_call", default=None)
# The calls whose answers are streams, or bodies that the user reads.
open_streams: WeakSet[Call] = WeakSet()
at_fork(RECORDERS, in_child=open_streams.clear)  # they are the parent's to end


class Call:
    """The life of one call, from its request to its end; every method is guarded."""

    __slots__ = (
        "__weakref__",
        "_count",
        "_event",
        "_first",
        "_held",
        "_last",
        "_latest",
        "_rest",
        "_retries",
        "_span",
        "_started",
        "_status_code",
        "_texts",
        "_unread",
        "client",
        "propagates",
        "response",
        "sent",
        "usage_asked",
    )

    def __init__(self, span: LiveSpan, unread: Unread) -> None:
        """Watch over `span`, which has just begun."""
        self._span = span
        self._unread = unread
        self._started = perf_counter_ns()
        self._first = self._last = self._count = self._retries = 0
        self._held = 0  # bytes of the stream, about, that the span counts
        self._status_code: int | None = None
        self.usage_asked: dict[str, Any] | None = None  # added to the body; its answer is hidden
        self._latest: Any = None  # the chunk that came last
        self._event: Event | None = None  # and what it was made of, if its text is kept
        self._texts = Texts()
        self._rest: Rest | None = None
        self.propagates = False  # whether its request is to have a `traceparent`
        # Until the first request is built: the client, and the options of its SDK that it is of.
        self.client: Builder | None = None
        self.sent: Any = None
        self.response: Any = None  # the HTTP response that the SDK reads

    def describe(self, request: Request) -> None:
        """Record what is asked: its JSON now, and what that says when the span is read."""
        try:
            span, kind = self._span, self._unread.kind
            extractor = self._unread.extractor
            data = encode(extractor.inputs(request))
            span._keep_inputs(data)
            if kind.reads_later and kind.inputs is Extractor.inputs and data[:1] == b"{":
                self._leave_unread()
                return
            self._unread.asked = None
            attributes, fields = described(extractor, request)
            span.set_attributes(attributes)
            span.set_fields(fields)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a request")

    def describe_later(self, given: Callable[[], dict[str, Any]]) -> None:
        """Wait for the JSON that the SDK sends; until then `given` gives what is asked."""
        self._unread.given = given
        self._leave_unread()

    def takes_request(self, content: bytes | None) -> None:
        """Take the JSON that the SDK sends, by reference; without one, what was given until now."""
        given, self._unread.given = self._unread.given, None
        if given is None:
            return  # it is described
        if content is not None:
            self._span._keep_inputs(content)
        elif self._unread.asked is not None:
            self.describe(self._unread.asked._replace(body=given()))

    def _leave_unread(self) -> None:
        self._span.set_unread(self._unread)

    def keep_from_records(self, secrets: frozenset[str]) -> None:
        """Never write these values, wherever they turn up in its trace."""
        if secrets:
            self._span._trace.keep_from_records(secrets)

    def sends(self, request: Any) -> None:
        """Take an HTTP request that is about to be sent: never write what it logs in with.

        Args:
            request: httpx's, httpx2's or requests'; it is read on the writing thread.
        """
        try:
            headers, url = request.headers, request.url
            self._span._trace.sends(self._span, (headers, url))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("looking at a request")

    def builds(self, request: Any, sent: Any) -> None:
        """Take the request that the SDK has just built of `sent`, and that can still be changed."""
        self.sends(request)
        try:
            if self.propagates:
                propagate(request.headers, self._span)
            if self.client is not None:
                self.client.takes_request(self, request, sent)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("looking at a request")

    @property
    def span(self) -> LiveSpan:
        """The span of the call."""
        return self._span

    @property
    def has_chunks(self) -> bool:
        """Whether a streamed chunk has come."""
        return self._count > 0

    def usage_options(self, request: Request) -> dict[str, Any] | None:
        """Fields to add to the body; from then on the chunk that answers them is hidden."""
        self.usage_asked = self._unread.added = self._unread.extractor.usage_options(request)
        return self.usage_asked

    def refused(self, status_code: int | None) -> None:
        """The server's answer is one that the SDK tries again after."""
        self._status_code = status_code

    @guarded_method
    def retried(self, wait: float) -> None:
        """The SDK is about to try again, in `wait` seconds; an event of the one span.

        The count is OpenTelemetry's ``http.request.resend_count``.
        """
        self._retries += 1
        said: dict[str, Any] = {
            "http.request.resend_count": self._retries,
            "retry.wait_seconds": wait,
        }
        if self._status_code is not None:
            said["http.response.status_code"] = self._status_code
        self._status_code = None
        self._span.add_event(SpanEvent("retry", attributes=said))
        self._span.set_fields({"retries": self._retries})

    def streaming(self) -> None:
        """Its end is the user's to reach: if the program ends before, what came is kept."""
        open_streams.add(self)
        self._span._trace.sink.may_stay_open(self._span)

    def reads_at_end(self, rest: Rest) -> None:
        """Read the answer when the call ends, however it ends."""
        self._rest = rest

    def chunk(self, chunk: Any, at: int = 0) -> bool:
        """Take a streamed chunk, which came at `at` or now; whether the user is to have it."""
        self._last = at or perf_counter_ns()
        self._count += 1
        self._latest = chunk
        try:
            if not self._first and not self._unread.extractor.is_head(chunk):
                self._first = self._last
            self._unread.extractor.chunk(chunk)
            if not self._count % COUNTED:
                self._count_held()
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a streamed chunk")
        return not self.usage_asked or not self._is_hidden(chunk)

    def _count_held(self) -> None:
        """Tell the span what the extractor holds of the stream; if that is too much, let it go."""
        self._held += COUNTED * CHUNK_BYTES
        self._span._grow(COUNTED * CHUNK_BYTES)
        if self._span._trace.dropped:
            self._unread.forget_chunks()

    def keeps_texts(self, event: Event) -> bool:
        """Whether `keep` may take the place of `chunk`; `event` has the text of each."""
        if not self._unread.kind.reads_later:
            return False
        self._event = event
        return True

    def keep(self, chunk: Any) -> bool:
        """As `chunk`, which came now; of it the text is kept, and read when the span is."""
        text = None if self._event is None else self._event.text
        if text is None:
            return self.chunk(chunk)
        self._last = perf_counter_ns()
        self._latest = chunk
        self._texts.append(text)
        self._count = count = self._count + 1
        if count < COUNTED:
            self._texts.times.append(self._last)  # which of them is the first is found out later
        elif not count % COUNTED or not self._first:
            self._look_at(chunk)
        return not self.usage_asked or not self._is_hidden(chunk)

    @guarded_method
    def _look_at(self, chunk: Any) -> None:
        if self._count == COUNTED:
            self._first = self._texts.first(self._unread)
        if not self._first and not self._unread.extractor.is_head(chunk):
            self._first = self._last
        if not self._count % COUNTED:
            self._held = self._texts.counted(self._span, self._unread, self._held)

    @guarded_method
    def add_fields(self, fields: dict[str, Any]) -> None:
        """Record what is known in addition to the answer."""
        self._span.set_fields(fields)

    def answered_with(self, headers: Any, name: str) -> None:
        """Take the answer's headers; `name` is the one that has its id."""
        self._unread.headers = (headers, name)
        self._leave_unread()

    def condensed(self, answer: Any) -> Any:
        """The plain answer, or what is to be kept of it."""
        return self._unread.extractor.condensed(answer)

    def content(self, response: Any) -> bytes | None:
        """The plain answer as it came, if that is what is to be kept of it."""
        is_whole = response is not None and self._unread.kind.condensed is Extractor.condensed
        content = vars(response).get("_content") if is_whole else None  # else the user reads it
        return content if isinstance(content, bytes) else None

    def answered(self, body: Any) -> None:
        """End with a plain answer: JSON values, JSON as bytes, text, or an `Attachment`."""
        span = self._span
        if span._end is None:
            try:
                if type(body) is str:
                    if self._takes_events(body):
                        self._keep_stream("exhausted")
                        return
                    body = json_object_of(body)
                if self._unread.kind.reads_later and isinstance(body, (bytes, dict)):
                    span._keep_outputs(body if type(body) is bytes else encoded(body))
                    self._unread.answered = True
                    self._leave_unread()
                else:
                    self._read(body)
            except Exception:  # noqa: BLE001 - the guard
                internal_error("reading an answer")
            finally:
                span._finish()

    def _takes_events(self, text: str) -> bool:
        """Take a stream that a server has called text, and whose events nobody has read."""
        if self._count:
            return False
        for event in events_of(text):
            self.chunk(event)
        return self._count > 0

    def _read(self, body: Any) -> None:
        read_late(self._span)  # the request, before its answer
        is_content = isinstance(body, str) or hasattr(body, "__tracetape_json__")
        read, data = read_json(body if isinstance(body, bytes) else encoded(body))
        self._span._keep_outputs(data)
        read = body if is_content else read
        if read is None:  # a body of null says nothing; to the extractor it would be a stream
            return
        result = self._unread.extractor.result(read)
        if result.outputs is not None:
            self._span._keep_outputs(encoded(result.outputs))
        self._span.set_fields(taken(self._span, result))

    @guarded_method
    def ended(self, reason: str) -> None:
        """End a stream, with what came so far; `reason` says how it came to its end."""
        if self._span._end is None:
            answer, is_whole = self._read_rest()
            if answer is not None:
                self.answered(answer)
                return
            try:
                self._keep_stream("exhausted" if is_whole else reason)
            finally:
                self._span._finish(self._end_of_stream())

    @guarded_method
    def failed(self, exception: BaseException, answer: Any = None) -> None:
        """End with an exception, which the caller raises again, and the `answer` it came after."""
        if self._span._end is None:
            try:
                self.keep_from_records(secrets_of_exception(exception))
                if answer is None:
                    answer, _ = self._read_rest()
                if answer is not None:
                    self._read(answer)
                elif self._count:
                    self._keep_stream("error")
                    self._read_stream()  # what it says comes before the exception
                self._span._failed(exception)
            finally:
                self._span._finish()

    def _read_rest(self) -> tuple[Any, bool]:
        """A plain answer that came by parts, or None; whether a stream was there to its end."""
        rest, self._rest = self._rest, None
        try:
            answer, is_whole = (None, False) if rest is None else rest(self)
            is_whole = is_whole or (self._count > 0 and self._unread.extractor.is_end(self._latest))
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a response's body")
            return None, False
        return answer, is_whole

    def _keep_stream(self, reason: str) -> None:
        fields: dict[str, Any] = {"streamed": True, "stream_end": reason}
        fields["chunk_count"] = self._count
        if self._count:
            if not self._first and self._count < COUNTED:
                self._first = self._texts.first(self._unread)
            if self._first:
                fields["time_to_first_token_ns"] = self._first - self._started
            if self._texts:
                self._unread.texts, self._texts = self._texts, Texts()
                self._leave_unread()
            else:
                read_late(self._span)  # the request, before its answer
                result = self._unread.extractor.result(None)
                self._span._grow(-self._held)
                self._span._keep_outputs(encoded(result.outputs))
                self._span.set_fields(taken(self._span, result))
        self._span.set_fields(fields)

    def _read_stream(self) -> None:
        if self._unread.texts is not None:
            read_late(self._span)
            self._span._grow(len(self._span._outputs or b"") - self._held)

    def _is_hidden(self, chunk: Any) -> bool:
        try:
            return self._unread.extractor.is_hidden(chunk)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("looking for the chunk with the usage")
            return False

    def _end_of_stream(self) -> int | None:
        # When the last chunk was taken: an abandoned stream may be collected much later.
        return self._span._trace.clock + self._last if self._count else None

    def __del__(self) -> None:
        if self._span._end is None:
            self.ended("abandoned")


@at_end
def end_streams() -> None:
    """End the streams that the program has not read to their end."""
    for call in list(open_streams):
        call.ended("exit")
