"""Libraries that a tape patches once they are imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from tracetape.cassettes.patches import Patches

__all__ = ["ImportHooks"]


class ImportHooks:
    """Patches modules while it is on: at once, or right after their import."""

    def __init__(
        self, patches: Patches, modules: Mapping[str, Callable[[Patches, Any], None]]
    ) -> None:
        """Patch by `patches`; `modules` gives for each name the function that does it."""
        self._patches, self._modules = patches, modules
        self._is_on = False
        self._registered: set[str] = set()

    def start(self) -> None:
        """From now on the libraries are seen."""
        self._is_on = True
        for name in self._modules:
            if sys.modules.get(name) is not None:
                # Another thread may be in the midst of importing it: this waits for it.
                self._patch(name, import_module(name))
            elif name not in self._registered:
                from wrapt import register_post_import_hook

                self._registered.add(name)
                register_post_import_hook(partial(self._patch, name), name)

    def stop(self) -> None:
        """Stop watching imports of libraries."""
        self._is_on = False

    def _patch(self, name: str, module: Any) -> None:
        if self._is_on:
            self._modules[name](self._patches, module)
