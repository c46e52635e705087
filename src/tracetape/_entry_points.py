"""Integrations that installed distributions name as entry points."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, TypeVar

from tracetape._lazy import loading
from tracetape._terminal import visible_line
from tracetape.diagnostics import warn_once

__all__ = ["entry_points"]

# Of entry points (https://packaging.python.org/specifications/entry-points):
# in pyproject.toml, [project.entry-points."tracetape.integrations"].
GROUP = "tracetape.integrations"
_Kind = TypeVar("_Kind")


class EntryPoints:
    """The entry points of the group ``tracetape.integrations`` on `sys.path`."""

    def __init__(self) -> None:
        """Begin without an entry point."""
        self._searched: list[str] = []
        self._references: dict[str, str] = {}
        self._found: dict[str, Any] = {}
        self._problems: dict[str, str] = {}

    def names(self) -> list[str]:
        """Names of the entry points; none is imported."""
        if self._searched != sys.path:
            self._searched = list(sys.path)
            self._references = _installed(self._searched)
            self._found, self._problems = {}, {}
        return list(self._references)

    def find(self, name: str, kind: type[_Kind]) -> _Kind | None:
        """The object of an entry point; None, with one warning, if it cannot be loaded.

        Args:
            name: one of `names`.
            kind: the class of the object.
        """
        reference = self._references.get(name)
        if reference is None or name in self._problems:
            return None
        try:
            if name not in self._found:
                self._found[name] = _load(reference)
            found = self._found[name]
            if not isinstance(found, kind):
                raise TypeError(
                    f"it is a {type(found).__name__}, not a tracetape.instrument.Integration"
                )
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
        return found

    def problem(self, name: str) -> str | None:
        """Why the object of this entry point could not be loaded."""
        return self._problems.get(name)


entry_points = EntryPoints()


def _load(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    with loading:
        return getattr(import_module(module.strip()), attribute.strip() or "INTEGRATION")


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
