"""Remedies for names that only MLflow has, shown where a program asks for one."""

from __future__ import annotations

import re

__all__ = ["remedy_of"]

_FRAMEWORKS = (
    "ag2|agno|autogen|bedrock|crewai|dspy|gemini|groq|haystack|langchain|litellm|llama_index|"
    "mistral|pydantic_ai|semantic_kernel|smolagents|strands|txtai"
)

_REMEDIES = {
    "tracetape": {
        r"run|ActiveRun|((start|end|active|last_active|delete|restore|get|get_parent)_run)|search_runs|"
        r"log_(metrics?|params?|artifacts?|dict|figure|image|inputs?|outputs|stream|table|text)|"
        r"(set|delete)_tags?|get_artifact_uri|load_table": (
            "runs are no part of tracing. update_current_trace(metadata={…}) keeps with a trace "
            "what belongs to it."
        ),
        r"(create|get|delete|restore|search)_experiments?(_by_name)?|"
        r"(set|delete)_experiment_tags?": (
            "there is no server that has experiments. set_experiment() keeps a name or an id with "
            "each trace."
        ),
        r"\w*_prompts?(_alias)?|genai|evaluate|validate_evaluation_results": (
            "prompts and evaluations are no part of tracing. log_feedback() and log_expectation() "
            "keep judgements that were made elsewhere."
        ),
        r"\w*_models?(_\w+)?|ActiveModel|models|pyfunc|sklearn|pytorch|tensorflow|transformers": (
            "models are no part of tracing."
        ),
        _FRAMEWORKS: (
            "it has no integration here. autolog() records the calls that it makes with the "
            "packages of OpenAI, Databricks and Anthropic."
        ),
        "agents": "openai.autolog() records the Agents SDK, too.",
    },
    "tracetape.tracing": {
        r"(en|dis)able_notebook_display": (
            "nothing is shown in notebooks. `tracetape show` prints a trace."
        ),
        "provider|get_bridged_tracer_provider": (
            "spans are not OpenTelemetry's. configure(otel_context=True) joins its context."
        ),
        "fluent|enablement|client": "import its names from tracetape, or from tracetape.tracing.",
    },
    "tracetape.entities": {
        r"(Run|Experiment|Metric|Param|Dataset|LoggedModel)\w*": "it is no part of tracing.",
    },
}


def remedy_of(package: str, name: str) -> str:
    """The remedy at the end of the error; empty if there is none.

    Args:
        package: which was asked.
        name: what it does not have.
    """
    for pattern, remedy in _REMEDIES.get(package, {}).items():
        if re.fullmatch(pattern, name):
            return f": {remedy} The guide 'Coming from MLflow' lists what is different."
    return ""
