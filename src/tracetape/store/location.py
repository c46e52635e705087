"""Where the store is: by argument, by TRACETAPE_STORE, or near the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from tracetape.exceptions import InvalidValueError, StoreError
from tracetape.privacy.urls import clean_text
from tracetape.store.inspection import NoStoreError
from tracetape.store.sqlite import SQLiteStore

__all__ = ["DEFAULT", "find_store", "open_store", "peek_store", "writer_url"]

DEFAULT = Path(".tracetape") / "traces.db"


def open_store(url: str, *, read_only: bool = False) -> SQLiteStore:
    """The store at `url`: ``sqlite:///path``, ``memory://`` or a plain path.

    Raises:
        InvalidValueError: the URL has another scheme.
        StoreError: the path is relative, and the working directory is gone.
    """
    if url == "memory://":
        return SQLiteStore(None)
    scheme, separator, rest = url.partition("://")
    if not separator:
        return SQLiteStore(_absolute(Path(url)), read_only=read_only)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        # As in SQLAlchemy, three slashes begin a relative path and four an absolute one.
        return SQLiteStore(_absolute(Path(rest[1:])), read_only=read_only)
    raise InvalidValueError(
        f"{clean_text(url)!r} is no store: use sqlite:///path/to/traces.db, memory://, or a path"
    )


def writer_url() -> str:
    """Where a program that names no store writes: absolute from its first use on.

    Raises:
        StoreError: the working directory is gone.
    """
    return os.environ.get("TRACETAPE_STORE") or f"sqlite:///{_absolute(DEFAULT)}"


def peek_store(url: str) -> SQLiteStore:
    """The store at `url` for who only reads: where there is none yet, an empty one in memory.

    Raises:
        InvalidValueError: the URL has another scheme.
        StoreError: the path is relative, and the working directory is gone.
    """
    store = open_store(url, read_only=True)
    try:
        if store.exists():
            store.open()
            return store
    except NoStoreError:  # it is being made
        pass
    return SQLiteStore(None)


def find_store() -> SQLiteStore:
    """The store that a reader means who names none: TRACETAPE_STORE, else the nearest upwards.

    Raises:
        StoreError: the working directory is gone.
    """
    url = os.environ.get("TRACETAPE_STORE")
    if url:
        return open_store(url, read_only=True)
    here = _absolute(Path())
    for folder in (here, *here.parents):
        if (folder / DEFAULT).is_file():
            return SQLiteStore(folder / DEFAULT, read_only=True)
    return SQLiteStore(here / DEFAULT, read_only=True)


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError as error:
        raise StoreError(
            f"the store {path} has no place, as the working directory was deleted: name it by its "
            "whole path with TRACETAPE_STORE or tracetape.configure(store=…)"
        ) from error
