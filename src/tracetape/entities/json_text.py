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


def json_text(data: bytes) -> str:
    """JSON that `encode` made, as ``json.dumps`` writes it; characters outside of ASCII stay."""
    try:
        return json.dumps(decode(data), ensure_ascii=False)
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
