"""A moment within a span."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from tracetape._lazy import loading
from tracetape._system import wall_clock_ns
from tracetape.capture import encode
from tracetape.capture.conversion import text_of
from tracetape.formats.json_text import json_text

__all__ = ["SpanEvent"]


@dataclass
class SpanEvent:
    """Something that happened at one moment of a span.

    Attributes:
        name: what happened; ``exception`` for an exception.
        timestamp: nanoseconds since the epoch; now, if not given.
        attributes: details by name.
    """

    name: str
    timestamp: int = field(default_factory=wall_clock_ns)
    attributes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_exception(cls, exception: BaseException) -> SpanEvent:
        """The event that records `exception`.

        Attribute names after OpenTelemetry's semantic conventions for exceptions:
        ``exception.message``, ``exception.type`` (the class's name, as MLflow has it) and
        ``exception.stacktrace`` (with causes).
        """
        return cls(
            name="exception",
            attributes={
                "exception.message": text_of(exception),
                "exception.type": type(exception).__name__,
                "exception.stacktrace": _stacktrace(exception),
            },
        )

    def json(self) -> dict[str, Any]:
        """The event as a dictionary of its three fields; attributes are JSON text, as in MLflow."""
        attributes = json_text(encode(self.attributes)) if self.attributes else None
        return {"name": self.name, "timestamp": self.timestamp, "attributes": attributes}

    def to_otel_proto(self) -> Any:
        """The event as a message of OpenTelemetry's protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        with loading:
            from tracetape.formats.otel import event_to_proto

        return event_to_proto(self.name, self.timestamp, self.attributes)


def _stacktrace(exception: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(exception))
    except Exception:  # noqa: BLE001 - formatting runs the user's __str__
        return f"{type(exception).__name__}: <stack trace could not be formatted>"
