"""Where traces are kept and searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracetape.store.protocol import Store, TraceUpdate

if TYPE_CHECKING:
    from tracetape.store.location import find_store, open_store, writer_url
    from tracetape.store.sqlite import SQLiteStore

__all__ = ["SQLiteStore", "Store", "TraceUpdate", "find_store", "open_store", "writer_url"]


def __getattr__(name: str) -> Any:
    # SQLite is loaded with the first span that is written, not by `import tracetape`.
    if name not in __all__:
        raise AttributeError(f"module 'tracetape.store' has no attribute {name!r}")
    import importlib

    module = "sqlite" if name == "SQLiteStore" else "location"
    value = getattr(importlib.import_module(f"tracetape.store.{module}"), name)
    globals()[name] = value
    return value
