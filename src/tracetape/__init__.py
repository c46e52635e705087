"""tracetape: see what your LLM program does, and replay it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names
from tracetape._version import __version__

if TYPE_CHECKING:
    from tracetape import (
        agents,
        anthropic,
        databricks,
        entities,
        exceptions,
        openai,
        testing,
        tracing,
    )
    from tracetape.cassettes import cassette
    from tracetape.exceptions import MlflowException, TracetapeException
    from tracetape.instrument import autolog
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
    from tracetape.tracing.assessments import (
        delete_assessment,
        get_assessment,
        log_assessment,
        log_expectation,
        log_feedback,
        log_issue,
        override_feedback,
        update_assessment,
    )
    from tracetape.tracing.client import Client, MlflowClient
    from tracetape.tracing.deletion import delete_traces
    from tracetape.tracing.destination import (
        get_tracking_uri,
        set_experiment,
        set_tracking_uri,
    )
    from tracetape.tracing.search import search_sessions, search_traces

__all__ = [
    "Client",
    "MlflowClient",
    "MlflowException",
    "TracetapeException",
    "__version__",
    "add_trace",
    "agents",
    "anthropic",
    "autolog",
    "carry",
    "cassette",
    "configure",
    "context",
    "databricks",
    "delete_assessment",
    "delete_trace_tag",
    "delete_traces",
    "entities",
    "exceptions",
    "flush",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_assessment",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "get_tracking_uri",
    "log_assessment",
    "log_expectation",
    "log_feedback",
    "log_issue",
    "log_trace",
    "openai",
    "override_feedback",
    "search_sessions",
    "search_traces",
    "set_experiment",
    "set_trace_tag",
    "set_tracking_uri",
    "start_span",
    "start_span_no_context",
    "stats",
    "testing",
    "trace",
    "tracing",
    "update_assessment",
    "update_current_trace",
]

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
_DESTINATION = ("get_tracking_uri", "set_experiment", "set_tracking_uri")
_ELSEWHERE = {
    "Client": "tracetape.tracing.client",
    "MlflowClient": "tracetape.tracing.client",
    "MlflowException": "tracetape.exceptions",
    "TracetapeException": "tracetape.exceptions",
    "autolog": "tracetape.instrument",
    "cassette": "tracetape.cassettes",
    "delete_traces": "tracetape.tracing.deletion",
    "search_sessions": "tracetape.tracing.search",
    "search_traces": "tracetape.tracing.search",
    **dict.fromkeys(_DESTINATION, "tracetape.tracing.destination"),
    **dict.fromkeys(_ASSESSING, "tracetape.tracing.assessments"),
}
_MODULES = (
    "agents",
    "anthropic",
    "databricks",
    "entities",
    "exceptions",
    "openai",
    "testing",
    "tracing",
)
_TRACING = set(__all__) - set(_ELSEWHERE) - set(_MODULES) - {"__version__"}
__getattr__ = lazy_names(
    __name__, {**dict.fromkeys(_TRACING, "tracetape.tracing"), **_ELSEWHERE}, _MODULES
)


def __dir__() -> list[str]:
    return __all__
