"""Modules named by a string: whether one is installed, and parts of tracetape that may lack."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from types import ModuleType

from tracetape._lazy import loading
from tracetape.diagnostics import internal_error, warn_once

__all__ = ["is_installed", "load", "warn_missing"]


def is_installed(name: str) -> bool:
    """Whether a module can be imported, as far as one can tell without importing it.

    `find_spec` raises where a parent is missing, is not a package, or has no ``__spec__``.
    """
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:  # noqa: BLE001 - it imports the parent, whose code may raise anything
        return False


def load(module: str, lost: str) -> ModuleType | None:
    """A module of tracetape, or None with one warning: a packaged program may lack it.

    Args:
        module: its name.
        lost: what goes on without us, in words for the warning.
    """
    try:
        with loading:
            return import_module(module)
    except ImportError as error:
        warn_missing(module, error, lost)
    except Exception:  # noqa: BLE001 - the guard
        internal_error(f"importing {module}")
    return None


def warn_missing(module: str, error: ImportError, lost: str) -> None:
    """Say once, in one line, that a module of tracetape cannot be imported, and what helps."""
    missing = error.name or module
    warn_once(
        f"import {module}",
        "tracetape: %s cannot be imported (%s), so %s: %s",
        module,
        " ".join(str(error).split()),
        lost,
        _remedy(missing),
    )


def _remedy(missing: str) -> str:
    package = missing.partition(".")[0]
    if getattr(sys, "frozen", False) or "__compiled__" in globals():
        return (
            f"package {package} with your program "
            f"(PyInstaller: --collect-submodules {package}, Nuitka: --include-package={package})"
        )
    if package.startswith("tracetape"):
        return "install tracetape again (pip install --force-reinstall --no-deps tracetape)"
    return f"make `import {missing}` work, or leave the integration out (autolog(exclude=[...]))"
