"""Libraries that no tape records, seen once they are imported; to import them takes too long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from tracetape.cassettes.patching import Patches

__all__ = ["Watch"]


class Watch:
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
            if name in sys.modules:
                self._patch(sys.modules[name])
            elif name not in self._registered:
                from wrapt import register_post_import_hook

                self._registered.add(name)
                register_post_import_hook(self._patch, name)

    def stop(self) -> None:
        """Stop watching imports of libraries."""
        self._is_on = False

    def _patch(self, module: Any) -> None:
        if self._is_on:
            self._modules[module.__name__](self._patches, module)
