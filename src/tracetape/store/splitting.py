r"""Large JSON values to pieces that are kept once: messages, tools, long texts.

A split value is stored as a BLOB: JSON text in which ``\x1f<reference>\x1f`` represents a piece.
JSON has no raw control characters, and what users say is stored as TEXT: nothing of theirs
can pass for a reference.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from tracetape._json import dumps

__all__ = ["MARK", "Content", "ContentList", "Piece", "references", "split", "written"]

MARK = b"\x1f"
_SPLIT = 512  # bytes; what is smaller stays where it is
_WHOLE = 1024  # bytes; a value that is not a list of messages is kept apart from this size on
_MESSAGE = 128  # bytes; a shorter answer stays where it is
_ELEMENT = 48  # bytes; a list of smaller elements, such as numbers, is one content


class Content(NamedTuple):
    """JSON text that is kept once."""

    data: bytes


class ContentList(NamedTuple):
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
    return _split_value(data, value)


def _split_value(data: bytes, value: Any) -> list[Piece] | None:
    """As `split`, of what `data` means."""
    pieces, texts = _pieces(value)
    if b"".join(texts) != data:
        # Numbers beyond 64 bits, keys that come twice, white space between the tokens.
        return [Content(data)] if len(data) >= _WHOLE else None
    return _worthwhile(pieces)


def written(value: Any, length: int) -> tuple[bytes, list[Piece] | None]:
    """The JSON text of a value that orjson has read, and its pieces as of `split`.

    Args:
        value: what the JSON means.
        length: of the JSON, about: a short one is not taken apart.
    """
    if length < _SPLIT:
        return orjson.dumps(value), None
    pieces, texts = _pieces(value)
    data = b"".join(texts)
    return data, None if len(data) < _SPLIT else _worthwhile(pieces)


def _worthwhile(pieces: list[Piece]) -> list[Piece] | None:
    return pieces if len(pieces) > 1 or type(pieces[0]) is not bytes else None


def references(stored: bytes) -> list[bytes]:
    """The references in a stored value: ``c`` or ``l``, and the number of a content or a list."""
    return stored.split(MARK)[1::2]


def _pieces(value: Any) -> tuple[list[Piece], list[bytes]]:
    """The pieces of a value, neither two texts in a row, and the text of each."""
    if type(value) is not dict:
        piece = _piece(value)
        return [piece], [_text(piece)]
    pieces: list[Piece] = []
    texts: list[bytes] = []
    before = b"{"
    for index, (key, member) in enumerate(value.items()):
        before += (b"," if index else b"") + orjson.dumps(key) + b":"
        for piece in (key == "choices" and _choices(member)) or (_piece(member),):
            if type(piece) is bytes:
                before += piece
            else:
                pieces += (before, piece)
                texts += (before, _text(piece))
                before = b""
    last = before + b"}"
    return [*pieces, last], [*texts, last]


def _choices(value: Any) -> list[Piece]:
    """The pieces of the choices of a chat, each message apart; empty: there is none.

    The next turn of the chat sends the message again, as an element of its list.
    """
    if type(value) is not list or not all(type(choice) is dict for choice in value):
        return []
    data = dumps(value)
    if len(data) < _SPLIT:  # as short as what is not taken apart at all
        return [data]
    pieces: list[Piece] = []
    before = b"["
    for number, choice in enumerate(value):
        before += b",{" if number else b"{"
        for index, (key, member) in enumerate(choice.items()):
            before += (b"," if index else b"") + orjson.dumps(key) + b":"
            piece = _piece(member)
            if key == "message" and type(member) is dict and type(piece) is bytes:
                piece = Content(piece) if len(piece) >= _MESSAGE else piece
            if type(piece) is bytes:
                before += piece
            else:
                pieces += (before, piece)
                before = b""
        before += b"}"
    return [*pieces, before + b"]"] if pieces else []


def _piece(value: Any) -> Piece:
    if type(value) is list and value and type(value[0]) in (dict, str):
        elements = tuple(map(dumps, value))
        size = sum(map(len, elements))
        if size >= _SPLIT and size >= _ELEMENT * len(elements):
            return ContentList(elements)
        data = _list_text(elements)
    else:
        data = dumps(value)
    return Content(data) if len(data) >= _WHOLE else data


def _text(piece: Piece) -> bytes:
    if isinstance(piece, bytes):
        return piece
    return piece.data if isinstance(piece, Content) else _list_text(piece.elements)


def _list_text(elements: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(elements) + b"]"
