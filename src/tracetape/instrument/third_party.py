"""Integrations that others wrote: registered by a program, or entry points of a distribution."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from tracetape._lazy import loading
from tracetape._terminal import visible_line
from tracetape.diagnostics import warn_once
from tracetape.exceptions import InvalidTypeError, InvalidValueError
from tracetape.instrument.integration import Integration

__all__ = ["ThirdParty", "third_party"]

# Of entry points (https://packaging.python.org/specifications/entry-points):
# in pyproject.toml, [project.entry-points."tracetape.integrations"].
GROUP = "tracetape.integrations"


class ThirdParty:
    """All integrations that do not come with tracetape."""

    def __init__(self) -> None:
        """Begin without an integration."""
        self._registered: dict[str, Integration] = {}
        self._references: dict[str, str] = {}
        self._searched: list[str] = []
        self._problems: dict[str, str] = {}

    def names(self) -> list[str]:
        """Names of those that are registered or installed; none is imported."""
        if self._searched != sys.path:
            self._searched = list(sys.path)
            self._references = _installed(self._searched)
        return sorted({*self._registered, *self._references})

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

    def find(self, name: str) -> Integration | None:
        """The integration of this name; None, with one warning, if it cannot be loaded."""
        if name in self._registered:
            return self._registered[name]
        reference = self._references.get(name)
        if reference is None or name in self._problems:
            return None
        try:
            integration = _load(reference)
        except Exception as error:  # noqa: BLE001 - whatever other people's code does at import
            problem = " ".join(f"{type(error).__name__}: {error}".split())
            self._problems[name] = f"{reference} cannot be loaded: {visible_line(problem)}"
            warn_once(
                f"third party {name}",
                "tracetape: the integration %s is off: %s",
                visible_line(name),
                self._problems[name],
            )
            return None
        self._registered[name] = integration
        return integration

    def problem(self, name: str) -> str | None:
        """Why the integration of this name could not be loaded."""
        return self._problems.get(name)


third_party = ThirdParty()


def _load(reference: str) -> Integration:
    module, _, attribute = reference.partition(":")
    with loading:
        found = getattr(import_module(module.strip()), attribute.strip() or "INTEGRATION")
    if not isinstance(found, Integration):
        raise TypeError(f"it is a {type(found).__name__}, not a tracetape.instrument.Integration")
    return found


def _installed(path: list[str]) -> dict[str, str]:
    """By name, the reference of each entry point of our group.

    Importing ``importlib.metadata`` takes longer than all of `autolog`: only a file that names the
    group is worth it.
    """
    found: dict[str, str] = {}
    for folder in dict.fromkeys(path):
        try:
            with os.scandir(folder or os.curdir) as entries:
                ends = (".dist-info", ".egg-info")
                distributions = [each.path for each in entries if each.name.endswith(ends)]
        except OSError:  # a zip file, or nothing
            continue
        for distribution in distributions:
            if _names_us(os.path.join(distribution, "entry_points.txt")):
                found = {**_references(distribution), **found}  # the first on the path wins
    return found


def _names_us(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return GROUP.encode() in opened.read()
    except OSError:
        return False


def _references(distribution: str) -> dict[str, str]:
    from importlib.metadata import Distribution
    from pathlib import Path

    try:
        points = Distribution.at(Path(distribution)).entry_points
        return {point.name: point.value for point in points.select(group=GROUP)}
    except Exception as error:  # noqa: BLE001 - a damaged file of somebody else's
        warn_once(
            f"third party {distribution}",
            "tracetape: the integrations of %s are off: %s",
            visible_line(distribution),
            visible_line(str(error)),
        )
        return {}
