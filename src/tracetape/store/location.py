"""Where the store is: by argument, by TRACETAPE_STORE, or near the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from tracetape.store.address import path_of
from tracetape.store.inspection import NoStoreError
from tracetape.store.sqlite import SQLiteStore

__all__ = ["DEFAULT", "find_store", "open_store", "peek_store", "writer_url"]

DEFAULT = Path(".tracetape") / "traces.db"


def open_store(url: str, *, read_only: bool = False) -> SQLiteStore:
    """The store at `url`: ``sqlite:///path``, ``memory://`` or a plain path.

    A blank names none: it is the store of who names none.

    Raises:
        InvalidValueError: the URL has another scheme.
        StoreError: it is a folder's, or the path is relative and the working directory is gone.
    """
    if not url.strip():
        if read_only:
            return find_store()
        url = writer_url()
    path = path_of(url)
    if path is None:
        return SQLiteStore(None)
    return SQLiteStore(Path(path), read_only=read_only)


def writer_url() -> str:
    """Where a program that names no store writes: absolute from its first use on.

    Raises:
        StoreError: the working directory is gone.
    """
    return _environment() or f"sqlite:///{path_of(str(DEFAULT))}"


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

    A folder that this user may not look into, such as another user's in /tmp, is passed over.

    Raises:
        StoreError: the working directory is gone.
    """
    url = _environment()
    if url:
        return open_store(url, read_only=True)
    here = Path(path_of(str(DEFAULT)) or "").parent.parent
    for folder in (here, *here.parents):
        if os.path.isfile(folder / DEFAULT):  # Path.is_file raises before Python 3.14
            return SQLiteStore(folder / DEFAULT, read_only=True)
    return SQLiteStore(here / DEFAULT, read_only=True)


def _environment() -> str:
    """The store that TRACETAPE_STORE names; a blank counts as unset."""
    return os.environ.get("TRACETAPE_STORE", "").strip()
