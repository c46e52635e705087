"""`tracetape.openai.autolog()`: calls of OpenAI's SDK, and its Agents SDK."""

from __future__ import annotations

from tracetape.instrument.registry import autolog_one

__all__ = ["autolog"]


def autolog(
    disable: bool = False,
    exclusive: bool = False,
    disable_for_unsupported_versions: bool = False,
    silent: bool = False,
    log_traces: bool = True,
    disable_openai_agent_tracer: bool = True,
) -> None:
    """Trace every call made with the OpenAI SDK, in this process, from now on.

    Works whether ``openai`` was imported before or is imported later; twice is once. Clients of
    Azure, Databricks and others that are made with the SDK are traced too, and so are runs of the
    Agents SDK (``openai-agents``). After ``mlflow.openai.autolog``, whose keywords are taken.

    Args:
        disable: put the originals back.
        exclusive: no meaning here.
        disable_for_unsupported_versions: no meaning here.
        silent: no meaning here.
        log_traces: False is the same as `disable`.
        disable_openai_agent_tracer: no meaning here: what the Agents SDK sends to OpenAI is as
            without us (``agents.set_trace_processors([])`` ends that).

    Raises:
        IntegrationMissingError: ``openai`` is not installed.
    """
    del exclusive, disable_for_unsupported_versions, silent, disable_openai_agent_tracer
    autolog_one("openai", "agents", disable=disable, log_traces=log_traces)
