"""Parsing of a store's name; it opens nothing and does not load SQLite."""

from __future__ import annotations

import os

from tracetape.exceptions import InvalidValueError, StoreError
from tracetape.privacy.urls import clean_text

__all__ = ["path_of"]

_MEMORY = ("memory://", "memory:", ":memory:", "sqlite:///:memory:")
_SQLITE = "sqlite:///"
_REMEDY = "use sqlite:///path/to/traces.db, memory://, or a path"


def path_of(name: str) -> str | None:
    """The absolute path of the store `name`, which is not blank; None: it is in memory.

    As in SQLAlchemy, three slashes begin a relative path and four an absolute one. A ``~`` that
    begins a path is the home directory, as in a shell.

    Raises:
        InvalidValueError: the name has another scheme, or is not text for a path.
        StoreError: it is a folder's, its user has no home, or the working directory is gone.
    """
    text = name.strip()
    lowered = text.lower()
    if lowered in _MEMORY:
        return None
    path = text[len(_SQLITE) :] if lowered.startswith(_SQLITE) else text
    has_scheme = "://" in text or lowered.startswith(("sqlite:", "memory:", "file:"))
    if not path or (has_scheme and path is text):
        raise InvalidValueError(f"{clean_text(name)!r} does not name a store: {_REMEDY}")
    try:
        if b"\0" in os.fsencode(path):
            raise InvalidValueError(f"{name!r} cannot name a store, with a NUL in it: {_REMEDY}")
    except UnicodeEncodeError as error:
        raise InvalidValueError(
            f"{name!r} cannot name a store: no file can have that name: {_REMEDY}"
        ) from (error)
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        user = path.partition("/")[0]
        raise StoreError(
            f"the store {path} cannot be found: {user} is not a user's home directory; write "
            f"./{path} if a file has that name, or name another store by "
            "tracetape.configure(store=…) or TRACETAPE_STORE"
        )
    if expanded.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        raise StoreError(
            f"the store {path} is a folder: name a file in it, such as {path}traces.db, by "
            "tracetape.configure(store=…) or TRACETAPE_STORE"
        )
    if os.path.isabs(expanded):
        return expanded
    try:
        return os.path.join(os.getcwd(), expanded)
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be found, because the working directory was deleted: give "
            "its whole path with TRACETAPE_STORE or tracetape.configure(store=…)"
        ) from error
