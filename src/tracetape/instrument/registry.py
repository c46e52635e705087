"""`autolog`: which integrations are on."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection

from tracetape.exceptions import IntegrationMissingError, InvalidValueError
from tracetape.instrument.integration import Integration
from tracetape.instrument.patching import Patch
from tracetape.instrument.providers import register_provider
from tracetape.tracing.runtime import is_disabled

__all__ = ["active", "autolog", "autolog_one", "packages"]

# Our own; their modules are imported when an integration is first switched on.
_MODULES = {"openai": "tracetape_openai", "threads": "tracetape.instrument.threads"}
_PROVIDER_RULES = ("tracetape_databricks",)

_patches: dict[str, list[Patch]] = {}


def autolog(*, disable: bool = False, exclude: Collection[str] = (), threads: bool = True) -> None:
    """Trace the calls of every client library that we know, now or once it is imported.

    A library that is not installed is no error. Calling it twice is calling it once.

    Args:
        disable: switch everything off instead, and put the originals back.
        exclude: names of integrations to leave as they are, such as ``"openai"``.
        threads: work that is submitted to a `ThreadPoolExecutor` (or `loop.run_in_executor`), and
            a `threading.Thread` that your own code starts, keeps the current span as its parent.

    Raises:
        InvalidValueError: `exclude` names an integration that does not exist.
    """
    for name in exclude:
        if name not in _MODULES:
            raise InvalidValueError(
                f"there is no integration {name!r}: choose from {', '.join(sorted(_MODULES))}"
            )
    for name in _MODULES:
        if name not in exclude:
            _switch(name, on=not disable and (threads or name != "threads"))


def autolog_one(name: str, *, disable: bool = False) -> None:
    """Trace the calls of one client library, asked for by name.

    Raises:
        IntegrationMissingError: the library is not installed.
    """
    integration = _load(name)
    package = integration.package
    if not disable and package not in sys.modules and importlib.util.find_spec(package) is None:
        raise IntegrationMissingError(
            f"tracetape.{name}.autolog() needs the package {package!r}, which is not installed: "
            f"run `{integration.install}`"
        )
    _switch(name, on=not disable)


def active() -> frozenset[str]:
    """Names of the integrations that are on."""
    return frozenset(n for n, patches in _patches.items() if any(p.is_on() for p in patches))


def _switch(name: str, *, on: bool) -> None:
    if on and is_disabled():
        return  # the user wants nothing patched at all
    if name not in _patches:
        if not on:
            return
        for module in _PROVIDER_RULES:
            register_provider(importlib.import_module(module).provider)
        _patches[name] = [Patch(target) for target in _load(name).targets]
    for patch in _patches[name]:
        patch.switch_on() if on else patch.switch_off()


def _load(name: str) -> Integration:
    integration: Integration = importlib.import_module(_MODULES[name]).INTEGRATION
    return integration


def packages() -> frozenset[str]:
    """Packages without whose import there is nothing to trace."""
    # What everybody imports tells nothing.
    return frozenset(_load(name).package for name in _MODULES) - sys.stdlib_module_names
