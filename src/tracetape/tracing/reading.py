"""Reading traces back by their ids."""

from __future__ import annotations

import re
import warnings
from typing import Any

from tracetape.diagnostics import logger
from tracetape.entities import Trace
from tracetape.entities.span import trace_id_text
from tracetape.exceptions import InvalidValueError
from tracetape.formats.ids import parse_trace_id
from tracetape.live.live_span import NO_OP_TRACE_ID
from tracetape.tracing.runtime import runtime

__all__ = ["get_last_active_trace_id", "get_trace", "number_of", "one_id"]

_TRACE_ID = re.compile(r"(?:tr-)?([0-9a-f]{32})", re.IGNORECASE)


def get_last_active_trace_id(thread_local: bool = False) -> str | None:
    """Id of the trace whose root span ended last; None before any.

    Args:
        thread_local: look at this thread only, not at the whole process.
    """
    recorder = runtime.recorder
    last = getattr(recorder.last_here, "trace", None) if thread_local else recorder.last_trace
    return None if last is None else trace_id_text(last)


def get_trace(
    trace_id: str | None = None,
    silent: bool = False,
    flush: bool = False,
    request_id: str | None = None,
) -> Trace | None:
    """A trace by its id: as soon as its root has ended, and also while it runs.

    The result is a copy: changing it changes nothing that is stored. After
    ``mlflow.get_trace``, which gives None for a running trace.

    Args:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        silent: no warning for an unknown id.
        flush: wait until everything that has ended is written.
        request_id: deprecated, an older name of `trace_id`.

    Returns:
        The trace, or None with one warning if there is none with this id.

    Raises:
        ValueError: both ids are given.
        StoreError: the store cannot be read.
    """
    if request_id is not None:
        trace_id = one_id(trace_id, request_id)
    recorder = runtime.recorder
    if flush:
        recorder.flush()
    number = number_of(trace_id)
    trace = None if number is None else recorder.read(number)
    if trace_id == NO_OP_TRACE_ID and not silent:
        logger.warning(
            "There is no trace of this span: tracing was off, or the trace was not sampled."
        )
    elif trace is None and not silent:
        logger.warning("There is no trace with the id %r in %s.", trace_id, recorder.url)
    return trace


def one_id(trace_id: str | None, request_id: str | None) -> str:
    """The id of a trace that was given under its name or under MLflow 2's.

    Raises:
        InvalidValueError: both are given, or none.
    """
    if trace_id is not None and request_id is not None:
        raise InvalidValueError(
            "Cannot specify both 'request_id' (deprecated) and 'trace_id'. Use 'trace_id' only."
        )
    if request_id is not None:
        warnings.warn(
            "Parameter 'request_id' is deprecated. Please use 'trace_id' instead.",
            FutureWarning,
            stacklevel=3,  # who called the function that calls this one
        )
    name = trace_id if trace_id is not None else request_id
    if name is None:
        raise InvalidValueError("trace_id is missing.")
    return name


def number_of(trace_id: Any) -> int | None:
    """The 128 bits of a trace id as MLflow shows it; None for what is not an id."""
    match = _TRACE_ID.fullmatch(str(trace_id))
    return None if match is None else parse_trace_id(match[1])
