"""`tracetape.databricks.autolog()`: Databricks only."""

from __future__ import annotations

from tracetape.instrument.registry import autolog_one

__all__ = ["autolog"]


def autolog(disable: bool = False, log_traces: bool = True) -> None:
    """Trace every call of a serving endpoint, a vector index or a connection, from now on.

    Works whether ``databricks.sdk`` was imported before or is imported later; twice is once. Calls
    that go through an OpenAI client, such as those of ``get_open_ai_client()``, belong to
    `tracetape.openai.autolog`.

    Args:
        disable: put the originals back.
        log_traces: False is the same as `disable`.

    Raises:
        IntegrationMissingError: ``databricks-sdk`` is not installed.
        InvalidTypeError: an argument is neither True nor False.
    """
    autolog_one("databricks", disable=disable, log_traces=log_traces)
