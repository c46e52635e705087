"""`configure`, `enable`, `disable`, `reset`, `flush`, `stats`: steering what happens to spans."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from tracetape._lazy import loading
from tracetape.diagnostics import faults
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.limits import checked_flag, timeout_seconds
from tracetape.media.policy import MediaPolicy
from tracetape.privacy.levels import Privacy, checked_level
from tracetape.store import Store
from tracetape.tracing.runtime import runtime
from tracetape.tracing.settings import Processor, attachment_bytes, checked_ratio

if TYPE_CHECKING:
    from tracetape.privacy.redactor import RedactionRule

__all__ = [
    "TracingConfig",
    "configure",
    "disable",
    "enable",
    "flush",
    "flush_trace_async_logging",
    "get_config",
    "reset",
    "stats",
]


@dataclass
class TracingConfig:
    """The configuration, as MLflow shows it.

    Attributes:
        span_processors: called with each `LiveSpan` that has ended, before it is written.

    Raises:
        InvalidTypeError: a processor cannot be called with one argument.
    """

    span_processors: Sequence[Processor] = field(default_factory=list)

    def __post_init__(self) -> None:
        for processor in self.span_processors:
            if not callable(processor):
                raise InvalidTypeError(
                    f"Span processor must be a callable function, got {processor!r}."
                )
            if not _takes_one(processor):
                raise InvalidTypeError(
                    "Span processor must take exactly one argument that accepts a LiveSpan "
                    f"object, got {processor!r}."
                )


def _takes_one(processor: Any) -> bool:
    try:
        inspect.signature(processor).bind(None)
    except TypeError:
        return False
    except ValueError:  # builtins may have no signature
        pass
    return True


class _Restore(AbstractContextManager[None]):
    """Puts the configuration back at the end of a `with` block, also after an exception."""

    def __init__(self) -> None:
        self._before = runtime.config

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        # Other functions than `configure` say in MLflow's words where traces go.
        runtime.use(self._before._replace(destination=runtime.config.destination))


def configure(
    span_processors: Sequence[Processor] | None = None,
    *,
    store: str | PathLike[str] | Store | None = None,
    sampling_ratio: float | None = None,
    keep_errors: bool | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    otel_context: bool | None = None,
    extract_attachments: bool | None = None,
    max_attachment_size: int | str | None = None,
    retention: str | None = None,
    capture: str | None = None,
    redact: Iterable[RedactionRule] | None = None,
    async_logging: bool | None = None,
) -> AbstractContextManager[None]:
    """Change how spans are processed and where they go; what is not given stays as it is.

    As a context manager it puts everything but `store` back at the end of the block.

    Args:
        span_processors: functions called in order with each `LiveSpan` that has ended, before
            it is written. One that fails, or returns anything, gives a warning.
        store: ``sqlite:///path/to/traces.db``, ``memory://``, a path, or a `Store`. Else the
            environment variable ``TRACETAPE_STORE``, else ``.tracetape/traces.db``.
        sampling_ratio: the share of traces to record, from 0 to 1
            (``TRACETAPE_TRACE_SAMPLING_RATIO``).
        keep_errors: also record a trace that is not sampled if anything in it fails
            (``TRACETAPE_TRACE_SAMPLING_KEEP_ERRORS``).
        prices: US dollars per million tokens by model: ``{"gpt-4o": {"input": 2.5,
            "output": 10, "cached_input": 1.25}}``. Without a price there is no cost.
        otel_context: an active OpenTelemetry span becomes the parent of a trace's root, and
            ours is visible to OpenTelemetry as the current one. Needs ``opentelemetry-api``.
        extract_attachments: base64 media in inputs and outputs are kept once as attachments, and
            references take their place (``TRACETAPE_TRACE_EXTRACT_ATTACHMENTS``; the default).
        max_attachment_size: larger media are not kept, their references stay: a number of bytes,
            or a size such as ``10MB`` (``TRACETAPE_TRACE_MAX_ATTACHMENT_SIZE``).
        retention: how long traces are kept, how much space they take, or both: ``30d``, ``2GB``,
            ``30d, 2GB`` (``TRACETAPE_RETENTION``). The unit is required. The oldest are removed
            when there is nothing else to do.
        capture: how much of each span is kept: ``full``; ``metadata``: no inputs, outputs or
            texts, but names, times, models, tokens, numbers; ``none``: names, times and statuses
            only (``TRACETAPE_CAPTURE``).
        redact: what is hidden in inputs, outputs, attributes and events before it is written: key
            paths (``messages.*.content``, ``password``), patterns of `re.compile`, functions of
            (path, value); ready ones are in `tracetape.redaction`. An empty list hides nothing.
        async_logging: False: whoever ends the root of a trace waits until the trace is in the
            store, so that any reader finds it (``TRACETAPE_ENABLE_ASYNC_TRACE_LOGGING``; the
            default is True). A store that fails is not waited for.

    Raises:
        InvalidValueError: `store` is not a URL that we know, or `sampling_ratio` is not in 0 to 1,
            or `retention` is neither an age nor a size or would keep nothing, or
            `max_attachment_size` is not a size, or `capture` is not a level, or a price of
            `prices` has an unknown name or is negative.
        InvalidTypeError: an option has a value of another type, a rule of `redact` is of no kind
            that we know, or `prices` has another shape.
        IntegrationMissingError: `otel_context` is True without OpenTelemetry's API.
    """
    restore = _Restore()
    # What can be refused comes first, so that all is changed or nothing.
    for name, flag in (
        ("keep_errors", keep_errors),
        ("otel_context", otel_context),
        ("extract_attachments", extract_attachments),
        ("async_logging", async_logging),
    ):
        if flag is not None:
            checked_flag(flag, name)
    if span_processors is not None:
        span_processors = _processors(span_processors)
    if sampling_ratio is not None:
        sampling_ratio = checked_ratio(sampling_ratio, "sampling_ratio")
    bound = None
    if retention is not None:
        with loading:
            from tracetape.store.retention import parse_retention

        bound = parse_retention(retention)
    redactor = None
    if redact is not None:
        with loading:
            from tracetape.privacy.redactor import Redactor

        if isinstance(redact, (str, bytes)) or not isinstance(redact, Iterable):
            raise InvalidTypeError(f"redact takes a list of rules, not {redact!r}: [{redact!r}]")
        rules = list(redact)
        redactor = Redactor(rules) if rules else None
    if prices is not None:
        with loading:
            from tracetape.tracing.costs import check_prices

        check_prices(prices)
    if capture is not None:
        capture = checked_level(capture)
    max_bytes = None
    if max_attachment_size is not None:
        try:
            max_bytes = attachment_bytes(max_attachment_size)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"max_attachment_size: {error}") from None
    otel = None
    if otel_context:
        with loading:
            from tracetape.tracing.otel import OtelContext

        otel = OtelContext()
    if store is not None:
        runtime.use_store(store)
    now = runtime.config
    changed: dict[str, Any] = {
        "processors": None if span_processors is None else tuple(span_processors),
        "sampling_ratio": sampling_ratio,
        "keep_errors": keep_errors,
        "async_logging": async_logging,
        "prices": prices,
        "retention": bound,
    }
    changed = {name: value for name, value in changed.items() if value is not None}
    if otel_context is not None:
        changed["otel"] = otel
    if extract_attachments is not None or max_bytes is not None:
        changed["media"] = MediaPolicy(
            now.media.extract if extract_attachments is None else extract_attachments,
            now.media.max_bytes if max_bytes is None else max_bytes,
        )
    if capture is not None or redact is not None:
        changed["privacy"] = Privacy(
            now.privacy.capture if capture is None else capture,
            now.privacy.redactor if redact is None else redactor,
        )
    runtime.change(**changed)
    runtime.get_ready()
    return restore


def _processors(given: Any) -> list[Processor]:
    if (
        callable(given)
        or isinstance(given, (str, bytes, Mapping))
        or not isinstance(given, Iterable)
    ):
        raise InvalidTypeError(
            f"span_processors must be a list of functions, got {given!r}: "
            "write span_processors=[function]"
        )
    found = list(given)
    try:
        TracingConfig(found)
    except InvalidTypeError as error:
        raise InvalidTypeError(
            f"span_processors: {str(error).rstrip('.')}; write span_processors=[function]"
        ) from None
    return found


def get_config() -> TracingConfig:
    """The current configuration."""
    return TracingConfig(list(runtime.config.processors))


def enable() -> None:
    """Record spans again after `disable`."""
    runtime.enabled = True
    runtime.get_ready()


def disable() -> None:
    """Record nothing from now on: spans are `NoOpSpan`, decorated functions run as they are."""
    runtime.enabled = False


def reset() -> None:
    """Back to the defaults: the environment is read again, processors and prices are gone."""
    runtime.defaults()
    runtime.use_store(None)


def flush(timeout: float | None = None) -> int:
    """Wait until all spans that have ended are durable.

    Args:
        timeout: seconds; None waits as long as it takes, but only ten seconds for a store that
            fails, such as one on a full disk.

    Returns:
        How many spans are still unwritten: 0, unless the time was too short or the store fails.

    Raises:
        InvalidTypeError: `timeout` is neither a number nor None.
        InvalidValueError: it is NaN.
    """
    return runtime.recorder.flush(timeout_seconds(timeout))


def flush_trace_async_logging(terminate: bool = False) -> None:
    """MLflow's name for `flush`; never raises.

    Args:
        terminate: stop the writing thread as well; a later span starts it again.
    """
    runtime.recorder.close() if terminate else runtime.recorder.flush()


def stats() -> dict[str, Any]:
    """Counters of this process: spans recorded, written, queued, lost and dropped, and faults.

    ``dropped_traces`` and ``dropped_changes`` (of tags) are those for which there was no room in
    memory; ``forgotten_spans`` those that were open when too many were, and are written only if
    they end. ``pruned_traces`` are those that the bound `retention` has removed,
    ``evicted_traces`` those that a store in memory (64 MB) had no more room for;
    ``unshared_spans`` those that a forked process has in its own memory only. ``faults`` counts
    internal errors of tracetape by the place where they happened. Asking makes no store.
    """
    recorder = runtime.recorder
    counters = {**recorder.as_dict(), "pruned_traces": recorder.pruned}
    counters["evicted_traces"] = recorder.evicted
    counters["unshared_spans"] = recorder.unshared
    return {**counters, "store": recorder.url, "faults": faults()}
