"""Where traces are kept and searched."""

from tracetape.store.location import find_store, open_store, writer_url
from tracetape.store.protocol import Store, TraceUpdate
from tracetape.store.sqlite import SQLiteStore

__all__ = ["SQLiteStore", "Store", "TraceUpdate", "find_store", "open_store", "writer_url"]
