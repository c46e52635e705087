"""JSON as text, spelled as MLflow spells it: a blank after each comma and each colon."""

from __future__ import annotations

import json
import re

from tracetape.capture import decode

__all__ = ["json_text", "json_text_start"]

_MOST_BYTES = 4  # of one character in UTF-8
# A text, which may be cut off; a float whose exponent `json` writes otherwise; a separator.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|-?\d+(?:\.\d+)?e-?\d+|[,:]', re.DOTALL)
_SPACED = {",": ", ", ":": ": "}
# What both spell alike: most attributes are such a text, or a number without a sign.
_ALIKE = re.compile(rb'"[^"\\\x00-\x1f]*"|[1-9][0-9]{0,17}|0|true|false|null')
# Decoded JSON has no cycles.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def json_text(data: bytes) -> str:
    """JSON that `encode` made, as ``json.dumps`` writes it; characters outside of ASCII stay."""
    if _ALIKE.fullmatch(data):
        try:
            return data.decode()
        except UnicodeDecodeError:  # a store holds what somebody has put there
            pass
    try:
        return _ENCODER.encode(decode(data))
    except RecursionError:  # deeper than `json` goes; the text is as right without the blanks
        return data.decode()


def json_text_start(data: bytes, count: int) -> str:
    """The first `count` characters of `json_text`; a long value is not read to its end."""
    most = _MOST_BYTES * count
    if len(data) <= most:
        return json_text(data)[:count]
    return _TOKEN.sub(_spelled, data[:most].decode(errors="ignore"))[:count]


def _spelled(match: re.Match[str]) -> str:
    token = match[0]
    if token[0] == '"':
        return token
    return _SPACED.get(token) or repr(float(token))
