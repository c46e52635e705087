"""Contents that are kept once by their hash, and lists of them as chains."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b
from typing import Any

from tracetape.store.splitting import MARK, Content, ContentList, join, references, split

__all__ = ["ContentReader", "ContentWriter", "parts_of"]

_CACHED = 50_000  # ids of contents and of lists each
_READ_LIST = """
    WITH RECURSIVE chain (depth, before, content) AS (
        SELECT 0, before, content FROM lists WHERE id = ?
        UNION ALL
        SELECT depth + 1, lists.before, lists.content
        FROM chain JOIN lists ON lists.id = chain.before
    )
    SELECT data FROM chain JOIN contents ON contents.id = chain.content ORDER BY depth DESC
"""


def parts_of(stored: bytes) -> list[int]:
    """What a stored value uses, as the table ``uses`` has it: lists as negative numbers."""
    return [int(one[1:]) if one[0] == "c" else -int(one[1:]) for one in references(stored)]


class ContentWriter:
    """Stores values within the transactions of one connection."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self.forget()

    def forget(self) -> None:
        """Look all up again: a transaction failed, or something was removed."""
        self._contents: dict[bytes, int] = {}
        self._lists: dict[tuple[int, int], int] = {}

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun; another process may have removed what we know of."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        is_known = connection is self._connection and version == self._version
        if not is_known or len(self._contents) + len(self._lists) > _CACHED:
            self._connection, self._version = connection, version  # another: the file was replaced
            self.forget()

    def store(self, connection: sqlite3.Connection, value: str) -> str | bytes:
        """What to keep in place of a JSON value, its pieces being stored."""
        if len(value) < 128:  # most are; a character has at most four bytes
            return value
        pieces = split(value.encode())
        if pieces is None:
            return value
        parts = []
        for piece in pieces:
            if isinstance(piece, Content):
                parts.append(MARK + b"c%d" % self._content(connection, piece.data) + MARK)
            elif isinstance(piece, ContentList):
                parts.append(MARK + b"l%d" % self._list(connection, piece.elements) + MARK)
            else:
                parts.append(piece)
        return b"".join(parts)

    def _content(self, connection: sqlite3.Connection, data: bytes) -> int:
        digest = blake2b(data, digest_size=16).digest()
        key = self._contents.get(digest)
        if key is None:
            row = connection.execute("SELECT id FROM contents WHERE hash = ?", (digest,)).fetchone()
            if row is None:
                added = connection.execute(
                    "INSERT INTO contents (hash, data) VALUES (?, ?)", (digest, data.decode())
                )
                row = (added.lastrowid,)
            key = self._contents[digest] = int(row[0])
        return key

    def _list(self, connection: sqlite3.Connection, elements: tuple[bytes, ...]) -> int:
        before = 0
        for element in elements:
            link = (before, self._content(connection, element))
            key = self._lists.get(link)
            if key is None:
                row = connection.execute(
                    "SELECT id FROM lists WHERE before = ? AND content = ?", link
                ).fetchone()
                if row is None:
                    added = connection.execute(
                        "INSERT INTO lists (before, content) VALUES (?, ?)", link
                    )
                    row = (added.lastrowid,)
                key = self._lists[link] = int(row[0])
            before = key
        return before


class ContentReader:
    """Reads values back; one for each transaction, as it remembers what it has read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read from `connection`."""
        self._connection = connection
        self._texts: dict[str, bytes] = {}

    def read(self, stored: str | bytes | None) -> bytes | None:
        """The JSON of a value as it is stored."""
        if stored is None or isinstance(stored, str):
            return None if stored is None else stored.encode()
        for reference in references(stored):
            if reference not in self._texts:
                self._texts[reference] = self._text(reference)
        return join(stored, self._texts)

    def _text(self, reference: str) -> bytes:
        kind, number = reference[0], int(reference[1:])
        if kind == "l":
            return b"[" + b",".join(self._all(_READ_LIST, number)) + b"]"
        (text,) = self._all("SELECT data FROM contents WHERE id = ?", number)
        return text

    def _all(self, query: str, *values: Any) -> list[bytes]:
        return [data.encode() for (data,) in self._connection.execute(query, values)]
