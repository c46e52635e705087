r"""Large JSON values to pieces that are kept once: messages, tools, long texts.

A split value is stored as a BLOB: JSON text in which ``\x1f<reference>\x1f`` stands for a piece.
JSON has no raw control characters, and what users say is stored as TEXT: nothing of theirs
can pass for a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["MARK", "Content", "ContentList", "Piece", "references", "split"]

MARK = b"\x1f"
_SPLIT = 512  # bytes; what is smaller stands where it is
_WHOLE = 1024  # bytes; a value that is no list of messages is kept apart from this size on
_ELEMENT = 48  # bytes; a list of smaller elements, such as numbers, is one content


@dataclass(frozen=True)
class Content:
    """JSON text that is kept once."""

    data: bytes


@dataclass(frozen=True)
class ContentList:
    """The elements of a JSON list, each kept once; a list that continues another is a chain."""

    elements: tuple[bytes, ...]


Piece = bytes | Content | ContentList


def split(data: bytes) -> list[Piece] | None:
    """The pieces whose texts in a row are `data` to the byte; None: it stays whole."""
    if len(data) < _SPLIT or MARK in data:
        return None
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:  # such as NaN, or a lone surrogate
        value = None
    pieces: list[Piece] = list(_pieces(value))
    if b"".join(map(_text, pieces)) != data:
        # Numbers beyond 64 bits, keys that come twice, white space between the tokens.
        pieces = [Content(data)] if len(data) >= _WHOLE else []
    if all(isinstance(piece, bytes) for piece in pieces):
        return None
    return pieces


def references(stored: bytes) -> list[bytes]:
    """The references in a stored value: ``c`` or ``l``, and the number of a content or a list."""
    return stored.split(MARK)[1::2]


def _pieces(value: Any) -> Iterator[Piece]:
    if not isinstance(value, dict):
        yield _piece(value)
        return
    before = b"{"
    for key, member in value.items():
        piece = _piece(member)
        before += orjson.dumps(key) + b":"
        if isinstance(piece, bytes):
            before += piece + b","
        else:
            yield before
            yield piece
            before = b","
    yield before.removesuffix(b",") + b"}" if before != b"," else b"}"


def _piece(value: Any) -> Piece:
    if isinstance(value, list) and value and isinstance(value[0], (dict, str)):
        elements = tuple(map(orjson.dumps, value))
        size = sum(map(len, elements))
        if size >= _SPLIT and size >= _ELEMENT * len(elements):
            return ContentList(elements)
        data = _list_text(elements)
    else:
        data = orjson.dumps(value)
    return Content(data) if len(data) >= _WHOLE else data


def _text(piece: Piece) -> bytes:
    if isinstance(piece, Content):
        return piece.data
    return piece if isinstance(piece, bytes) else _list_text(piece.elements)


def _list_text(elements: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(elements) + b"]"
