"""What `tracetape` exports."""

from __future__ import annotations

import tracetape
from tracetape import entities, tracing


def test_every_name_that_is_exported_loads() -> None:
    """Each is there, once, in order, and nothing else is listed."""
    for package in (tracetape, entities, tracing):
        names = list(package.__all__)
        assert names == sorted(set(names))
        assert dir(package) == sorted(names)
        for name in names:
            assert getattr(package, name) is not None


def test_modules_that_programs_of_mlflows_import() -> None:
    """Their names are as there, with the same values where MLflow's wire format has them."""
    from tracetape.tracing import attachments, config, constant, destination, distributed

    assert tracing.attachments.Attachment is attachments.Attachment
    assert tracing.config.get_config is tracing.get_config
    assert config.TracingConfig is tracing.TracingConfig
    assert tracing.destination.Databricks is destination.Databricks
    name = "get_tracing_context_headers_for_http_request"
    assert getattr(distributed, name) is getattr(tracing, name)
    assert tracing.constant.SpanAttributeKey.CHAT_USAGE == "mlflow.chat.tokenUsage"
    assert constant.TraceMetadataKey.TRACE_SESSION == "mlflow.trace.session"
    with tracetape.start_span("a") as span:
        span.set_inputs(1)
        assert span.get_attribute(constant.SpanAttributeKey.INPUTS) == 1


def test_the_names_of_mlflows_client() -> None:
    """Its methods of traces are those of ours."""
    ours = {name for name in dir(tracetape.Client) if not name.startswith("_")}
    assert ours == {
        "delete_assessment",
        "delete_trace_tag",
        "delete_traces",
        "end_span",
        "end_trace",
        "get_assessment",
        "get_trace",
        "log_assessment",
        "log_expectation",
        "log_feedback",
        "log_issue",
        "override_feedback",
        "search_traces",
        "set_trace_tag",
        "start_span",
        "start_trace",
        "update_assessment",
    }
