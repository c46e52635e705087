"""Integrations that others wrote: registered by a program, or entry points of a distribution."""

from __future__ import annotations

from typing import Any

from tracetape import apis
from tracetape._entry_points import entry_points
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.instrument.integration import Integration

__all__ = ["ThirdParty", "third_party"]


class ThirdParty:
    """All integrations that do not come with tracetape."""

    def __init__(self) -> None:
        """Begin without an integration."""
        self._registered: dict[str, Integration] = {}

    def names(self) -> list[str]:
        """Names of those that are registered or installed; none is imported."""
        return sorted({*self._registered, *entry_points.names()})

    def add(self, integration: Any, taken: frozenset[str]) -> None:
        """Take an integration, whose name none of `taken` has.

        Raises:
            InvalidTypeError: it is not an `Integration`.
            InvalidValueError: its name is that of an integration of tracetape's own.
        """
        if not isinstance(integration, Integration):
            raise InvalidTypeError(
                "register() takes a tracetape.instrument.Integration, "
                f"got {type(integration).__name__}"
            )
        if integration.name in taken:
            raise InvalidValueError(
                f"tracetape has an integration {integration.name!r} of its own: "
                "give yours another name"
            )
        self._registered[integration.name] = integration
        apis.register(integration.name, integration.apis)

    def find(self, name: str) -> Integration | None:
        """The integration of this name; None, with one warning, if it cannot be loaded."""
        return self._registered.get(name) or entry_points.find(name, Integration)

    def problem(self, name: str) -> str | None:
        """Why the integration of this name could not be loaded."""
        return entry_points.problem(name)


third_party = ThirdParty()
