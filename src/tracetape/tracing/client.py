"""Traces by hand: spans that are begun and ended by their ids, wherever the work is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracetape.diagnostics import logger, warn_once
from tracetape.entities import LiveSpan, NoOpSpan, SpanStatus, SpanType, Trace, TraceState
from tracetape.exceptions import InvalidValueError, TracetapeException
from tracetape.formats.names import SOURCE_RUN
from tracetape.live.live_span import NO_OP_TRACE_ID
from tracetape.live.running_span import is_open
from tracetape.tracing import assessments, trace_updates
from tracetape.tracing.current import current_span
from tracetape.tracing.deletion import delete_traces
from tracetape.tracing.paging import PagedList, offset_of, token_of
from tracetape.tracing.reading import number_of, one_id
from tracetape.tracing.running import parent_of, running_traces
from tracetape.tracing.runtime import runtime
from tracetape.tracing.search import find_traces, warn_of_experiment_ids
from tracetape.tracing.spans import start_span_no_context

if TYPE_CHECKING:
    from tracetape.entities.assessment import Assessment
    from tracetape.entities.link import Link

__all__ = ["Client", "MlflowClient"]


class Client:
    """The tracing half of ``MlflowClient``: nothing is current, and everything has its id.

    A trace that is begun here is ended here. Spans may begin and end in any thread or task; they
    can also be below a span of `start_span` or `@trace`. All clients of a process know the same
    traces, and hold nothing themselves.

    Args:
        tracking_uri: no meaning here; see `configure(store=…)`.
        registry_uri: no meaning here.
        workspace_store_uri: no meaning here.
    """

    def __init__(
        self,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        workspace_store_uri: str | None = None,
    ) -> None:
        """Hold nothing."""
        if (tracking_uri, registry_uri, workspace_store_uri) != (None, None, None):
            warn_once(
                "client uri",
                "Client(tracking_uri=…) is ignored: configure(store=…) says where traces go.",
            )

    # -- making -----------------------------------------------------------------------------

    def start_trace(
        self,
        name: str,
        span_type: str = SpanType.UNKNOWN,
        inputs: Any | None = None,
        attributes: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
        experiment_id: str | None = None,
        start_time_ns: int | None = None,
        run_id: str | None = None,
        links: list[Link] | None = None,
    ) -> LiveSpan:
        """Begin a trace; `end_trace` ends it.

        Args:
            name: what the trace, and its root, is called.
            span_type: one of `SpanType`, or any other string.
            inputs: what goes into the root.
            attributes: attributes of the root.
            tags: tags of the trace.
            experiment_id: kept as the trace's location.
            start_time_ns: when it began, ns since the epoch; now, if not given.
            run_id: kept as metadata ``mlflow.sourceRun``.
            links: spans of other traces that the root is related to.

        Returns:
            The root span; a `NoOpSpan` if nothing is recorded.

        Raises:
            TracetapeException: a span is active here, below which this was probably meant to be.
        """
        active = current_span()
        if active is not None:
            raise TracetapeException(
                "Another trace is already set in the global context with ID "
                f"{active.trace_id}. To create a span below the active one, use "
                "`with tracetape.start_span()` or `Client.start_span()`. To begin several traces "
                "side by side, create all of them with `Client.start_trace()`."
            )
        return start_span_no_context(
            name,
            span_type,
            inputs=inputs,
            attributes=attributes,
            tags=tags,
            metadata=None if run_id is None else {SOURCE_RUN: run_id},
            experiment_id=experiment_id,
            start_time_ns=start_time_ns,
            links=links,
        )

    def end_trace(
        self,
        trace_id: str | None = None,
        outputs: Any | None = None,
        attributes: dict[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """End a trace's root; a span below it that is still open is ended by its own `end_span`.

        Args:
            trace_id: the trace.
            outputs: what came out of the root.
            attributes: more attributes of the root.
            status: a `SpanStatus`, or OK or ERROR.
            end_time_ns: ns since the epoch; now, if not given.
            request_id: deprecated, an older name of `trace_id`.

        Raises:
            TracetapeException: there is no such trace, or it has ended.
        """
        trace_id = one_id(trace_id, request_id)
        if trace_id == NO_OP_TRACE_ID:
            return
        for trace in running_traces(trace_id):
            root = trace.root
            if root is not None and is_open(root):
                root.end(outputs, attributes, status, end_time_ns)
                return
        if self.get_trace(trace_id).info.state is not TraceState.IN_PROGRESS:
            raise InvalidValueError(f"Trace with ID {trace_id} already finished.")
        logger.warning("The trace %s runs in another process: it is not ended here.", trace_id)

    def start_span(
        self,
        name: str,
        trace_id: str | None = None,
        parent_id: str | None = None,
        span_type: str = SpanType.UNKNOWN,
        inputs: Any | None = None,
        attributes: dict[str, Any] | None = None,
        start_time_ns: int | None = None,
        links: list[Link] | None = None,
        request_id: str | None = None,
    ) -> LiveSpan:
        """Begin a span below another one; `end_span` ends it.

        Args:
            name: what the step is called.
            trace_id: the trace, which must still run in this process.
            parent_id: id of the span above it.
            span_type: one of `SpanType`, or any other string.
            inputs: what goes in.
            attributes: attributes to begin with.
            start_time_ns: when it began, ns since the epoch; now, if not given.
            links: spans of other traces that it is related to.
            request_id: deprecated, an older name of `trace_id`.

        Returns:
            The open span; a `NoOpSpan` in a trace that is not recorded.

        Raises:
            InvalidValueError: an id is missing.
            TracetapeException: there is no such parent.
        """
        if request_id is not None:
            trace_id = one_id(trace_id, request_id)
        if trace_id == NO_OP_TRACE_ID:
            return NoOpSpan()
        if not parent_id:
            raise InvalidValueError(
                "start_span() must be called with an explicit parent_id. If you haven't started "
                "any span yet, use Client().start_trace() to start a new trace and root span."
            )
        if not trace_id:
            raise InvalidValueError("Trace ID must be provided to start a span.")
        near, above = parent_of(trace_id, parent_id)
        span = start_span_no_context(
            name,
            span_type,
            parent_span=near,
            inputs=inputs,
            attributes=attributes,
            start_time_ns=start_time_ns,
            links=links,
        )
        if not isinstance(span, NoOpSpan):
            span._parent_id = above
        return span

    def end_span(
        self,
        trace_id: str | None = None,
        span_id: str | None = None,
        outputs: Any | None = None,
        attributes: dict[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """End an open span; one that is unknown or has ended is left as it is.

        Args:
            trace_id: the trace.
            span_id: the span.
            outputs: what came out.
            attributes: more attributes.
            status: a `SpanStatus`, or OK or ERROR.
            end_time_ns: ns since the epoch; now, if not given.
            request_id: deprecated, an older name of `trace_id`.
        """
        for trace in running_traces(one_id(trace_id, request_id)):
            for span in trace.unsettled():
                if span.span_id == span_id and is_open(span):
                    span.end(outputs, attributes, status, end_time_ns)
                    return

    # -- reading ----------------------------------------------------------------------------

    def get_trace(
        self,
        trace_id: str | None = None,
        display: bool = True,
        flush: bool = False,
        request_id: str | None = None,
    ) -> Trace:
        """A trace by its id, also while it runs.

        Args:
            trace_id: the trace.
            display: no meaning here.
            flush: first wait until everything that has ended is written.
            request_id: deprecated, an older name of `trace_id`.

        Raises:
            TracetapeException: there is no such trace.
            StoreError: the store cannot be read.
        """
        del display
        trace_id = one_id(trace_id, request_id)
        if flush:
            runtime.recorder.flush()
        number = number_of(trace_id)
        trace = None if number is None else runtime.recorder.read(number)
        if trace is None:
            raise TracetapeException(f"Trace with ID {trace_id!r} not found.")
        return trace

    def search_traces(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: list[str] | None = None,
        page_token: str | None = None,
        run_id: str | None = None,
        include_spans: bool = True,
        model_id: str | None = None,
        locations: list[str] | None = None,
        flush: bool = False,
    ) -> PagedList[Trace]:
        """A page of the ended traces that meet a filter, the newest first.

        Args:
            experiment_ids: deprecated: use `locations`.
            filter_string: as of `tracetape.search_traces`.
            max_results: at most so many traces a page.
            order_by: such as ``["execution_time_ms DESC"]``.
            page_token: the `token` of the page before.
            run_id: only traces of this MLflow run.
            include_spans: False leaves the traces' spans out, which is quicker.
            model_id: only traces of this MLflow model.
            locations: ids of MLflow experiments; traces without one belong to ``"0"``.
            flush: first wait until everything that has ended is written.

        Returns:
            The traces, and as `token` what asks for the next page; None on the last one.

        Raises:
            InvalidValueError: the filter, the order, the count or the token cannot be used.
            InvalidTypeError: an argument has a wrong type.
            StoreError: the store cannot be read.
        """
        if experiment_ids is not None:
            warn_of_experiment_ids()
        offset = offset_of(page_token)
        if flush:
            runtime.recorder.flush()
        found = find_traces(
            filter_string,
            {"experiment_ids": experiment_ids, "locations": locations},
            run_id,
            model_id,
            order_by,
            max_results,
            offset=offset,
            include_spans=include_spans,
            one_more=True,
        )
        more = len(found) > max_results
        return PagedList(found[:max_results], token_of(offset + max_results) if more else None)

    # -- changing ---------------------------------------------------------------------------

    def set_trace_tag(
        self,
        trace_id: str | None = None,
        key: str | None = None,
        value: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """As `tracetape.set_trace_tag`."""
        trace_updates.set_trace_tag(one_id(trace_id, request_id), key, value)

    def delete_trace_tag(
        self, trace_id: str | None = None, key: str | None = None, request_id: str | None = None
    ) -> None:
        """As `tracetape.delete_trace_tag`."""
        trace_updates.delete_trace_tag(one_id(trace_id, request_id), key)

    def delete_traces(
        self,
        experiment_id: str | None = None,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        """Remove traces for good, with all that only they use: the old ones, or some by id.

        Traces that run are kept: by age all of them, by id those that run in this process.

        Args:
            experiment_id: only traces of this experiment; those without one, and those of an
                unnamed `experiment_id`, are in the experiment ``0``.
            max_timestamp_millis: those that began until then, ms since the epoch.
            max_traces: at most so many, the oldest first.
            trace_ids: these.

        Returns:
            How many were removed.

        Raises:
            InvalidValueError: neither an age nor ids are given, or both, or `max_traces` with ids.
            StoreError: the store cannot be changed now.
        """
        return delete_traces(experiment_id, max_timestamp_millis, max_traces, trace_ids)

    # -- assessing --------------------------------------------------------------------------

    def log_assessment(self, trace_id: str, assessment: Assessment) -> Assessment:
        """As `tracetape.log_assessment`."""
        return assessments.log_assessment(trace_id, assessment)

    def log_feedback(self, *, trace_id: str, **said: Any) -> Assessment:
        """As `tracetape.log_feedback`."""
        return assessments.log_feedback(trace_id=trace_id, **said)

    def log_expectation(self, *, trace_id: str, name: str, value: Any, **said: Any) -> Assessment:
        """As `tracetape.log_expectation`."""
        return assessments.log_expectation(trace_id=trace_id, name=name, value=value, **said)

    def log_issue(self, *, trace_id: str, issue_id: str, **said: Any) -> Assessment:
        """As `tracetape.log_issue`."""
        return assessments.log_issue(trace_id=trace_id, issue_id=issue_id, **said)

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """As `tracetape.get_assessment`."""
        return assessments.get_assessment(trace_id, assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """As `tracetape.update_assessment`."""
        return assessments.update_assessment(trace_id, assessment_id, assessment)

    def override_feedback(
        self, *, trace_id: str, assessment_id: str, value: Any, **said: Any
    ) -> Assessment:
        """As `tracetape.override_feedback`."""
        return assessments.override_feedback(
            trace_id=trace_id, assessment_id=assessment_id, value=value, **said
        )

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """As `tracetape.delete_assessment`."""
        assessments.delete_assessment(trace_id, assessment_id)


MlflowClient = Client  # the name that programs know it by
