"""Contents that are kept once by their hash, and lists of them as chains."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from tracetape.store.splitting import MARK, Content, ContentList, Piece, join, references, split

__all__ = ["ContentReader", "ContentWriter", "parts_of"]

_CACHED = 50_000  # ids of contents and of lists each
_LOOKED_UP = 500  # contents in one query
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

    def store(
        self, connection: sqlite3.Connection, values: Sequence[str | None]
    ) -> list[str | bytes | None]:
        """What to keep in place of each of these JSON values, their pieces being stored."""
        # Most are small; a character has at most four bytes.
        split_ones = {
            index: pieces
            for index, value in enumerate(values)
            if value is not None and len(value) >= 128 and (pieces := split(value.encode()))
        }
        stored: list[str | bytes | None] = list(values)
        if split_ones:
            batch = _Batch(connection, self._contents, self._lists)
            batch.look_up(piece for pieces in split_ones.values() for piece in pieces)
            for index, pieces in split_ones.items():
                stored[index] = b"".join(map(batch.stored, pieces))
            batch.write()
        return stored


class _Batch:
    """The contents and lists of one batch: what is not there yet is numbered here, then written."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        contents: dict[bytes, int],
        lists: dict[tuple[int, int], int],
    ) -> None:
        self._connection = connection
        self._contents, self._lists = contents, lists
        self._digests: dict[bytes, bytes] = {}  # by data
        self._new_contents: list[tuple[int, bytes, str]] = []
        self._new_lists: list[tuple[int, int, int]] = []
        self._first_content = self._next_content = self._next_id("contents")
        self._first_list = self._next_list = self._next_id("lists")

    def _next_id(self, table: str) -> int:
        (last,) = self._connection.execute(f"SELECT max(id) FROM {table}").fetchone()
        return 1 if last is None else int(last) + 1

    def look_up(self, pieces: Iterable[Piece]) -> None:
        """Find out which contents are there already."""
        for piece in pieces:
            for data in _contents_of(piece):
                if data not in self._digests:
                    self._digests[data] = blake2b(data, digest_size=16).digest()
        unknown = [d for d in set(self._digests.values()) if d not in self._contents]
        for at in range(0, len(unknown), _LOOKED_UP):
            some = unknown[at : at + _LOOKED_UP]
            self._contents.update(
                self._connection.execute(
                    f"SELECT hash, id FROM contents WHERE hash IN ({', '.join('?' * len(some))})",
                    some,
                )
            )

    def stored(self, piece: Piece) -> bytes:
        """What to keep in its place."""
        if isinstance(piece, Content):
            return MARK + b"c%d" % self._content(piece.data) + MARK
        if isinstance(piece, ContentList):
            return MARK + b"l%d" % self._list(piece.elements) + MARK
        return piece

    def write(self) -> None:
        """Write what is new."""
        self._connection.executemany(
            "INSERT INTO contents (id, hash, data) VALUES (?, ?, ?)", self._new_contents
        )
        self._connection.executemany(
            "INSERT INTO lists (id, before, content) VALUES (?, ?, ?)", self._new_lists
        )

    def _content(self, data: bytes) -> int:
        digest = self._digests[data]
        key = self._contents.get(digest)
        if key is None:
            key = self._contents[digest] = self._next_content
            self._next_content += 1
            self._new_contents.append((key, digest, data.decode()))
        return key

    def _list(self, elements: tuple[bytes, ...]) -> int:
        before = 0
        for element in elements:
            link = (before, self._content(element))
            key = self._lists.get(link)
            if key is None:
                key = self._lists[link] = self._find_list(link) or self._new_list(link)
            before = key
        return before

    def _find_list(self, link: tuple[int, int]) -> int | None:
        # Nothing that is in the store can refer to what is not.
        if link[0] >= self._first_list or link[1] >= self._first_content:
            return None
        row = self._connection.execute(
            "SELECT id FROM lists WHERE before = ? AND content = ?", link
        ).fetchone()
        return None if row is None else int(row[0])

    def _new_list(self, link: tuple[int, int]) -> int:
        key = self._next_list
        self._next_list += 1
        self._new_lists.append((key, *link))
        return key


def _contents_of(piece: Piece) -> tuple[bytes, ...]:
    if isinstance(piece, Content):
        return (piece.data,)
    return piece.elements if isinstance(piece, ContentList) else ()


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
