"""How important a span is."""

from __future__ import annotations

from enum import IntEnum

from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["SpanLogLevel"]


class SpanLogLevel(IntEnum):
    """How important a span is; the numbers are those of the module `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @classmethod
    def from_value(cls, value: SpanLogLevel | int | str) -> SpanLogLevel:
        """The level that a level, its number or its name (in either case) stands for.

        Raises:
            InvalidValueError: no level has this name or number.
            InvalidTypeError: `value` is neither a level, a number nor a name.
        """
        names = list(cls.__members__)
        if isinstance(value, str):
            try:
                return cls[value.strip().upper()]
            except KeyError:
                raise InvalidValueError(
                    f"Invalid SpanLogLevel name {value!r}. Expected one of {names}."
                ) from None
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                return cls(value)
            except ValueError:
                raise InvalidValueError(
                    f"Invalid SpanLogLevel {value!r}. Expected one of {[*cls]}."
                ) from None
        raise InvalidTypeError(
            f"SpanLogLevel must be a SpanLogLevel or str, got {type(value).__name__}."
        )
