"""Removing traces from the store, for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracetape._terminal import plural
from tracetape.diagnostics import logger
from tracetape.entities import TraceState
from tracetape.entities.trace_info import DEFAULT_EXPERIMENT
from tracetape.exceptions import InvalidValueError, StoreError
from tracetape.formats.ids import trace_id_text
from tracetape.store import query as q
from tracetape.tracing.reading import number_of
from tracetape.tracing.runtime import runtime

__all__ = ["delete_traces"]

_LOG_SECONDS = 0.5  # for those who read the store
_BATCH = 50  # removed in one transaction, so that other writers wait for some ms at most


def delete_traces(
    experiment_id: str | None = None,
    max_timestamp_millis: int | None = None,
    max_traces: int | None = None,
    trace_ids: Sequence[str] | None = None,
) -> int:
    """As `Client.delete_traces`."""
    _check(max_timestamp_millis, max_traces, trace_ids)
    runtime.recorder.flush()  # so that nothing queued brings a removed trace back
    running = {trace.trace_id for trace in list(runtime.recorder.live) if trace.unsettled()}
    here: list[q.Condition] = [_in_experiment(experiment_id)]
    if running:
        here.append(q.Not(_named(running)))
    if trace_ids:
        numbers = {number for one in trace_ids if (number := number_of(one)) is not None}
        if kept := numbers & running:
            logger.warning("Kept what still runs in this process: %s.", plural(len(kept), "trace"))
        asked = sorted(numbers - running)
        parts = [asked[start : start + _BATCH] for start in range(0, len(asked), _BATCH)]
        deleted = sum(_delete(q.TraceQuery(q.And((*here, _named(part))))) for part in parts)
        _tell_rest(deleted)
        return deleted
    old = (
        q.Comparison("trace", "timestamp_ms", "<=", max_timestamp_millis),
        q.Comparison("trace", "status", "!=", TraceState.IN_PROGRESS.value),
    )
    deleted, left = 0, max_traces
    while left is None or left > deleted:
        limit = _BATCH if left is None else min(left - deleted, _BATCH)
        count = _delete(q.TraceQuery(q.And((*here, *old)), (q.Order("timestamp_ms"),), limit))
        if not count:
            break
        deleted += count
    _tell_rest(deleted)
    return deleted


def _tell_rest(deleted: int) -> None:
    """Say if what was deleted may still be in the log of the store."""
    empty_log = getattr(runtime.recorder.store, "empty_log", None)
    if deleted and empty_log is not None and not empty_log(_LOG_SECONDS):
        logger.warning(
            "tracetape: another program reads %s or writes to it: what was deleted may still "
            "be in the file, or in the log next to it, until that program writes again or ends",
            runtime.recorder.url,
        )


def _check(
    max_timestamp_millis: int | None, max_traces: int | None, trace_ids: Sequence[str] | None
) -> None:
    if max_timestamp_millis is None and not trace_ids:
        raise InvalidValueError("Either `max_timestamp_millis` or `trace_ids` must be specified.")
    if max_timestamp_millis is not None and trace_ids:
        raise InvalidValueError(
            "Only one of `max_timestamp_millis` and `trace_ids` can be specified."
        )
    if trace_ids and max_traces is not None:
        raise InvalidValueError("`max_traces` can't be specified if `trace_ids` is specified.")
    if max_traces is not None and max_traces <= 0:
        raise InvalidValueError(f"`max_traces` must be a positive integer, received {max_traces}.")


def _in_experiment(experiment_id: str | None) -> q.Condition:
    wanted = DEFAULT_EXPERIMENT if experiment_id is None else str(experiment_id)
    named = q.Comparison("trace", "experiment_id", "=", wanted)
    if wanted != DEFAULT_EXPERIMENT:
        return named
    return q.Or((named, q.Comparison("trace", "experiment_id", "IS NULL")))


def _named(numbers: Iterable[int]) -> q.Condition:
    return q.Comparison("trace", "trace_id", "IN", tuple(map(trace_id_text, numbers)))


def _delete(query: q.TraceQuery) -> int:
    store = runtime.recorder.store
    if not hasattr(store, "delete"):
        raise StoreError(f"The store {store.url} cannot remove traces.")
    infos = [trace.info for trace in store.search(query, include_spans=False)]
    numbers = [number_of(info.trace_id) for info in infos]
    return store.delete([number for number in numbers if number is not None])
