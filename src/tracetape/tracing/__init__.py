"""Making, reading and steering spans and traces; the names of ``mlflow.tracing``."""

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape.tracing import attachments, config, constant, destination, distributed
    from tracetape.tracing.chat_tools import set_span_chat_tools
    from tracetape.tracing.configuration import (
        TracingConfig,
        configure,
        disable,
        enable,
        flush,
        flush_trace_async_logging,
        get_config,
        reset,
        stats,
    )
    from tracetape.tracing.decorator import trace
    from tracetape.tracing.destination import (
        set_databricks_monitoring_sql_warehouse_id,
        set_destination,
        set_experiment_trace_location,
        unset_experiment_trace_location,
    )
    from tracetape.tracing.finished_traces import add_trace, log_trace
    from tracetape.tracing.reading import get_last_active_trace_id, get_trace
    from tracetape.tracing.spans import (
        get_active_trace_id,
        get_current_active_span,
        start_span,
        start_span_no_context,
    )
    from tracetape.tracing.threads import carry
    from tracetape.tracing.trace_context import (
        context,
        get_tracing_context_headers_for_http_request,
        set_tracing_context_from_http_request_headers,
    )
    from tracetape.tracing.trace_updates import (
        delete_trace_tag,
        set_trace_tag,
        update_current_trace,
    )

__all__ = [
    "TracingConfig",
    "add_trace",
    "attachments",
    "carry",
    "config",
    "configure",
    "constant",
    "context",
    "delete_trace_tag",
    "destination",
    "disable",
    "distributed",
    "enable",
    "flush",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_config",
    "get_current_active_span",
    "get_last_active_trace_id",
    "get_trace",
    "get_tracing_context_headers_for_http_request",
    "log_trace",
    "reset",
    "set_databricks_monitoring_sql_warehouse_id",
    "set_destination",
    "set_experiment_trace_location",
    "set_span_chat_tools",
    "set_trace_tag",
    "set_tracing_context_from_http_request_headers",
    "start_span",
    "start_span_no_context",
    "stats",
    "trace",
    "unset_experiment_trace_location",
    "update_current_trace",
]

_MODULES = {
    "trace_updates": ("delete_trace_tag", "set_trace_tag", "update_current_trace"),
    "chat_tools": ("set_span_chat_tools",),
    "configuration": (
        "TracingConfig",
        "configure",
        "disable",
        "enable",
        "flush",
        "flush_trace_async_logging",
        "get_config",
        "reset",
        "stats",
    ),
    "decorator": ("trace",),
    "destination": (
        "set_databricks_monitoring_sql_warehouse_id",
        "set_destination",
        "set_experiment_trace_location",
        "unset_experiment_trace_location",
    ),
    "finished_traces": ("add_trace", "log_trace"),
    "reading": ("get_last_active_trace_id", "get_trace"),
    "trace_context": (
        "context",
        "get_tracing_context_headers_for_http_request",
        "set_tracing_context_from_http_request_headers",
    ),
    "spans": (
        "get_active_trace_id",
        "get_current_active_span",
        "start_span",
        "start_span_no_context",
    ),
    "threads": ("carry",),
}

__getattr__ = lazy_names(
    __name__,
    {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names},
    ("attachments", "config", "constant", "destination", "distributed"),
)


def __dir__() -> list[str]:
    return __all__
