"""Where traces are kept and searched."""

from typing import TYPE_CHECKING

from tracetape._lazy import lazy_names

if TYPE_CHECKING:
    from tracetape.store.location import find_store, open_store, peek_store, writer_url
    from tracetape.store.protocol import Store, TraceUpdate
    from tracetape.store.sqlite import SQLiteStore

__all__ = [
    "SQLiteStore",
    "Store",
    "TraceUpdate",
    "find_store",
    "open_store",
    "peek_store",
    "writer_url",
]

# SQLite is loaded with the first span that is written.
__getattr__ = lazy_names(
    __name__,
    {
        "SQLiteStore": "tracetape.store.sqlite",
        "Store": "tracetape.store.protocol",
        "TraceUpdate": "tracetape.store.protocol",
        "find_store": "tracetape.store.location",
        "open_store": "tracetape.store.location",
        "peek_store": "tracetape.store.location",
        "writer_url": "tracetape.store.location",
    },
)
