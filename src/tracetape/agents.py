"""`tracetape.agents.autolog()`: runs of OpenAI's Agents SDK only."""

from __future__ import annotations

from tracetape.instrument.registry import autolog_one

__all__ = ["autolog"]


def autolog(disable: bool = False, log_traces: bool = True) -> None:
    """Trace every run of the Agents SDK (``openai-agents``), from now on.

    Works whether ``agents`` was imported before or is imported later; twice is once. The calls of
    models within a run belong to `tracetape.openai.autolog`, which switches both on.

    Args:
        disable: put the originals back.
        log_traces: False is the same as `disable`.

    Raises:
        IntegrationMissingError: ``openai-agents`` is not installed.
        InvalidTypeError: an argument is neither True nor False.
    """
    autolog_one("agents", disable=disable, log_traces=log_traces)
