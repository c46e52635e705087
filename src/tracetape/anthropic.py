"""`tracetape.anthropic.autolog()`: Anthropic calls only."""

from __future__ import annotations

from tracetape.instrument.registry import autolog_one

__all__ = ["autolog"]


def autolog(disable: bool = False, silent: bool = False, log_traces: bool = True) -> None:
    """Trace every message made with Anthropic's SDK, in this process, from now on.

    Works whether ``anthropic`` was imported before or is imported later; twice is once. After
    ``mlflow.anthropic.autolog``, whose keywords are taken.

    Args:
        disable: put the originals back.
        silent: no meaning here.
        log_traces: False is the same as `disable`.

    Raises:
        IntegrationMissingError: ``anthropic`` is not installed.
    """
    del silent
    autolog_one("anthropic", disable=disable, log_traces=log_traces)
