"""`search_traces` and `search_sessions`: finding traces in the store."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

from tracetape.diagnostics import warn_once
from tracetape.entities import Trace, TraceState
from tracetape.entities.session import Session
from tracetape.entities.trace_info import DEFAULT_EXPERIMENT
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.formats.names import MODEL_ID, SESSION, SOURCE_RUN
from tracetape.store import query as q
from tracetape.store.fields import parse_order_by
from tracetape.store.filters import parse_filter
from tracetape.tracing.runtime import runtime
from tracetape.tracing.tables import has_pandas, parse_fields, traces_to_dataframe

__all__ = ["find_traces", "search_sessions", "search_traces", "warn_of_experiment_ids"]

_MOST = 2**62  # SQLite counts to 2**63


@overload
def search_traces(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str | None = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    extract_fields: Sequence[str] | None = ...,
    run_id: str | None = ...,
    *,
    return_type: Literal["list"],
    model_id: str | None = ...,
    sql_warehouse_id: str | None = ...,
    include_spans: bool = ...,
    locations: list[str] | None = ...,
    flush: bool = ...,
) -> list[Trace]: ...


@overload
def search_traces(
    experiment_ids: Sequence[str] | None = ...,
    filter_string: str | None = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    extract_fields: Sequence[str] | None = ...,
    run_id: str | None = ...,
    return_type: Literal["pandas", "list"] | None = ...,
    model_id: str | None = ...,
    sql_warehouse_id: str | None = ...,
    include_spans: bool = ...,
    locations: list[str] | None = ...,
    flush: bool = ...,
) -> Any: ...


def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
    extract_fields: Sequence[str] | None = None,
    run_id: str | None = None,
    return_type: Literal["pandas", "list"] | None = None,
    model_id: str | None = None,
    sql_warehouse_id: str | None = None,
    include_spans: bool = True,
    locations: list[str] | None = None,
    flush: bool = False,
) -> Any:
    """The stored traces that meet a filter, the newest first.

    Traces that have ended are found; running ones only if the filter names their state, as in
    ``status = 'IN_PROGRESS'``. After ``mlflow.search_traces``.

    Args:
        experiment_ids: deprecated: use `locations`.
        filter_string: such as ``"status = 'ERROR' AND span.type = 'LLM'"``; the guide on search
            lists all fields. Conditions on spans that are joined by AND hold for one span.
        max_results: at most so many traces; None: all.
        order_by: such as ``["execution_time_ms DESC"]``.
        extract_fields: columns to add to the table: ``span.inputs``, ``span.outputs.key``; names
            with dots are in back-ticks. Missing values are None.
        run_id: only traces of this MLflow run.
        return_type: ``list`` of `Trace`, or ``pandas`` for a DataFrame with a row for each;
            None: a DataFrame if pandas is installed.
        model_id: only traces of this MLflow model.
        sql_warehouse_id: deprecated; Databricks only, and without effect here.
        include_spans: False leaves the traces' spans out, which is quicker.
        locations: ids of MLflow experiments; traces without one belong to ``"0"``.
        flush: first wait until everything that has ended is written.

    Raises:
        InvalidValueError: the filter, the order, `return_type` or `extract_fields` cannot be used.
        InvalidTypeError: an argument has a wrong type.
        StoreError: the store cannot be read.
    """
    if experiment_ids is not None:
        warn_of_experiment_ids()
    if sql_warehouse_id is not None:
        warnings.warn(
            "The `sql_warehouse_id` parameter is deprecated.", FutureWarning, stacklevel=2
        )
    if return_type is None:
        return_type = "pandas" if has_pandas() else "list"
    if return_type not in ("pandas", "list"):
        raise InvalidValueError(
            f"Invalid return type: {return_type}. Return type must be either 'pandas' or 'list'."
        )
    if extract_fields and return_type == "list":
        raise InvalidValueError(
            "The `extract_fields` parameter is only supported when return type is set to 'pandas'."
        )
    if return_type == "pandas" and not has_pandas():
        raise InvalidValueError(
            "return_type='pandas' needs the package pandas: `pip install pandas`, "
            "or use return_type='list'."
        )
    _check_count(max_results)
    fields = parse_fields(extract_fields or ())
    if flush:
        runtime.recorder.flush()
    traces = find_traces(
        filter_string,
        {"experiment_ids": experiment_ids, "locations": locations},
        run_id,
        model_id,
        order_by,
        max_results,
        include_spans=include_spans,
    )
    return traces if return_type == "list" else traces_to_dataframe(traces, fields)


def warn_of_experiment_ids() -> None:
    """Say that the parameter is deprecated, to who called the function that calls this one."""
    warnings.warn(
        "The `experiment_ids` parameter is deprecated. Use `locations` instead.",
        FutureWarning,
        stacklevel=3,
    )


def find_traces(
    filter_string: str | None,
    places: Mapping[str, Sequence[str] | None],
    run_id: str | None,
    model_id: str | None,
    order_by: Sequence[str] | None,
    max_results: int | None,
    *,
    offset: int = 0,
    include_spans: bool = True,
    one_more: bool = False,
) -> list[Trace]:
    """The traces that `search_traces` speaks of.

    Args:
        filter_string: the filter.
        places: ids of experiments, by the names of the arguments that they were given as.
        run_id: of an MLflow run.
        model_id: of an MLflow model.
        order_by: the order.
        max_results: at most so many; None: all.
        offset: so many are passed over first.
        include_spans: with their spans.
        one_more: beyond `max_results`, if there is one.

    Raises:
        As `search_traces`.
    """
    _check_count(max_results)
    where = [place for name, given in places.items() for place in _places(name, given)]
    condition = parse_filter(filter_string)
    query = q.TraceQuery(
        _all(condition, *_ended(condition), *_scope(where, run_id, model_id)),
        parse_order_by(order_by),
        None if max_results is None else min(max_results + one_more, _MOST),
        min(offset, _MOST),
    )
    return runtime.recorder.reading.search(query, include_spans=include_spans)


def _check_count(max_results: int | None) -> None:
    if max_results is not None and (not isinstance(max_results, int) or max_results < 0):
        raise InvalidValueError(f"max_results must be a number from 0 up, got {max_results!r}.")


def search_sessions(
    max_results: int | None = 100,
    run_id: str | None = None,
    model_id: str | None = None,
    include_spans: bool = True,
    locations: list[str] | None = None,
) -> list[Session]:
    """The newest conversations: ended traces that share a session id, each in the order of time.

    Traces without a session are left out. A session counts from its newest trace. After
    ``mlflow.search_sessions``.

    Args:
        max_results: at most so many sessions; None: all.
        run_id: only traces of this MLflow run decide which sessions are found.
        model_id: likewise of this MLflow model.
        include_spans: False leaves the traces' spans out.
        locations: ids of MLflow experiments.

    Raises:
        InvalidTypeError: `locations` is not a list.
        StoreError: the store cannot be read.
    """
    _check_count(max_results)
    max_results = _MOST if max_results is None else max_results
    store = runtime.recorder.reading
    scope = _scope(_places("locations", locations), run_id, model_id)
    found = store.sessions(_all(*_ended(None), *scope), min(max_results, _MOST))
    members = _all(
        q.Comparison("metadata", SESSION, "IN", tuple(found)),
        *_ended(None),
        *_scope(_places("locations", locations), None, None),
    )
    query = q.TraceQuery(members, (q.Order("timestamp_ms"),))
    traces: dict[str, list[Trace]] = {session: [] for session in found}
    for trace in store.search(query, include_spans=include_spans):
        session = trace.info.trace_metadata.get(SESSION, "")
        if session in traces:
            traces[session].append(trace)
        else:
            warn_once(
                f"session of {trace.trace_id}",
                "tracetape: %s is left out of its session, which its metadata do not name",
                trace.trace_id,
            )
    return [Session(some) for some in traces.values() if some]


def _ended(condition: q.Condition | None) -> list[q.Condition]:
    running = TraceState.IN_PROGRESS.value
    if q.names(condition, "trace", "status", running):
        return []
    return [q.Comparison("trace", "status", "!=", running)]


def _scope(places: Sequence[str], run_id: str | None, model_id: str | None) -> list[q.Condition]:
    scope: list[q.Condition] = []
    if places:
        here: q.Condition = q.Comparison("trace", "experiment_id", "IN", tuple(places))
        if DEFAULT_EXPERIMENT in places:
            here = q.Or((here, q.Comparison("trace", "experiment_id", "IS NULL")))
        scope.append(here)
    for key, value in ((SOURCE_RUN, run_id), (MODEL_ID, model_id)):
        if value is not None:
            scope.append(q.Comparison("metadata", key, "=", str(value)))
    return scope


def _all(*conditions: q.Condition | None) -> q.Condition:
    return q.And(tuple(one for one in conditions if one is not None))


def _places(name: str, given: Any) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, (list, tuple)):
        raise InvalidTypeError(
            f"{name} must be a list, got {type(given).__name__}. "
            f"Did you mean to use {name}=[{given!r}]?"
        )
    return [str(place) for place in given]
