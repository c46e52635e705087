"""The header that makes what a server does a child of a call (W3C Trace Context)."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from tracetape.live.live_span import LiveSpan

__all__ = ["propagate"]

_TRACEPARENT = b"traceparent"
_HEADER_ITEMS = 3  # the name as it is written, the name in lower case, the value
_lowered = itemgetter(1)


def propagate(headers: Any, span: LiveSpan) -> None:
    """Make what the server does a child of the call (W3C Trace Context), unless the user does."""
    entries = getattr(headers, "_list", None)
    if type(entries) is list and entries and len(entries[0]) == _HEADER_ITEMS:
        # httpx's headers: asking and setting by its own methods takes eight times as long.
        if _TRACEPARENT not in map(_lowered, entries):
            entries.append((_TRACEPARENT, _TRACEPARENT, _value(span)))
    elif "traceparent" not in headers:
        headers["traceparent"] = _value(span).decode()


def _value(span: LiveSpan) -> bytes:
    return b"00-%032x-%016x-01" % (span._trace_id, span._span_id)
