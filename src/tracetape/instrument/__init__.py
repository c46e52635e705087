"""The public seam for integrations: tables of targets, extractors with three verbs."""

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape._lazy import loading
    from tracetape._modules import is_installed
    from tracetape._system import perf_counter_ns, wall_clock_ns
    from tracetape.apis import Api, Endpoint, Variables
    from tracetape.capture import decode, encode
    from tracetape.diagnostics import package_missing
    from tracetape.exchange.replay import Replay, StoredCall, UnfitError, data_event
    from tracetape.formats.messages import Message, MessageReader, call_text, text_of_parts
    from tracetape.instrument.autolog_options import options
    from tracetape.instrument.beginning import begin_call
    from tracetape.instrument.call import Call
    from tracetape.instrument.chunks import (
        Text,
        count_of,
        decoded_base64,
        fields_of,
        get,
        items_of,
        joined,
        joined_base64,
        merged_counts,
        plain,
        says,
        text_of,
    )
    from tracetape.instrument.credentials import of_request
    from tracetape.instrument.guards import (
        Notice,
        call_unrecorded,
        call_watched,
        call_watched_async,
        current_call,
        guarded,
        parsed_json,
        quietly,
    )
    from tracetape.instrument.integration import Extractor, Integration, Request, Result, Target
    from tracetape.instrument.method_calls import (
        around,
        around_async,
        around_generator,
        keep_login_from_records,
    )
    from tracetape.instrument.outcomes import (
        Failure,
        failure_of_answer,
        failure_of_error,
        failure_of_page,
        failure_of_reasons,
    )
    from tracetape.instrument.parsing import wrap_taking_a_chunk
    from tracetape.instrument.providers import provider_of
    from tracetape.instrument.registry import autolog, autolog_one, register
    from tracetape.instrument.template import Template
    from tracetape.privacy.names import MARK, is_secret_in_query
    from tracetape.privacy.urls import clean_text, secrets_in_url
    from tracetape.privacy.values import secrets_of_request, those_that_tell
    from tracetape.tracing.current import current_span
    from tracetape.tracing.generators import (
        Run,
        begin_run,
        traced_async_generator,
        traced_generator,
    )
    from tracetape.tracing.spans import span_scope, start_span, start_span_no_context
    from tracetape.tracing.start import begin_span
    from tracetape.tracing.threads import call_inside
    from tracetape.tracing.trace_updates import update_current_trace

__all__ = [
    "MARK",
    "Api",
    "Call",
    "Endpoint",
    "Extractor",
    "Failure",
    "Integration",
    "Message",
    "MessageReader",
    "Notice",
    "Replay",
    "Request",
    "Result",
    "Run",
    "StoredCall",
    "Target",
    "Template",
    "Text",
    "UnfitError",
    "Variables",
    "around",
    "around_async",
    "around_generator",
    "autolog",
    "autolog_one",
    "begin_call",
    "begin_run",
    "begin_span",
    "call_inside",
    "call_text",
    "call_unrecorded",
    "call_watched",
    "call_watched_async",
    "clean_text",
    "count_of",
    "current_call",
    "current_span",
    "data_event",
    "decode",
    "decoded_base64",
    "encode",
    "failure_of_answer",
    "failure_of_error",
    "failure_of_page",
    "failure_of_reasons",
    "fields_of",
    "get",
    "guarded",
    "is_installed",
    "is_secret_in_query",
    "items_of",
    "joined",
    "joined_base64",
    "keep_login_from_records",
    "loading",
    "merged_counts",
    "of_request",
    "options",
    "package_missing",
    "parsed_json",
    "perf_counter_ns",
    "plain",
    "provider_of",
    "quietly",
    "register",
    "says",
    "secrets_in_url",
    "secrets_of_request",
    "span_scope",
    "start_span",
    "start_span_no_context",
    "text_of",
    "text_of_parts",
    "those_that_tell",
    "traced_async_generator",
    "traced_generator",
    "update_current_trace",
    "wall_clock_ns",
    "wrap_taking_a_chunk",
]

# All of it is loaded when somebody asks for it: a table of endpoints must cost next to nothing.
_HELPERS = {
    "tracetape._modules": ("is_installed",),
    "tracetape.apis": ("Api", "Endpoint", "Variables"),
    "tracetape.exchange.replay": ("Replay", "StoredCall", "UnfitError", "data_event"),
    "tracetape.formats.messages": ("Message", "MessageReader", "call_text", "text_of_parts"),
    "tracetape.instrument.autolog_options": ("options",),
    "tracetape.instrument.guards": (
        "Notice",
        "call_unrecorded",
        "call_watched",
        "call_watched_async",
        "current_call",
        "guarded",
        "parsed_json",
        "quietly",
    ),
    "tracetape.instrument.integration": (
        "Extractor",
        "Integration",
        "Request",
        "Result",
        "Target",
    ),
    "tracetape.instrument.outcomes": (
        "Failure",
        "failure_of_answer",
        "failure_of_error",
        "failure_of_page",
        "failure_of_reasons",
    ),
    "tracetape.instrument.parsing": ("wrap_taking_a_chunk",),
    "tracetape.instrument.providers": ("provider_of",),
    "tracetape.instrument.registry": ("autolog", "autolog_one", "register"),
    "tracetape.instrument.template": ("Template",),
    "tracetape._lazy": ("loading",),
    "tracetape._system": (
        "perf_counter_ns",
        "wall_clock_ns",
    ),
    "tracetape.capture": (
        "decode",
        "encode",
    ),
    "tracetape.diagnostics": ("package_missing",),
    "tracetape.instrument.beginning": ("begin_call",),
    "tracetape.instrument.call": ("Call",),
    "tracetape.instrument.chunks": (
        "Text",
        "count_of",
        "decoded_base64",
        "fields_of",
        "get",
        "items_of",
        "joined",
        "joined_base64",
        "merged_counts",
        "plain",
        "says",
        "text_of",
    ),
    "tracetape.instrument.credentials": ("of_request",),
    "tracetape.instrument.method_calls": (
        "around",
        "around_async",
        "around_generator",
        "keep_login_from_records",
    ),
    "tracetape.privacy.names": (
        "MARK",
        "is_secret_in_query",
    ),
    "tracetape.privacy.urls": (
        "clean_text",
        "secrets_in_url",
    ),
    "tracetape.privacy.values": (
        "secrets_of_request",
        "those_that_tell",
    ),
    "tracetape.tracing.current": ("current_span",),
    "tracetape.tracing.generators": (
        "Run",
        "begin_run",
        "traced_async_generator",
        "traced_generator",
    ),
    "tracetape.tracing.spans": (
        "span_scope",
        "start_span",
        "start_span_no_context",
    ),
    "tracetape.tracing.start": ("begin_span",),
    "tracetape.tracing.threads": ("call_inside",),
    "tracetape.tracing.trace_updates": ("update_current_trace",),
}

__getattr__ = lazy_names(
    __name__, {name: module for module, names in _HELPERS.items() for name in names}
)
