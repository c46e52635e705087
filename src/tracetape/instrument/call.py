"""One traced call: its span, its extractor, and its one end, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns
from typing import Any, ParamSpec

from tracetape.capture import decode, encode
from tracetape.diagnostics import internal_error
from tracetape.entities.constants import SpanStatusCode
from tracetape.entities.live_span import LiveSpan
from tracetape.entities.status import SpanStatus
from tracetape.instrument.integration import Extractor, Request, Result
from tracetape.tracing.beginning import begin_span

__all__ = ["Call", "begin_call"]

_P = ParamSpec("_P")


def _guarded(method: Callable[_P, None]) -> Callable[_P, None]:
    """Whatever fails in `method` is reported, and the user's call goes on."""

    @wraps(method)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:  # noqa: BLE001 - the guard
            internal_error(f"tracing a call ({method.__name__})")

    return guarded


def begin_call(extractor: Extractor, request: Request) -> Call | None:
    """Begin the span of a call, below the current span; it never is the current one itself.

    None: it is not to be recorded.
    """
    span = begin_span(extractor.name(request), extractor.span_type)
    if span is None:
        return None
    call = Call(span, extractor)
    call.describe(request)
    return call


class Call:
    """The life of one call, from its request to its end; every method is guarded."""

    __slots__ = ("_count", "_extractor", "_first", "_last", "_span", "_started")

    def __init__(self, span: LiveSpan, extractor: Extractor) -> None:
        """Watch over `span`, which has just begun."""
        self._span = span
        self._extractor = extractor
        self._started = perf_counter_ns()
        self._first = self._last = self._count = 0

    @_guarded
    def describe(self, request: Request) -> None:
        """Record what is asked."""
        self._span._inputs = encode(self._extractor.inputs(request))
        attributes, fields = self._extractor.request(request)
        self._span.set_attributes(attributes)
        self._span.set_fields(fields)

    def chunk(self, chunk: Any) -> None:
        """Take a streamed chunk."""
        self._last = perf_counter_ns()
        if self._count == 0:
            self._first = self._last
        self._count += 1
        try:
            self._extractor.chunk(chunk)
        except Exception:  # noqa: BLE001 - the guard
            internal_error("reading a streamed chunk")

    @_guarded
    def add_fields(self, fields: dict[str, Any]) -> None:
        """Record what is known beside the answer."""
        self._span.set_fields(fields)

    @_guarded
    def answered(self, body: Any) -> None:
        """End with a plain answer: JSON values, JSON as bytes, text, or an `Attachment`."""
        if self._span._end is None:
            try:
                data = body if isinstance(body, bytes) else encode(body)
                self._span._outputs = data
                is_content = isinstance(body, str) or hasattr(body, "__tracetape_json__")
                value = body if is_content else decode(data)
                result = self._extractor.result(value)
                if result.outputs is not None:
                    self._span._outputs = encode(result.outputs)
                self._keep(result)
            finally:
                self._span._finish()

    @_guarded
    def ended(self, reason: str) -> None:
        """End a stream, with what came so far; `reason` says how it came to its end."""
        if self._span._end is None:
            try:
                self._keep_stream(reason)
            finally:
                self._span._finish(self._end_of_stream())

    @_guarded
    def failed(self, exception: BaseException) -> None:
        """End with an exception, which the caller raises again."""
        if self._span._end is None:
            try:
                if self._count:
                    self._keep_stream("error")
                self._span._failed(exception)
            finally:
                self._span._finish()

    def _keep_stream(self, reason: str) -> None:
        fields: dict[str, Any] = {"stream_end": reason, "chunk_count": self._count}
        if self._count:
            fields["time_to_first_token_ns"] = self._first - self._started
            result = self._extractor.result(None)
            self._span._outputs = encode(result.outputs)
            self._keep(result)
        self._span.set_fields(fields)

    def _keep(self, result: Result) -> None:
        self._span.set_fields(result.fields)
        if result.error is not None:
            self._span.set_status(SpanStatus(SpanStatusCode.ERROR, result.error))

    def _end_of_stream(self) -> int | None:
        # When the last chunk was taken: an abandoned stream may be collected much later.
        return self._span._trace.clock + self._last if self._count else None

    def __del__(self) -> None:
        if self._span._end is None:
            self.ended("abandoned")
