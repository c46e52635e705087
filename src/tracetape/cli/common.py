"""What several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from tracetape.exceptions import TracetapeException
from tracetape.store import SQLiteStore, find_store, open_store

__all__ = ["find_trace", "opened", "shown_place", "store_option"]

store_option = click.option(
    "--store",
    metavar="URL",
    help="The store: sqlite:///path or a path.  [default: TRACETAPE_STORE, else the nearest "
    ".tracetape/traces.db upwards from here]",
)


def opened(url: str | None) -> SQLiteStore:
    """The store to read."""
    return find_store() if url is None else open_store(url, read_only=True)


def find_trace(store: SQLiteStore, name: str | None) -> int:
    """The trace that a user means: the last one, or that whose id begins like this.

    Raises:
        TracetapeException: there is none, or there are several.
    """
    if name is None:
        newest = store.list_traces(1)
        if not newest:
            raise TracetapeException(f"there are no traces in {store.url} yet")
        return int(newest[0].trace_id.removeprefix("tr-"), 16)
    prefix = name.removeprefix("tr-").lower()
    found = store.resolve(prefix) if prefix and set(prefix) <= set("0123456789abcdef") else []
    if not found:
        raise TracetapeException(
            f"there is no trace whose id begins with {name!r} in {store.url}; "
            "`tracetape ls` lists them"
        )
    if len(found) > 1:
        ids = ", ".join(f"tr-{number:032x}" for number in found[:3])
        raise TracetapeException(
            f"{name!r} is the beginning of several ids ({ids}{', …' if len(found) > 3 else ''}): "
            "give more of it"
        )
    return found[0]


def shown_place(url: str) -> str:
    """A store's URL as a user would write it here: a relative path, where there is one."""
    path = url.removeprefix("sqlite:///")
    if path == url:
        return url
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
