"""Spans, events and statuses as OpenTelemetry's objects and protobuf messages.

OpenTelemetry is not a dependency of tracetape: its modules are imported on use, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from tracetape.capture import encode
from tracetape.exceptions import IntegrationMissingError, InvalidValueError
from tracetape.formats.ids import parse_span_id, parse_trace_id, trace_id_text
from tracetape.formats.mlflow_json import content_values
from tracetape.formats.names import CODE_PREFIX, TRACE_ID

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

_CODES = ("UNSET", "OK", "ERROR")
_I64 = 1 << 63


def status_to_otel(code: str, description: str) -> Any:
    """An ``opentelemetry.trace.Status``, which keeps a description only of an error."""
    api = package_module("opentelemetry.trace", "opentelemetry-api")
    # OpenTelemetry warns about a description of anything but an error, and drops it.
    dropped = code != "ERROR" and description
    return api.Status(api.StatusCode[code], None if dropped else description)


def status_from_otel(otel_status: Any) -> tuple[str, str]:
    """The code and description of an ``opentelemetry.trace.Status``.

    Raises:
        InvalidValueError: its code is not one of UNSET, OK, ERROR.
    """
    name = getattr(otel_status.status_code, "name", otel_status.status_code)
    if name not in _CODES:
        raise InvalidValueError(f"Got invalid status code from OpenTelemetry: {name}")
    return name, otel_status.description or ""


def status_to_proto(code: str, description: str) -> Any:
    """A ``trace_pb2.Status``."""
    proto = _trace_pb2().Status()
    # Messages take the names of their enums' values only by way of the enum.
    proto.code = proto.StatusCode.Value(CODE_PREFIX + code)
    if description:
        proto.message = description
    return proto


def status_from_proto(proto: Any) -> tuple[str, str]:
    """The code and description of a ``trace_pb2.Status``."""
    return proto.StatusCode.Name(proto.code).removeprefix(CODE_PREFIX), proto.message or ""


def event_to_proto(name: str, timestamp: int, attributes: Mapping[str, Any]) -> Any:
    """A ``trace_pb2.Span.Event``."""
    proto = _trace_pb2().Span.Event()
    proto.name = name
    proto.time_unix_nano = timestamp
    _add_attributes(proto, attributes)
    return proto


def span_to_proto(
    *,
    trace_id: int,
    span_id: int,
    parent_id: int | None,
    name: str,
    times: tuple[int, int | None],
    status: tuple[str, str],
    attributes: Mapping[str, Any],
    events: Iterable[tuple[str, int, Mapping[str, Any]]],
    links: Iterable[tuple[str, str, Mapping[str, Any] | None]],
) -> Any:
    """A ``trace_pb2.Span``; a link is its trace's id, its span's id, and attributes."""
    proto = _trace_pb2().Span()
    proto.trace_id = trace_id.to_bytes(16, "big")
    proto.span_id = span_id.to_bytes(8, "big")
    if parent_id is not None:
        proto.parent_span_id = parent_id.to_bytes(8, "big")
    proto.name = name
    proto.start_time_unix_nano, end = times
    if end is not None:
        proto.end_time_unix_nano = end
    proto.status.CopyFrom(status_to_proto(*status))
    _add_attributes(proto, attributes)
    for event in events:
        proto.events.append(event_to_proto(*event))
    for linked_trace, linked_span, of_link in links:
        added = proto.links.add()
        added.trace_id = parse_trace_id(linked_trace).to_bytes(16, "big")
        added.span_id = parse_span_id(linked_span).to_bytes(8, "big")
        _add_attributes(added, of_link or {})
    return proto


def values_from_proto(proto: Any, location_id: str | None, keep_id: bool = False) -> dict[str, Any]:
    """The values of a `SpanRecord` of a ``trace_pb2.Span``; the status as code and text.

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


def _add_attributes(proto: Any, attributes: Mapping[str, Any]) -> None:
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
    """A module of a package that is not a dependency of tracetape.

    Raises:
        IntegrationMissingError: the package is absent.
    """
    try:
        return import_module(name)
    except ImportError:
        raise IntegrationMissingError(
            f"This needs the package {package}: `pip install {package}`"
        ) from None
