"""How important a span is."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from tracetape.exceptions import InvalidTypeError, InvalidValueError

__all__ = ["EXCEPTION", "SpanLogLevel", "level_of"]

EXCEPTION = "exception"  # the name of an event that makes a span an ERROR for readers
# What a reader wants to see first; chains, parsers and the like are in between.
_INFO_TYPES = frozenset({"LLM", "CHAT_MODEL", "TOOL", "RETRIEVER", "AGENT", "EMBEDDING"})


class SpanLogLevel(IntEnum):
    """How important a span is; the numbers are those of the module `logging`."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @classmethod
    def from_value(cls, value: SpanLogLevel | str) -> SpanLogLevel:
        """The level that a level or its name (in either case) represents.

        Raises:
            InvalidValueError: no level has this name.
            InvalidTypeError: `value` is neither a level nor a name; MLflow takes no numbers.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            try:
                return cls[value.strip().upper()]
            except KeyError:
                names = list(cls.__members__)
                raise InvalidValueError(
                    f"Invalid SpanLogLevel name {value!r}. Expected one of {names}."
                ) from None
        raise InvalidTypeError(
            f"SpanLogLevel must be a SpanLogLevel or str, got {type(value).__name__}."
        )


def level_of(span_type: str, event_names: Iterable[str]) -> SpanLogLevel:
    """The level of an ended span for which the program gave none."""
    if EXCEPTION in event_names:
        return SpanLogLevel.ERROR
    return SpanLogLevel.INFO if span_type in _INFO_TYPES else SpanLogLevel.DEBUG
