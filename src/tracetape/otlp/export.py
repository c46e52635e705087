"""Stored traces as OTLP, sent by OpenTelemetry's own exporter, to a collector or to Databricks.

Attributes are MLflow's, the structured ones as JSON text, which every receiver takes. The address
and headers of Databricks are those of its reference, "Ingest OpenTelemetry data into Unity
Catalog", and of ``mlflow.store.tracking.databricks_rest_store``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from logging import LogRecord, getLogger
from typing import TYPE_CHECKING, Any

from tracetape._terminal import plural
from tracetape.capture import encode
from tracetape.entities.span import record_of
from tracetape.exceptions import ExportError, IntegrationMissingError, InvalidValueError
from tracetape.formats.ids import parse_span_id, parse_trace_id
from tracetape.formats.names import SESSION, TRACE_ID, USER
from tracetape.privacy.names import MARK
from tracetape.privacy.texts import clean_said
from tracetape.privacy.urls import secrets_in_url
from tracetape.privacy.values import secrets_in_headers, secrets_of, those_that_tell

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from tracetape.entities.span import Span
    from tracetape.entities.trace import Trace

__all__ = ["otlp_exporter", "send", "workspace_exporter"]

_BATCH = 512  # spans a request, as OpenTelemetry's batch processor has it
_TABLE = re.compile(r"[^.\s/]+\.[^.\s/]+\.[^.\s/]+")
_SUFFIX = "_otel_spans"
_PATH = "/api/2.0/otel/v1/traces"
_TABLE_HEADER = "X-Databricks-UC-Table-Name"
# MLflow reads a trace's tags and session off its spans.
_TAG = "mlflow.traceTag."
_SCALARS = (str, bool, int, float)


def otlp_exporter(endpoint: str | None = None, headers: dict[str, str] | None = None) -> Any:
    """OpenTelemetry's exporter over HTTP; what is not given says ``OTEL_EXPORTER_OTLP_*``.

    Raises:
        IntegrationMissingError: opentelemetry-exporter-otlp-proto-http is not installed.
    """
    module = _module(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        "opentelemetry-exporter-otlp-proto-http",
    )
    return module.OTLPSpanExporter(endpoint=endpoint, headers=headers)


def workspace_exporter(table: str) -> Any:
    """An exporter into a table of Unity Catalog; the login is databricks-sdk's.

    Args:
        table: ``catalog.schema.prefix`` of the trace location, or ``…_otel_spans`` in full.

    Raises:
        InvalidValueError: it is not such a name.
        IntegrationMissingError: databricks-sdk, or OpenTelemetry's exporter, is not installed.
        ExportError: databricks-sdk finds no login.
    """
    if _TABLE.fullmatch(table) is None:
        raise InvalidValueError(
            f"A table of Unity Catalog is named catalog.schema.prefix, got {table!r}"
        )
    name = table if table.endswith(_SUFFIX) else table + _SUFFIX
    sdk = _module("databricks.sdk.core", "databricks-sdk", "databricks,otlp")
    try:
        config = sdk.Config()
        headers = {**config.authenticate(), _TABLE_HEADER: name}
    except ValueError as error:
        raise ExportError(f"databricks-sdk cannot log in: {error}") from error
    return otlp_exporter(config.host.rstrip("/") + _PATH, headers)


def send(traces: Iterable[Trace], exporter: SpanExporter) -> Iterator[int]:
    """Send traces in batches; yields how many of them have arrived, after each batch.

    Raises:
        ExportError: the receiver did not take a batch, after the exporter's own retries.
    """
    batch: list[ReadableSpan] = []
    count = done = 0
    for trace in traces:
        batch += [readable(span, trace) for span in trace.data.spans if span.end_time_ns]
        count += 1
        if len(batch) >= _BATCH:
            _send(batch, exporter, done)
            done += count
            batch, count = [], 0
            yield done
    if batch:
        _send(batch, exporter, done)
    yield done + count


def _send(batch: list[ReadableSpan], exporter: SpanExporter, done: int) -> None:
    with _no_login_in_its_log(exporter):
        result = exporter.export(batch)
    if result.name != "SUCCESS":
        raise ExportError(
            f"The receiver did not accept {plural(len(batch), 'span')}; before that, "
            f"{plural(done, 'trace')} had arrived. The log line above has its answer."
        )


@contextmanager
def _no_login_in_its_log(exporter: SpanExporter) -> Iterator[None]:
    """The exporter logs the address, and what a receiver says, which may repeat the headers."""
    url = str(getattr(exporter, "_endpoint", ""))
    headers = getattr(exporter, "_headers", None) or {}
    secrets = secrets_of(those_that_tell([*secrets_in_headers(headers), *secrets_in_url(url)]))

    def clean(record: LogRecord) -> bool:
        record.msg, record.args = clean_said(secrets.text(record.getMessage()), MARK), None
        return True

    log = getLogger(type(exporter).__module__)
    log.addFilter(clean)
    try:
        yield
    finally:
        log.removeFilter(clean)


def readable(span: Span, trace: Trace) -> ReadableSpan:
    """A span as OpenTelemetry's SDK has it; the root brings the fields of its trace."""
    api = _module("opentelemetry.trace", "opentelemetry-api")
    sdk = _module("opentelemetry.sdk.trace", "opentelemetry-sdk")
    resources = _module("opentelemetry.sdk.resources", "opentelemetry-sdk")

    def context(trace_id: int, span_id: int) -> Any:
        return api.SpanContext(trace_id, span_id, False, api.TraceFlags(api.TraceFlags.SAMPLED))

    attributes = {key: _value(value) for key, value in span.attributes.items() if key != TRACE_ID}
    if span.parent_id is None:
        attributes.update(_of_trace(trace))
    events = [
        sdk.Event(event.name, _values(event.attributes), event.timestamp) for event in span.events
    ]
    links = [
        api.Link(
            context(parse_trace_id(link.trace_id), parse_span_id(link.span_id)),
            _values(link.attributes or {}),
        )
        for link in span.links
    ]
    record = record_of(span)
    parent = record.parent_id
    return sdk.ReadableSpan(  # type: ignore[no-any-return]
        name=span.name,
        context=context(record.trace_id, record.span_id),
        parent=None if parent is None else context(record.trace_id, parent),
        resource=resources.Resource.create(),
        attributes=attributes,
        events=events,
        links=links,
        status=span.status.to_otel_status(),
        start_time=span.start_time_ns,
        end_time=span.end_time_ns,
    )


def _of_trace(trace: Trace) -> dict[str, str]:
    said = {f"{_TAG}{key}": value for key, value in trace.info.tags.items()}
    metadata = trace.info.trace_metadata
    for key, name in ((SESSION, "session.id"), (USER, "user.id")):
        if key in metadata:
            said[name] = metadata[key]
    return said


def _values(attributes: Any) -> dict[str, Any]:
    return {key: _value(value) for key, value in attributes.items()}


def _value(value: Any) -> Any:
    return value if isinstance(value, _SCALARS) else encode(value).decode()


def _module(name: str, package: str, extra: str = "otlp") -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise IntegrationMissingError(
            f"Sending traces needs the package {package}: `pip install 'tracetape[{extra}]'`"
        ) from error
