"""Rows that tracetape cannot have written: left out, counted and reported."""

from __future__ import annotations

from typing import Any

__all__ = ["Damaged", "Unreadable", "UnreadableError", "checked", "text_or_damaged"]

_SHOWN = 60  # characters of a strange value


class UnreadableError(ValueError):
    """A row, or a value of it, cannot be read; the message says why."""


class Damaged:
    """In place of a text that is not in UTF-8."""

    def __repr__(self) -> str:
        return "text that is not in UTF-8"


def text_or_damaged(data: bytes) -> str | Damaged:
    """SQLite's text as Python's, or what represents one that is not valid."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Damaged()


def checked(what: str, value: Any, kind: type, *, null: bool = False) -> Any:
    """`value`, which must be of this type.

    Raises:
        UnreadableError: it is not.
    """
    if type(value) is kind or (null and value is None):
        return value
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    raise UnreadableError(f"its {what} is {shown}")


class Unreadable:
    """Counts the rows and values that were left out, each once however often it is met.

    Attributes:
        reason: why the first one was left out, and where it is.
    """

    def __init__(self) -> None:
        """Begin with nothing left out."""
        self.reason = ""
        self._rows: dict[str, set[object]] = {}

    def add(self, kind: str, row: object, reason: str) -> None:
        """Count a row, or a value, unless it is counted already.

        Args:
            kind: what it is, in the singular.
            row: what tells it from others of its kind.
            reason: where it is, and what is wrong with it.
        """
        self._rows.setdefault(kind, set()).add(row)
        self.reason = self.reason or reason

    def count(self) -> int:
        """How many rows and values were left out."""
        return sum(map(len, self._rows.values()))

    def __str__(self) -> str:
        """The rows that were left out, in words."""
        counts = [
            f"{len(rows):,} {kind}{'' if len(rows) == 1 else 's'}"
            for kind, rows in self._rows.items()
        ]
        return f"{', '.join(counts)} cannot be read and are left out ({self.reason})"
