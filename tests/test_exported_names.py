"""What `tracetape` exports."""

from __future__ import annotations

from types import ModuleType

import pytest

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
    assert constant.TraceMetadataKey.MODEL_ID == "mlflow.modelId"
    with tracetape.start_span("a") as span:
        span.set_inputs(1)
        assert span.get_attribute(constant.SpanAttributeKey.INPUTS) == 1


def test_errors_have_the_names_of_mlflows() -> None:
    """A program that catches them goes on doing so, and reads their message."""
    assert tracetape.MlflowException is tracetape.exceptions.MlflowException
    with pytest.raises(tracetape.MlflowException, match="Invalid return type") as raised:
        tracetape.search_traces(return_type="words")  # type: ignore[call-overload]
    assert raised.value.message == str(raised.value)


@pytest.mark.parametrize(
    ("package", "name", "remedy"),
    [
        (tracetape, "start_run", "update_current_trace"),
        (tracetape, "log_metric", "update_current_trace"),
        (tracetape, "create_experiment", "set_experiment"),
        (tracetape, "register_prompt", "log_feedback"),
        (tracetape, "set_active_model", "models are no part of tracing"),
        (tracetape, "langchain", "has no integration here. autolog"),
        (tracing, "enable_notebook_display", "`tracetape show`"),
        (tracing, "get_bridged_tracer_provider", "otel_context=True"),
        (tracing, "fluent", "import its names from tracetape"),
        (entities, "RunStatus", "no part of tracing"),
    ],
)
def test_a_name_that_only_mlflow_has_says_what_to_do(
    package: ModuleType, name: str, remedy: str
) -> None:
    """And is absent all the same."""
    with pytest.raises(AttributeError, match=f"no attribute '{name}': ") as raised:
        getattr(package, name)
    assert remedy in str(raised.value)
    assert "'Coming from MLflow'" in str(raised.value)
    assert not hasattr(package, name)


@pytest.mark.parametrize("name", ["start_spam", "colour", "_start_run", "__path_of__", "log"])
def test_any_other_name_is_only_absent(name: str) -> None:
    """There is nothing to say."""
    with pytest.raises(AttributeError, match=f"^module 'tracetape' has no attribute '{name}'$"):
        getattr(tracetape, name)


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
