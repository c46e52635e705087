"""Beside OpenTelemetry: its active span as our parent, and ours as its current one.

Imported only by `configure(otel_context=True)`; nothing else of ours touches OpenTelemetry.
"""

from __future__ import annotations

import importlib
from typing import Any

from tracetape.entities import LiveSpan
from tracetape.exceptions import IntegrationMissingError
from tracetape.tracing.current import Remote

__all__ = ["OtelContext"]


class OtelContext:
    """OpenTelemetry's context, read and set; never detached by a token (DESIGN, law 5)."""

    def __init__(self) -> None:
        """Find the API.

        Raises:
            IntegrationMissingError: ``opentelemetry-api`` is not installed.
        """
        try:
            self._context: Any = importlib.import_module("opentelemetry.context")
            self._trace: Any = importlib.import_module("opentelemetry.trace")
        except ImportError as error:
            raise IntegrationMissingError(
                "configure(otel_context=True) needs the package opentelemetry-api: "
                "run `pip install opentelemetry-api`"
            ) from error

    def parent(self) -> Remote | None:
        """The active OpenTelemetry span, be it a real one or ours."""
        found = self._trace.get_current_span().get_span_context()
        return Remote(found.trace_id, found.span_id) if found.is_valid else None

    def enter(self, span: LiveSpan) -> Any:
        """Make `span` OpenTelemetry's current one; gives what `leave` takes."""
        before = self._context.get_current()
        trace = self._trace
        shown = trace.NonRecordingSpan(
            trace.SpanContext(
                span._trace_id,
                span._span_id,
                is_remote=False,
                trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
            )
        )
        inside = trace.set_span_in_context(shown, before)
        self._context.attach(inside)
        return before, inside

    def leave(self, entered: Any) -> None:
        """Set back what was current before, unless something else is current here."""
        before, inside = entered
        if self._context.get_current() is inside:
            self._context.attach(before)
