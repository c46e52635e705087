"""Scopes: settings for the traces that begin inside, and parents in another process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tracetape.diagnostics import logger
from tracetape.formats.names import SESSION, USER
from tracetape.tracing.current import Remote, Scope, current, current_span

__all__ = [
    "context",
    "get_tracing_context_headers_for_http_request",
    "set_tracing_context_from_http_request_headers",
]

# W3C Trace Context, "traceparent header field values": version-traceid-parentid-flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@contextmanager
def context(
    metadata: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    enabled: bool | None = None,
    session_id: str | None = None,
    user: str | None = None,
) -> Iterator[None]:
    """Settings for the traces that begin inside; an inner one wins, the rest is inherited.

    Holds for this thread or task and what it starts. After ``mlflow.tracing.context``.

    Args:
        metadata: metadata of these traces.
        tags: tags of these traces.
        enabled: False records nothing inside.
        session_id: metadata ``mlflow.trace.session``.
        user: metadata ``mlflow.trace.user``.
    """
    said = dict(metadata or {})
    if session_id is not None:
        said[SESSION] = session_id
    if user is not None:
        said[USER] = user
    with _inside(Scope(current.get(), enabled=enabled, metadata=said, tags=dict(tags or {}))):
        yield


def get_tracing_context_headers_for_http_request() -> dict[str, str]:
    """Headers that make the spans of the service that gets them children of the active span.

    Returns:
        ``traceparent`` of W3C Trace Context; empty, with a warning, without an active span.
    """
    span = current_span()
    if span is None:
        logger.warning("There is no active span, so there are no tracing headers.")
        return {}
    return {"traceparent": f"00-{span._trace_id:032x}-{span._span_id:016x}-01"}


@contextmanager
def set_tracing_context_from_http_request_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """The spans that begin inside belong to the trace that `headers` name.

    `get_current_active_span()` stays None until one begins. Without a usable ``traceparent``
    there is one warning and nothing changes; one whose flags say "not sampled" records nothing.

    Args:
        headers: a request's headers, in any case.
    """
    value = next((v for k, v in headers.items() if k.lower() == "traceparent"), None)
    match = None if value is None else _TRACEPARENT.fullmatch(value.strip())
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        logger.warning("No valid traceparent header among the request's: %r", value)
        yield
        return
    remote = Remote(int(match[1], 16), int(match[2], 16))
    sampled = bool(int(match[3], 16) & 1)
    with _inside(Scope(current.get(), remote=remote, dropped=not sampled)):
        yield


@contextmanager
def _inside(scope: Scope) -> Iterator[None]:
    current.set(scope)
    try:
        yield
    finally:
        if current.get() is scope:  # elsewhere something else may be current: it stays so
            current.set(scope._previous)
