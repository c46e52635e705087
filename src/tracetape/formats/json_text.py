"""JSON as text, spelled as MLflow spells it: a blank after each comma and each colon."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from tracetape.capture import decode, encode

__all__ = ["json_text", "json_text_of", "json_text_start", "json_texts", "with_blanks"]

_MOST_BYTES = 4  # of one character in UTF-8
# A text, which may be cut off; a float whose exponent `json` writes otherwise; a separator.
_PIECE = r'(?s)"[^"\\]*(?:\\.[^"\\]*)*"?|-?\d+(?:\.\d+)?e-?\d+|[,:]'
_LONGEST_NUMBER = (
    32  # characters; a token that the end cuts is not to be mistaken for a shorter one
)
_SPACED = {",": ", ", ":": ": "}
# What both spell alike: most attributes are such a text, or a number without a sign.
_ALIKE = rb'"[^"\\\x00-\x1f]*"|[1-9][0-9]{0,17}|0|true|false|null'
# A number that orjson and `json` may spell differently: with an exponent, or close to zero.
_ODD_NUMBER = r"\de|\b0\.0000"
_BACKSLASH, _QUOTE = "\0", "\1"  # JSON has no raw control characters
_LARGE = 1 << 63
# Decoded JSON has no cycles.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def json_text(data: bytes) -> str:
    """JSON that `encode` made, as ``json.dumps`` writes it; characters outside of ASCII stay."""
    if re.fullmatch(_ALIKE, data):
        try:
            return data.decode()
        except UnicodeDecodeError:  # a store holds what somebody has put there
            pass
    value = decode(data)
    try:
        # Compact, and each key once? Then only the blanks are missing.
        text = with_blanks(data.decode()) if orjson.dumps(value) == data else None
    except TypeError:  # deeper than orjson writes
        text = None
    if text is not None:
        return text
    try:
        return _ENCODER.encode(value)
    except RecursionError:  # deeper than `json` goes; the text is as right without the blanks
        return data.decode()


def json_texts(values: list[bytes]) -> list[str]:
    """As `json_text`, of many values at once.

    Raises:
        ValueError: one of them is not JSON.
    """
    try:
        # One after the other: none is kept longer than it takes.
        is_compact = list(map(orjson.dumps, map(orjson.loads, values))) == values
    except TypeError:  # deeper than orjson writes
        is_compact = False
    if is_compact and values:
        text = with_blanks(b"\n".join(values).decode())
        if text is not None:
            return text.split("\n")
    return list(map(json_text, values))


def json_text_of(value: Any) -> str:
    """JSON, or a value that `encode` takes, as `json_text` has it."""
    kind = type(value)
    if kind is bytes:
        return json_text(value)
    if kind is str:
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a lone surrogate
            pass
    elif kind is int and abs(value) < _LARGE:
        return str(value)
    return json_text(encode(value))


def with_blanks(text: str) -> str | None:
    """JSON as orjson writes it, with the blanks; None: `json` may spell its numbers otherwise.

    Of several values with new lines between them each gets its blanks.
    """
    escaped = "\\" in text
    if escaped:
        text = text.replace("\\\\", _BACKSLASH).replace('\\"', _QUOTE)
    parts = text.split('"')  # every other one is between two strings
    between = '"'.join(parts[::2])
    if re.search(_ODD_NUMBER, between):
        return None
    parts[::2] = between.replace(",", ", ").replace(":", ": ").split('"')
    text = '"'.join(parts)
    return text.replace(_QUOTE, '\\"').replace(_BACKSLASH, "\\\\") if escaped else text


def json_text_start(data: bytes, count: int) -> str:
    """The first `count` characters of `json_text`; a long value is not read to its end."""
    most = _MOST_BYTES * count
    if len(data) > most:
        text = data[:most].decode(errors="ignore")
    elif re.fullmatch(_ALIKE, data) or not _is_compact(data):
        return json_text(data)[:count]
    else:
        text = data.decode()
    # The blanks only make it longer: what comes later is not in it.
    text = text[: count + _LONGEST_NUMBER]
    spaced = with_blanks(text)
    return (re.sub(_PIECE, _spelled, text) if spaced is None else spaced)[:count]


def _is_compact(data: bytes) -> bool:
    """Whether only the blanks are missing: each key is there once, and nothing is spelled oddly."""
    try:
        return orjson.dumps(orjson.loads(data)) == data
    except (TypeError, ValueError):  # deeper than orjson writes, or no JSON
        return False


def _spelled(match: re.Match[str]) -> str:
    token = match[0]
    if token[0] == '"':
        return token
    return _SPACED.get(token) or repr(float(token))
