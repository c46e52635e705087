"""The beginning of a traced call, with a span of its own."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from tracetape.capture import encode
from tracetape.diagnostics import guarded_method
from tracetape.entities.event import SpanEvent
from tracetape.formats.json_text import json_text
from tracetape.instrument.autolog_options import options
from tracetape.instrument.call import Call
from tracetape.instrument.chunks import plain
from tracetape.instrument.integration import Extractor, Request
from tracetape.instrument.unread import Event, Unread
from tracetape.live.live_span import LiveSpan
from tracetape.tracing.start import begin_span

__all__ = ["begin_call", "begin_unread", "noticed"]

# The calls that were recorded in this context, for who has put a list there.
noticed: ContextVar[list[LiveSpan] | None] = ContextVar("tracetape_noticed", default=None)


def begin_call(extractor: Extractor, request: Request, integration: str = "") -> Call | None:
    """Begin the span of a call, below the current span; it never is the current one itself.

    None: it is not to be recorded.

    Args:
        extractor: reads it.
        request: what is asked.
        integration: whose call it is, for `autolog(capture=…)`.
    """
    unread = Unread(type(extractor), request._replace(body={}), extractor)
    call = begin_unread(unread, extractor.name(request), extractor.span_type, integration)
    if call is not None:
        call.describe(request)
    return call


def begin_unread(unread: Unread, name: str, span_type: str, integration: str) -> Call | None:
    """As `begin_call`, of a call whose request is described later."""
    span = begin_span(name, span_type)
    if span is None:
        return None
    seen = noticed.get()
    if seen is not None:
        seen.append(span)
    call = (_CallWithChunks if options.chunk_events else Call)(span, unread)
    if options.capture:
        level = options.capture_of(integration)
        if level is not None:
            span.set_capture(level)
    return call


class _CallWithChunks(Call):
    """Also keeps each chunk that the user gets as an event of the span, under MLflow's name."""

    __slots__ = ("_shown",)

    def __init__(self, span: LiveSpan, unread: Unread) -> None:
        super().__init__(span, unread)
        self._shown = 0

    def keeps_texts(self, event: Event) -> bool:
        return False  # each chunk is shown when it comes, as the user gets it

    def chunk(self, chunk: Any, at: int = 0) -> bool:
        is_shown = super().chunk(chunk, at)
        if is_shown:
            self._keep_chunk(chunk)
        return is_shown

    @guarded_method
    def _keep_chunk(self, chunk: Any) -> None:
        span = self._span
        if span._end is None and not span._trace.dropped:
            name = f"mlflow.chunk.item.{self._shown}"
            said = {"mlflow.chunk.value": _text_of(chunk)}
            span.add_event(SpanEvent(name, span._trace.clock + self._last, said))
            self._shown += 1


def _text_of(chunk: Any) -> str:
    """A chunk as JSON in MLflow's spelling."""
    values = plain(chunk)
    try:
        return json.dumps(values, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):  # more than JSON: what `encode` is for, slower
        return json_text(encode(values))
