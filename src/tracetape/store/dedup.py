"""Contents that are kept once by their hash, and lists of them as chains."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from tracetape.diagnostics import internal_error
from tracetape.store.splitting import MARK, Content, Piece, references, split
from tracetape.store.unreadable import UnreadableError, checked

__all__ = ["ContentReader", "ContentWriter", "parts_of"]

_REFERENCE = re.compile(b"[cl][0-9]{1,18}")
_CACHED = 50_000  # ids of contents and of lists each
_LOOKED_UP = 500  # contents in one query
_MOST_AT_ONCE = 1 << 23  # bytes of several values
_MOST_BYTES = 1 << 28  # of one value; four times what waits to be written
_MOST_OF_TRACE = 1 << 30  # bytes of all values of a trace
# A list is made after the one that it continues: one that is not is damaged, and may be a circle.
# What several lists begin with comes once.
_READ_LISTS = """
    WITH RECURSIVE chain (id, before, content) AS (
        SELECT id, before, content FROM lists WHERE id IN ({})
        UNION
        SELECT lists.id, lists.before, lists.content
        FROM chain JOIN lists ON lists.id = chain.before AND lists.id < chain.id
    )
    SELECT id, before, content FROM chain
"""


def parts_of(stored: bytes) -> list[int]:
    """The contents that a stored value uses, as in the table ``uses``: lists are negative."""
    try:
        found = _references(stored)
    except UnreadableError:  # a damaged one uses nothing
        return []
    return [int(one[1:]) if one[:1] == b"c" else -int(one[1:]) for one in found]


class ContentWriter:
    """Stores values within the transactions of one connection."""

    def __init__(self) -> None:
        """Begin without a known content."""
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self.forget()

    def forget(self) -> None:
        """Look all up again: a transaction failed, or something was removed."""
        self._contents: dict[bytes, int] = {}
        self._lists: dict[tuple[int, int], int] = {}
        self.roots: dict[int, int] = {}  # the first list of those that lists continue

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun; another process may have removed what we know of."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        is_known = connection is self._connection and version == self._version
        size = len(self._contents) + len(self._lists) + len(self.roots)
        if not is_known or size > _CACHED:
            self._connection, self._version = connection, version  # another: the file was replaced
            self.forget()

    def store(
        self, connection: sqlite3.Connection, values: Sequence[str | list[Piece] | None]
    ) -> list[str | bytes | None]:
        """Store the pieces of JSON values; give what to keep in place of each value.

        Values may come as pieces already.
        """
        # Most are small; a character has at most four bytes.
        split_ones: dict[int, list[Piece]] = {}
        stored: list[str | bytes | None] = []
        for index, value in enumerate(values):
            if isinstance(value, list):
                split_ones[index] = value
            elif value is not None and len(value) >= 128 and (pieces := _split(value)):
                split_ones[index] = pieces
            stored.append(value if isinstance(value, str) else None)
        if split_ones:
            batch = _Batch(connection, self._contents, self._lists)
            once = {id(pieces): pieces for pieces in split_ones.values()}
            batch.look_up(piece for pieces in once.values() for piece in pieces)
            joined: dict[int, bytes] = {}  # by identity: spans of an import share their pieces
            for index, pieces in split_ones.items():
                same = id(pieces)
                if same not in joined:
                    joined[same] = b"".join(map(batch.stored, pieces))
                stored[index] = joined[same]
            batch.write()
        return stored


def _split(value: str) -> list[Piece] | None:
    try:
        return split(value.encode())
    except Exception:  # noqa: BLE001 - one that cannot be shared is kept whole
        internal_error("sharing the parts of a value")
        return None


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
        digests = self._digests
        for piece in pieces:
            if isinstance(piece, bytes):
                continue
            for data in (piece.data,) if isinstance(piece, Content) else piece.elements:
                if data not in digests:
                    digests[data] = blake2b(data, digest_size=16).digest()
        unknown = [d for d in set(digests.values()) if d not in self._contents]
        for at in range(0, len(unknown), _LOOKED_UP):
            some = unknown[at : at + _LOOKED_UP]
            self._contents.update(
                self._connection.execute(
                    f"SELECT hash, id FROM contents WHERE hash IN ({', '.join('?' * len(some))})",
                    some,
                )
            )

    def stored(self, piece: Piece) -> bytes:
        """The form to keep in its place."""
        if isinstance(piece, bytes):
            return piece
        if isinstance(piece, Content):
            return b"%bc%d%b" % (MARK, self._content(piece.data), MARK)
        return b"%bl%d%b" % (MARK, self._list(piece.elements), MARK)

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


class ContentReader:
    """Reads values back; one for each transaction, as it remembers what it has read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read from `connection`."""
        self._connection = connection
        self._texts: dict[bytes, bytes] = {}  # by reference
        self._damaged: dict[bytes, str] = {}  # references of which something is wrong
        self._size = 0  # of the texts
        self.given = 0  # bytes of the values that were read
        self._most = _MOST_OF_TRACE

    def begin_trace(self, given: int | None = None) -> int:
        """The values that are read next are of another trace: small files may mean large ones.

        Args:
            given: of a trace that is begun again, what it returned; None: it is another.

        Returns:
            The bytes of the values that were read before it.
        """
        if given is not None:
            self.given = given
        self._most = self.given + _MOST_OF_TRACE
        return self.given

    def read(self, stored: Any) -> bytes:
        """The JSON of a value as it is stored.

        Raises:
            UnreadableError: it refers to what is not there, or is too long.
        """
        if type(stored) is not bytes:
            data = bytes(checked("value", stored, str).encode())
            self.given += len(data)
            return data
        parts = stored.split(MARK)
        texts = self._texts
        try:
            parts[1::2] = [texts[one] for one in parts[1::2]]
        except KeyError:
            parts[1::2] = self._looked_up(_references(stored))
        if (size := sum(map(len, parts))) > _MOST_BYTES:
            raise UnreadableError(f"it has {size:,} bytes")
        if self.given + size > self._most:
            raise UnreadableError(f"the values before it have {self.given:,} bytes")
        self.given += size
        return b"".join(parts)

    def prepare(self, values: Iterable[Any]) -> None:
        """Read the contents of these values, as they are stored, in few queries.

        What is damaged is left for `read`, which says so.
        """
        # Each has an even number of marks; between two of them is nothing.
        parts = (MARK * 2).join([one for one in values if type(one) is bytes]).split(MARK)
        unknown = [
            one for one in {*parts[1::2]} if one not in self._texts and _REFERENCE.fullmatch(one)
        ]
        contents = self._contents([int(one[1:]) for one in unknown if one[:1] == b"c"])
        for number, data in contents.items():
            self._keep(b"c%d" % number, data)
        lists = [int(one[1:]) for one in unknown if one[:1] == b"l"]
        for at in range(0, len(lists), _LOOKED_UP):
            self._prepare_lists(lists[at : at + _LOOKED_UP])

    def read_all(self, values: Sequence[str | bytes]) -> list[bytes]:
        """The JSON of these values, whose contents are prepared.

        Raises:
            LookupError, TypeError, ValueError: one of them may be damaged; `read` tells.
        """
        stored = []
        for one in values:
            data = one.encode() if isinstance(one, str) else one
            if MARK in data and (data is not one or data.count(MARK) % 2):
                raise ValueError("a mark stands where none is written")
            stored.append(data)
        # All at once: no value that we write has a new line in it, so that it can mark their ends.
        parts = (MARK * 2).join(stored).split(MARK)
        texts = self._texts
        parts[1::2] = [texts[one] if one else b"\n" for one in parts[1::2]]
        size = sum(map(len, parts))
        if size > _MOST_AT_ONCE:
            raise ValueError("they are better read one by one")
        self.given += size
        found = b"".join(parts).split(b"\n") if values else []
        if len(found) != len(values):
            raise ValueError("a new line stands in a value")
        return found

    def _contents(self, wanted: list[int]) -> dict[int, bytes]:
        """Those of these contents that can be read."""
        found = {}
        for at in range(0, len(wanted), _LOOKED_UP):
            some = wanted[at : at + _LOOKED_UP]
            marks = ", ".join("?" * len(some))
            select = f"SELECT id, data FROM contents WHERE id IN ({marks})"
            for number, data in self._connection.execute(select, some):
                if type(data) is str:
                    found[number] = data.encode()
        return found

    def _prepare_lists(self, numbers: list[int]) -> None:
        marks = ", ".join("?" * len(numbers))
        rows = self._connection.execute(_READ_LISTS.format(marks), numbers)
        links = {number: (before, content) for number, before, content in rows}
        contents = self._contents([*{one for _, one in links.values() if type(one) is int}])
        for number in numbers:
            reference = b"l%d" % number
            if self._size > _MOST_BYTES:  # what is left is read when it is asked for
                return
            try:
                self._keep(reference, _joined(number, links, contents))
            except UnreadableError as error:
                self._damaged[reference] = str(error)

    def _keep(self, reference: bytes, text: bytes) -> None:
        self._texts[reference] = text
        self._size += len(text)

    def _looked_up(self, wanted: list[bytes]) -> list[bytes]:
        """The texts of references, read if need be.

        Raises:
            UnreadableError: one is not there, or they are too long together.
        """
        found, size = [], 0
        for one in wanted:
            text = self._text(one)
            size += len(text)
            if size > _MOST_BYTES:
                raise UnreadableError(f"it has more than {_MOST_BYTES:,} bytes")
            found.append(text)
        return found

    def _text(self, reference: bytes) -> bytes:
        if reference not in self._texts and reference not in self._damaged:
            if self._size > _MOST_BYTES:
                self._texts.clear()
                self._size = 0
            number = int(reference[1:])
            if reference[:1] == b"l":
                self._prepare_lists([number])
            elif found := self._contents([number]):
                self._keep(reference, found[number])
            else:
                self._damaged[reference] = f"its part {reference.decode()} is missing, or no text"
        if reference in self._damaged:
            raise UnreadableError(self._damaged[reference])
        return self._texts[reference]


def _joined(number: int, links: dict[int, tuple[Any, Any]], contents: dict[int, bytes]) -> bytes:
    """The JSON of a list.

    Raises:
        UnreadableError: something of it is missing, or it is too long.
    """
    elements: list[bytes] = []
    size, before = 0, number
    while before != 0:
        at = before
        before, content = links.get(at, (at, None))
        data = contents.get(content)
        if data is None or type(before) is not int or before >= at:
            raise UnreadableError(f"a part of the list {number} is missing, or no text")
        elements.append(data)
        size += len(data) + 1
        if size > _MOST_BYTES:
            raise UnreadableError(f"the list {number} has more than {_MOST_BYTES:,} bytes")
    return b"[%b]" % b",".join(elements[::-1])


def _references(stored: bytes) -> list[bytes]:
    found = references(stored)
    for one in found:
        if not _REFERENCE.fullmatch(one):
            raise UnreadableError("it has a reference that is none")
    return found
