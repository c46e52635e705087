"""The status of a span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracetape._lazy import loading
from tracetape.entities.constants import SpanStatusCode
from tracetape.exceptions import InvalidValueError

__all__ = ["OK", "UNSET", "SpanStatus", "status_from", "status_of"]


@dataclass
class SpanStatus:
    """Outcome of a span.

    Attributes:
        status_code: a `SpanStatusCode` or its name.
        description: why, for an error; otherwise empty.

    Raises:
        InvalidValueError: the code is not one of UNSET, OK, ERROR.
    """

    status_code: SpanStatusCode
    description: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.status_code, SpanStatusCode):
            try:
                self.status_code = SpanStatusCode(self.status_code)
            except ValueError:
                raise InvalidValueError(
                    f"{self.status_code} is not a valid SpanStatusCode value. "
                    f"Please use one of {[code.value for code in SpanStatusCode]}"
                ) from None

    def to_otel_status(self) -> Any:
        """An ``opentelemetry.trace.Status``, which keeps a description only of an error.

        Raises:
            IntegrationMissingError: the package opentelemetry-api is absent.
        """
        with loading:
            from tracetape.formats.otel import status_to_otel

        return status_to_otel(self.status_code.value, self.description)

    @classmethod
    def from_otel_status(cls, otel_status: Any) -> SpanStatus:
        """The status that an ``opentelemetry.trace.Status`` represents.

        Raises:
            InvalidValueError: its code is not one of UNSET, OK, ERROR.
        """
        with loading:
            from tracetape.formats.otel import status_from_otel

        return status_of(*status_from_otel(otel_status))

    def to_otel_proto_status(self) -> Any:
        """A ``Status`` message of OpenTelemetry's protobuf.

        Raises:
            IntegrationMissingError: the package opentelemetry-proto is absent.
        """
        with loading:
            from tracetape.formats.otel import status_to_proto

        return status_to_proto(self.status_code.value, self.description)

    @classmethod
    def from_otel_proto_status(cls, otel_proto_status: Any) -> SpanStatus:
        """The status that a ``Status`` message of OpenTelemetry's protobuf represents."""
        with loading:
            from tracetape.formats.otel import status_from_proto

        return status_of(*status_from_proto(otel_proto_status))


UNSET = SpanStatus(SpanStatusCode.UNSET)
OK = SpanStatus(SpanStatusCode.OK)


def status_of(code: str, description: str = "") -> SpanStatus:
    """The status with a code of this name.

    Raises:
        InvalidValueError: no code has this name.
    """
    return SpanStatus(code, description)  # type: ignore[arg-type]  # __post_init__ takes names


def status_from(value: SpanStatus | SpanStatusCode | str) -> SpanStatus:
    """A status of its own from whatever `set_status` accepts.

    Raises:
        InvalidValueError: `value` names no status code.
    """
    if isinstance(value, SpanStatus):
        return SpanStatus(value.status_code, value.description)
    return status_of(value)
