"""Attributes that are replaced while a tape is open, and put back exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Patches"]

_ABSENT = object()


class Patches:
    """Wrappers that were put on, the last first to come off."""

    def __init__(self) -> None:
        """None yet."""
        self._made: list[tuple[Any, str, Any, Any]] = []
        # Ours that somebody else has wrapped: they stay, and let everything through.
        self._left: list[Any] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Replace an attribute by what `wrapper` makes of it."""
        original = getattr(owner, name)
        if any(original is ours for ours in self._left):
            return  # it came to light again, and still works
        own = vars(owner).get(name, _ABSENT)
        ours = wrapper(original)
        setattr(owner, name, ours)
        self._made.append((owner, name, own, ours))

    def put(self, owner: Any, name: str, value: Any) -> None:
        """Give `owner` an attribute of its own."""
        self._made.append((owner, name, vars(owner).get(name, _ABSENT), value))
        setattr(owner, name, value)

    def undo(self) -> None:
        """Put everything back that nobody else has wrapped since."""
        while self._made:
            owner, name, own, ours = self._made.pop()
            if vars(owner).get(name) is not ours:
                self._left.append(ours)
            elif own is _ABSENT:
                delattr(owner, name)  # it was inherited
            else:
                setattr(owner, name, own)
