"""How long traces are kept, and how much of them."""

from __future__ import annotations

from dataclasses import dataclass

from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.limits import is_duration, parse_bytes, parse_seconds

__all__ = ["EMPTY_BYTES", "Retention", "parse_retention", "parse_size"]

EMPTY_BYTES = 176 << 10  # what a store without a trace takes: a smaller bound removes everything


@dataclass(frozen=True)
class Retention:
    """A bound that pruning keeps.

    Attributes:
        seconds: traces that began longer ago are removed; None: none for their age.
        max_bytes: the oldest are removed until the store is not a larger; None: any size.
    """

    seconds: float | None = None
    max_bytes: int | None = None

    def __str__(self) -> str:
        """The bound in words."""
        age = None if self.seconds is None else f"{self.seconds:,.0f} s"
        size = None if self.max_bytes is None else f"{self.max_bytes / 1e6:,.1f} MB"
        return ", ".join(filter(None, (age, size)))


def parse_retention(text: str) -> Retention:
    """Parse ``30d``, ``2GB`` or ``30d, 2GB``.

    Raises:
        InvalidTypeError: it is not a string.
        InvalidValueError: it is neither an age nor a size, or would keep nothing.
    """
    if not isinstance(text, str):
        raise InvalidTypeError(f"retention must be a string such as '30d' or '2GB', got {text!r}.")
    seconds, max_bytes = None, None
    for part in text.split(","):
        if not is_duration(part):
            try:
                max_bytes = parse_size(part)
            except InvalidValueError as error:
                if "is not a size" not in str(error):
                    raise
                raise InvalidValueError(
                    f"{part.strip()!r} is not a size, nor an age: write an age such as 30d, a size "
                    "such as 500MB, or both as '30d, 500MB'."
                ) from None
            continue
        seconds = parse_seconds(part)
        if seconds <= 0:
            raise InvalidValueError(
                f"{part.strip()!r} would keep nothing: write an age such as 30d, or a size such "
                "as 500MB. TRACETAPE_DISABLED=1 records nothing."
            )
    return Retention(seconds, max_bytes)


def parse_size(text: str) -> int:
    """The bound of a store's size.

    Raises:
        InvalidValueError: it is invalid, or a store without traces is larger.
    """
    return parse_bytes(text, at_least=EMPTY_BYTES)
