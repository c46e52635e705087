"""The fixtures of tests that write to a store."""

from store_spans import as_the_newest_sqlite3, make_span, update

__all__ = ["as_the_newest_sqlite3", "make_span", "update"]
