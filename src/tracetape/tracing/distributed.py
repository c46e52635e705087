"""MLflow's place for carrying a trace over HTTP."""

from __future__ import annotations

from tracetape.tracing.trace_context import (
    get_tracing_context_headers_for_http_request,
    set_tracing_context_from_http_request_headers,
)

__all__ = [
    "get_tracing_context_headers_for_http_request",
    "set_tracing_context_from_http_request_headers",
]
