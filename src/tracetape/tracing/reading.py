"""Reading traces back by their ids."""

from __future__ import annotations

import re
from typing import Any

from tracetape.diagnostics import logger
from tracetape.entities import Trace
from tracetape.entities.span import trace_id_text
from tracetape.tracing.runtime import runtime

__all__ = ["get_last_active_trace_id", "get_trace", "number_of"]

_TRACE_ID = re.compile(r"(?:tr-)?([0-9a-f]{32})", re.IGNORECASE)


def get_last_active_trace_id(thread_local: bool = False) -> str | None:
    """Id of the trace whose root span ended last; None before any.

    Args:
        thread_local: look at this thread only, not at the whole process.
    """
    recorder = runtime.recorder
    last = getattr(recorder.last_here, "trace", None) if thread_local else recorder.last_trace
    return None if last is None else trace_id_text(last)


def get_trace(trace_id: str, silent: bool = False, flush: bool = False) -> Trace | None:
    """A trace by its id: as soon as its root has ended, and also while it runs.

    The result is a copy: changing it changes nothing that is stored. After
    ``mlflow.get_trace``, which gives None for a running trace.

    Args:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        silent: no warning for an unknown id.
        flush: wait until everything that has ended is written.

    Returns:
        The trace, or None with one warning if there is none with this id.

    Raises:
        StoreError: the store cannot be read.
    """
    recorder = runtime.recorder
    if flush:
        recorder.flush()
    number = number_of(trace_id)
    trace = None if number is None else recorder.read(number)
    if trace is None and not silent:
        logger.warning("There is no trace with the id %r in %s.", trace_id, recorder.store.url)
    return trace


def number_of(trace_id: Any) -> int | None:
    """The 128 bits of a trace id as MLflow shows it; None for what is no id."""
    match = _TRACE_ID.fullmatch(str(trace_id))
    return None if match is None else int(match[1], 16)
