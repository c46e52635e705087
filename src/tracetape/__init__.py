"""tracetape: see what your LLM program does, and replay it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetape import tracing
from tracetape._version import __version__
from tracetape.exceptions import TracetapeException
from tracetape.tracing import (
    add_trace,
    carry,
    configure,
    context,
    delete_trace_tag,
    flush,
    flush_trace_async_logging,
    get_active_trace_id,
    get_current_active_span,
    get_last_active_trace_id,
    get_trace,
    log_trace,
    set_trace_tag,
    start_span,
    start_span_no_context,
    stats,
    trace,
    update_current_trace,
)

if TYPE_CHECKING:
    from tracetape import entities, openai, testing
    from tracetape.cassettes import cassette
    from tracetape.instrument import autolog
    from tracetape.tracing.assessing import (
        delete_assessment,
        get_assessment,
        log_assessment,
        log_expectation,
        log_feedback,
        log_issue,
        override_feedback,
        update_assessment,
    )
    from tracetape.tracing.searching import search_sessions, search_traces

__all__ = [
    "TracetapeException",
    "__version__",
    "add_trace",
    "autolog",
    "carry",
    "cassette",
    "configure",
    "context",
    "delete_assessment",
    "delete_trace_tag",
    "entities",
    "flush",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_assessment",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "log_issue",
    "log_trace",
    "openai",
    "override_feedback",
    "search_sessions",
    "search_traces",
    "set_trace_tag",
    "start_span",
    "start_span_no_context",
    "stats",
    "testing",
    "trace",
    "tracing",
    "update_assessment",
    "update_current_trace",
]

# Loaded on first use: `import tracetape` must cost next to nothing.
_ASSESSING = (
    "delete_assessment",
    "get_assessment",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "log_issue",
    "override_feedback",
    "update_assessment",
)
_LAZY = {
    "autolog": "tracetape.instrument",
    "cassette": "tracetape.cassettes",
    "search_sessions": "tracetape.tracing.searching",
    "search_traces": "tracetape.tracing.searching",
    **dict.fromkeys(_ASSESSING, "tracetape.tracing.assessing"),
}
_LAZY_MODULES = ("openai", "testing")


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _LAZY_MODULES:
        value = importlib.import_module(f"tracetape.{name}")
    else:
        raise AttributeError(f"module 'tracetape' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
