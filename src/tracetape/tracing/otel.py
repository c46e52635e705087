"""With OpenTelemetry: its active span as our parent, and ours as its current one.

Imported only by `configure(otel_context=True)`; nothing else of tracetape touches OpenTelemetry.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
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
                "`pip install opentelemetry-api`"
            ) from error

    def parent(self) -> Remote | None:
        """The active OpenTelemetry span, be it a real one or ours."""
        found = self._trace.get_current_span().get_span_context()
        return Remote(found.trace_id, found.span_id) if found.is_valid else None

    def enter(self, span: LiveSpan) -> Callable[[], None]:
        """Make `span` OpenTelemetry's current one; gives what sets back the one before."""
        before = self.current()
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

        def leave() -> None:
            if self.current() is inside:  # elsewhere something else may be current: it stays so
                self._context.attach(before)

        return leave

    def current(self) -> Any:
        """OpenTelemetry's current context."""
        return self._context.get_current()

    def swap(self, context: Any) -> Any:
        """Make another context the current one; gives the one before."""
        before = self.current()
        self._context.attach(context)
        return before
