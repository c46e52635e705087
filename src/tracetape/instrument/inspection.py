"""Which libraries are there, and what of them is patched: for `tracetape doctor`."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import NamedTuple

from tracetape._modules import is_installed
from tracetape.instrument import registry
from tracetape.instrument.integration import Integration

__all__ = ["Finding", "find_integrations", "inspect_integrations"]


class Finding(NamedTuple):
    """Facts about one integration.

    Attributes:
        name: as `autolog(exclude=…)` calls it.
        package: the import package that it instruments.
        version: of the installed package; None: it is not installed.
        patched: methods whose calls pass us, such as ``OpenAI.request``; those that will, once the
            package is imported, where `is_imported` is False.
        missing: methods that should, and are not there: their calls are not traced.
        absent: optional methods that this version has not.
        error: why the package cannot be imported; None: it can, or it was not tried.
        is_imported: whether the package was imported, and each method looked at.
    """

    name: str
    package: str
    version: str | None
    patched: list[str]
    missing: list[str]
    absent: list[str]
    error: str | None = None
    is_imported: bool = True


def find_integrations() -> list[Finding]:
    """List what is installed, without importing a library or switching anything on."""
    return [_find(name) for name in registry.names()]


def inspect_integrations() -> list[Finding]:
    """Switch all integrations on in this process, import their libraries, and look at each."""
    registry.autolog()
    return [_inspect(name) for name in registry.names()]


def _find(name: str) -> Finding:
    integration = registry.integration(name)
    if integration is None:
        return _without_part(name)
    expected = [target.label for target in integration.targets if not target.optional]
    version = _version(integration)
    return Finding(name, integration.package, version, expected, [], [], is_imported=False)


def _without_part(name: str) -> Finding:
    return Finding(name, name, None, [], [], [], registry.problem(name))


def _inspect(name: str) -> Finding:
    integration = registry.integration(name)
    if integration is None:
        return _without_part(name)
    finding = Finding(name, integration.package, _version(integration), [], [], [])
    if finding.version is None:
        return finding
    try:
        importlib.import_module(integration.package)
    except Exception as error:  # noqa: BLE001 - whatever a package does when it is imported
        return finding._replace(error=f"{type(error).__name__}: {error}")
    for patch in registry.patches(name):
        target = patch.target
        own = target.module.partition(".")[0] == integration.package.partition(".")[0]
        if own or not target.optional:
            try:
                importlib.import_module(target.module)
            except Exception:  # noqa: BLE001, S110 - this version lacks it, or it cannot be loaded
                pass
        label = target.label
        if patch.is_installed():
            finding.patched.append(label)
        else:
            (finding.absent if target.optional else finding.missing).append(label)
    return finding


def _version(integration: Integration) -> str | None:
    package = integration.package
    if not is_installed(package):
        return None
    # A distribution may have another name than the package in it: `agents` is of openai-agents.
    for distribution in (package, *integration.install.split()[-1:]):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pass
    else:
        return "of Python" if package in ("concurrent", "threading") else "unknown"
