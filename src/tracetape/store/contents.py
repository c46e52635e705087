"""Contents that are kept once by their hash, and lists of them as chains."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from tracetape.store.splitting import MARK, Content, ContentList, Piece, join, references, split
from tracetape.store.unreadable import UnreadableError, checked

__all__ = ["ContentReader", "ContentWriter", "parts_of"]

_REFERENCE = re.compile("[cl][0-9]{1,18}")
_CACHED = 50_000  # ids of contents and of lists each
_LOOKED_UP = 500  # contents in one query
_LISTS = 20  # in one query; each brings all its elements
_MOST_BYTES = 1 << 28  # of one value; four times what waits to be written
# A list is made after the one that it continues: one that is not is damaged, and may be a circle.
_READ_LIST = """
    WITH RECURSIVE chain (id, depth, before, content) AS (
        SELECT id, 0, before, content FROM lists WHERE id = ?
        UNION ALL
        SELECT lists.id, depth + 1, lists.before, lists.content
        FROM chain JOIN lists ON lists.id = chain.before AND lists.id < chain.id
    )
    SELECT data, before FROM chain LEFT JOIN contents ON contents.id = chain.content
    ORDER BY depth DESC
"""
_READ_LISTS = """
    WITH RECURSIVE chain (list, id, depth, before, content) AS (
        SELECT id, id, 0, before, content FROM lists WHERE id IN ({})
        UNION ALL
        SELECT chain.list, lists.id, depth + 1, lists.before, lists.content
        FROM chain JOIN lists ON lists.id = chain.before AND lists.id < chain.id
    )
    SELECT list, data, before FROM chain LEFT JOIN contents ON contents.id = chain.content
    ORDER BY list, depth DESC
"""


def parts_of(stored: bytes) -> list[int]:
    """What a stored value uses, as the table ``uses`` has it: lists as negative numbers."""
    try:
        found = _references(stored)
    except UnreadableError:  # a damaged one uses nothing
        return []
    return [int(one[1:]) if one[0] == "c" else -int(one[1:]) for one in found]


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

    def read(self, stored: Any) -> bytes:
        """The JSON of a value as it is stored.

        Raises:
            UnreadableError: it refers to what is not there, or is too long.
        """
        if type(stored) is bytes:
            found = []
            for reference in _references(stored):
                if reference not in self._texts:
                    self._texts[reference] = self._text(reference)
                found.append(reference)
            size = len(stored) + sum(len(self._texts[reference]) for reference in found)
            if size > _MOST_BYTES:
                raise UnreadableError(f"it has {size:,} bytes")
            return join(stored, self._texts)
        return bytes(checked("value", stored, str).encode())

    def prepare(self, values: Iterable[Any]) -> None:
        """Read the contents of these values, as they are stored, in few queries.

        What is damaged is left for `read`, which says so.
        """
        wanted: dict[str, None] = {}
        for stored in values:
            if type(stored) is bytes:
                with contextlib.suppress(UnreadableError):
                    wanted.update(dict.fromkeys(_references(stored)))
        unknown = [one for one in wanted if one not in self._texts]
        for at in range(0, len(unknown), _LOOKED_UP):
            some = unknown[at : at + _LOOKED_UP]
            self._prepare_contents([int(one[1:]) for one in some if one[0] == "c"])
        lists = [int(one[1:]) for one in unknown if one[0] == "l"]
        for at in range(0, len(lists), _LISTS):
            self._prepare_lists(lists[at : at + _LISTS])

    def _prepare_contents(self, numbers: list[int]) -> None:
        marks = ", ".join("?" * len(numbers))
        select = f"SELECT id, data FROM contents WHERE id IN ({marks})"
        for number, data in self._connection.execute(select, numbers):
            if type(data) is str:
                self._texts[f"c{number}"] = data.encode()

    def _prepare_lists(self, numbers: list[int]) -> None:
        marks = ", ".join("?" * len(numbers))
        chains: dict[int, list[tuple[Any, Any]]] = {}
        for number, *row in self._connection.execute(_READ_LISTS.format(marks), numbers):
            chains.setdefault(number, []).append((row[0], row[1]))
        for number, rows in chains.items():
            if rows[0][1] == 0 and all(type(data) is str for data, _ in rows):
                self._texts[f"l{number}"] = f"[{','.join(data for data, _ in rows)}]".encode()

    def _text(self, reference: str) -> bytes:
        number = int(reference[1:])
        if reference[0] == "l":
            rows = self._connection.execute(_READ_LIST, (number,)).fetchall()
            if not rows or rows[0][1] != 0:
                raise UnreadableError(f"a beginning of the list {number} is missing")
            return b"[" + b",".join(_data(data, reference) for data, _ in rows) + b"]"
        row = self._connection.execute(
            "SELECT data FROM contents WHERE id = ?", (number,)
        ).fetchone()
        return _data(row and row[0], reference)


def _references(stored: bytes) -> list[str]:
    try:
        found = references(stored)
    except UnicodeDecodeError:
        found = [""]
    for one in found:
        if not _REFERENCE.fullmatch(one):
            raise UnreadableError("it has a reference that is none")
    return found


def _data(data: Any, reference: str) -> bytes:
    if data is None:
        raise UnreadableError(f"its part {reference} is missing")
    return bytes(checked(f"part {reference}", data, str).encode())
