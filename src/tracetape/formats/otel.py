"""Spans, events and statuses as OpenTelemetry's objects and protobuf messages.

OpenTelemetry is no dependency of ours: its modules are imported on use, by name.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tracetape.capture import encode
from tracetape.entities.constants import SpanStatusCode
from tracetape.entities.event import SpanEvent
from tracetape.entities.span import Span
from tracetape.entities.status import SpanStatus
from tracetape.exceptions import IntegrationMissingError, InvalidValueError
from tracetape.formats.ids import parse_span_id, parse_trace_id, trace_id_text
from tracetape.formats.mlflow_json import content_values
from tracetape.formats.names import TRACE_ID

__all__ = [
    "event_to_proto",
    "package_module",
    "span_to_proto",
    "status_from_otel",
    "status_from_proto",
    "status_to_otel",
    "status_to_proto",
    "values_from_proto",
]

_I64 = 1 << 63


def status_to_otel(status: SpanStatus) -> Any:
    """An ``opentelemetry.trace.Status``, which keeps a description only of an error."""
    api = package_module("opentelemetry.trace", "opentelemetry-api")
    # OpenTelemetry warns about a description of anything but an error, and drops it.
    dropped = status.status_code is not SpanStatusCode.ERROR and status.description
    return api.Status(
        api.StatusCode[status.status_code.value], None if dropped else status.description
    )


def status_from_otel(otel_status: Any) -> SpanStatus:
    """The status that an ``opentelemetry.trace.Status`` stands for."""
    name = getattr(otel_status.status_code, "name", otel_status.status_code)
    try:
        code = SpanStatusCode(name)
    except ValueError:
        raise InvalidValueError(f"Got invalid status code from OpenTelemetry: {name}") from None
    return SpanStatus(code, otel_status.description or "")


def status_to_proto(status: SpanStatus) -> Any:
    """A ``trace_pb2.Status``."""
    proto = _trace_pb2().Status()
    # Messages take the names of their enums' values only by way of the enum.
    proto.code = proto.StatusCode.Value(status.status_code.to_otel_proto_status_code_name())
    if status.description:
        proto.message = status.description
    return proto


def status_from_proto(proto: Any) -> SpanStatus:
    """The status that a ``trace_pb2.Status`` stands for."""
    name = proto.StatusCode.Name(proto.code)
    code = SpanStatusCode.from_otel_proto_status_code_name(name)
    return SpanStatus(code, proto.message or "")


def event_to_proto(event: SpanEvent) -> Any:
    """A ``trace_pb2.Span.Event``."""
    proto = _trace_pb2().Span.Event()
    proto.name = event.name
    proto.time_unix_nano = event.timestamp
    _add_attributes(proto, event.attributes)
    return proto


def span_to_proto(span: Span) -> Any:
    """A ``trace_pb2.Span``."""
    proto = _trace_pb2().Span()
    proto.trace_id = span._trace_id.to_bytes(16, "big")
    proto.span_id = span._span_id.to_bytes(8, "big")
    if span._parent_id is not None:
        proto.parent_span_id = span._parent_id.to_bytes(8, "big")
    proto.name = span.name
    proto.start_time_unix_nano = span.start_time_ns
    if span.end_time_ns is not None:
        proto.end_time_unix_nano = span.end_time_ns
    proto.status.CopyFrom(status_to_proto(span.status))
    _add_attributes(proto, span.attributes)
    for event in span.events:
        proto.events.append(event_to_proto(event))
    for link in span.links:
        added = proto.links.add()
        added.trace_id = parse_trace_id(link.trace_id).to_bytes(16, "big")
        added.span_id = parse_span_id(link.span_id).to_bytes(8, "big")
        _add_attributes(added, link.attributes or {})
    return proto


def values_from_proto(proto: Any, location_id: str | None, keep_id: bool = False) -> dict[str, Any]:
    """The arguments of `Span` for a ``trace_pb2.Span``.

    Args:
        proto: the message.
        location_id: where in Unity Catalog the trace is.
        keep_id: the trace has the id that the sender's attribute says, if there is one.

    Raises:
        InvalidValueError: it has no ids.
    """
    for field in ("trace_id", "span_id"):
        if not getattr(proto, field):
            raise InvalidValueError(f"{field} is required but was empty")
    trace_id = int.from_bytes(proto.trace_id, "big")
    parent = proto.parent_span_id
    shown = trace_id_text(trace_id)
    if location_id is not None:
        shown = f"trace:/{location_id}/{trace_id:032x}"
    values = {key: encode(value).decode() for key, value in _attributes(proto).items()}
    # The id is the message's, whatever the sender's attribute says.
    if not keep_id or TRACE_ID not in values:
        values[TRACE_ID] = encode(shown).decode()
    links = [
        {
            "trace_id": trace_id_text(int.from_bytes(link.trace_id, "big")),
            "span_id": link.span_id.hex(),
            "attributes": _attributes(link) or None,
        }
        for link in proto.links
    ]
    return {
        "trace_id": trace_id,
        "span_id": int.from_bytes(proto.span_id, "big"),
        "parent_id": int.from_bytes(parent, "big") if parent else None,
        "name": proto.name,
        "start_time_ns": proto.start_time_unix_nano,
        "end_time_ns": proto.end_time_unix_nano or None,
        "events": [
            (event.name, event.time_unix_nano, encode(_attributes(event))) for event in proto.events
        ],
        "status": status_from_proto(proto.status),
        **content_values(trace_id, values, links),
    }


def _attributes(proto: Any) -> dict[str, Any]:
    return {pair.key: _value_of(pair.value) for pair in proto.attributes}


def _add_attributes(proto: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        pair = proto.attributes.add()
        pair.key = key
        _set_value(pair.value, value)


def _set_value(proto: Any, value: Any) -> None:
    if value is None:
        return  # a value that is not set
    if isinstance(value, bool):
        proto.bool_value = value
    elif isinstance(value, int) and -_I64 <= value < _I64:
        proto.int_value = value
    elif isinstance(value, float):
        proto.double_value = value
    elif isinstance(value, list):
        proto.array_value.SetInParent()  # also an empty one
        for item in value:
            _set_value(proto.array_value.values.add(), item)
    elif isinstance(value, dict):
        proto.kvlist_value.SetInParent()
        for key, item in value.items():
            pair = proto.kvlist_value.values.add()
            pair.key = key
            _set_value(pair.value, item)
    else:
        proto.string_value = str(value)


def _value_of(proto: Any) -> Any:
    kind = proto.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value_of(item) for item in proto.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value_of(pair.value) for pair in proto.kvlist_value.values}
    return getattr(proto, kind)


def _trace_pb2() -> Any:
    return package_module("opentelemetry.proto.trace.v1.trace_pb2", "opentelemetry-proto")


def package_module(name: str, package: str) -> Any:
    """A module of a package that is no dependency of ours.

    Raises:
        IntegrationMissingError: the package is absent.
    """
    try:
        return import_module(name)
    except ImportError:
        raise IntegrationMissingError(
            f"This needs the package {package}: `pip install {package}`"
        ) from None
