"""The parameters of MLflow's public tracing API, by a Python that has MLflow.

    python tests/mlflow/signatures.py mlflow > tests/mlflow/data/signatures_3.17.2.json

Given ``tracetape`` it says the same of ours, which has the same names.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

FUNCTIONS = {
    "": """
        add_trace autolog context delete_assessment delete_trace_tag flush_trace_async_logging
        get_active_trace_id get_assessment get_current_active_span get_last_active_trace_id
        get_trace get_tracking_uri log_assessment log_expectation log_feedback log_issue log_trace
        override_feedback search_sessions search_traces set_experiment set_trace_tag
        set_tracking_uri start_span start_span_no_context trace update_assessment
        update_current_trace MlflowClient
    """,
    ".tracing": """
        configure context disable disable_notebook_display enable enable_notebook_display
        get_bridged_tracer_provider get_tracing_context_headers_for_http_request reset
        set_databricks_monitoring_sql_warehouse_id set_destination set_experiment_trace_location
        set_span_chat_tools set_tracing_context_from_http_request_headers
        unset_experiment_trace_location
    """,
    ".openai": "autolog",
    ".tracing.config": "TracingConfig get_config",
    ".tracing.destination": "Databricks MlflowExperiment",
    ".entities": """
        Assessment AssessmentError AssessmentSource AssessmentSourceType Document Expectation
        Feedback InferenceTableLocation IssueReference Link MlflowExperimentLocation Session
        SpanEvent SpanStatus Trace TraceData TraceInfo TraceLocation UCSchemaLocation
    """,
    ".entities.trace_location": "UnityCatalog",
    ".tracing.attachments": "Attachment",
}
METHODS = {
    ".MlflowClient": """
        delete_trace_tag delete_traces end_span end_trace get_trace search_traces set_trace_tag
        start_span start_trace
    """,
    ".entities.Span": """
        from_dict from_otel_proto get_attribute to_dict to_otel_proto
    """,
    ".entities.LiveSpan": """
        add_event add_link end get_attribute record_exception set_attribute set_attributes
        set_description set_inputs set_log_level set_outputs set_span_type set_status
        to_immutable_span
    """,
    ".entities.NoOpSpan": "add_event add_link end record_exception set_inputs set_status",
    ".entities.SpanEvent": "from_exception json to_otel_proto",
    ".entities.SpanStatus": """
        from_otel_proto_status from_otel_status to_otel_proto_status to_otel_status
    """,
    ".entities.SpanLogLevel": "from_value",
    ".entities.Document": """
        from_langchain_document from_llama_index_node_with_score to_dict
    """,
    ".entities.Link": "from_dict to_dict",
    ".entities.Trace": """
        from_dict from_json from_proto pandas_dataframe_columns search_assessments search_spans
        to_dict to_json to_pandas_dataframe_row to_proto
    """,
    ".entities.TraceData": "from_dict to_dict",
    ".entities.TraceInfo": "from_dict from_proto to_dict to_proto",
    ".entities.TraceState": "from_proto to_proto",
    ".entities.TraceLocationType": "from_proto to_proto",
    ".entities.TraceLocation": """
        from_databricks_uc_schema from_dict from_experiment_id from_proto to_dict to_proto
    """,
    ".entities.MlflowExperimentLocation": "from_dict from_proto to_dict to_proto",
    ".entities.InferenceTableLocation": "from_dict from_proto to_dict to_proto",
    ".entities.UCSchemaLocation": "from_dict to_dict",
    ".entities.trace_location.UnityCatalog": "from_dict to_dict",
    ".entities.Assessment": "from_dictionary from_proto to_dictionary to_proto",
    ".entities.AssessmentError": "from_dictionary from_proto to_dictionary to_proto",
    ".entities.AssessmentSource": "from_dictionary from_proto to_dictionary to_proto",
    ".entities.AssessmentSourceType": "from_proto",
    ".entities.Expectation": "from_dictionary from_proto to_dictionary to_proto",
    ".entities.Feedback": "from_dictionary from_proto to_dictionary to_proto",
    ".entities.IssueReference": "from_dictionary from_proto to_dictionary to_proto",
    ".tracing.attachments.Attachment": "from_file parse_ref ref",
}


def signatures(library: str) -> dict[str, list[list[str]] | None]:
    """Of each name its parameters: name, kind and default; None of what is not there."""
    found = {}
    for place, names in (*FUNCTIONS.items(), *METHODS.items()):
        owner = _named(library, place)
        for name in names.split():
            found[f"{place}.{name}"[1:]] = _parameters(getattr(owner, name, None))
    return found


def _named(library: str, place: str) -> Any:
    """A module, or a class in one."""
    module, name = library + place, ""
    if place.rsplit(".", 1)[-1][:1].isupper():
        module, name = module.rsplit(".", 1)
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def _parameters(thing: Any) -> list[list[str]] | None:
    if thing is None:
        return None
    return [
        [each.name, each.kind.name, "" if each.default is each.empty else _default(each.default)]
        for each in inspect.signature(thing).parameters.values()
    ]


def _default(value: Any) -> str:
    return "..." if "0x" in repr(value) or "factory" in repr(value) else repr(value)


if __name__ == "__main__":
    lines = (
        f"{json.dumps(name)}: {json.dumps(each)}" for name, each in signatures(sys.argv[1]).items()
    )
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")
