"""YAML as a person wants to read it in a diff: text in blocks, quoted only where it must be."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["is_plain", "is_printable", "lines"]

# Text that reads as itself without quotes: no number, no keyword, no sign of YAML.
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9 _./+*;=,()%&?~@-]|:(?=[^\s]))*")
_KEYWORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
# What a block cannot hold: other line breaks, and what is not printable.
_UNFIT = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_FIT_ASCII = bytes((*b"\t\n", *range(0x20, 0x7F)))  # to look for others is ten times faster
_BLANK = "\\ "  # a blank that begins a continued line must say so
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def lines(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    """The lines of a mapping of text, binary, numbers, lists and mappings.

    They are the same for the same value, and read back as it by any YAML 1.1 reader.
    """
    margin = " " * indent
    for key, item in value.items():
        name = _name(str(key))
        if isinstance(item, Mapping) and item:
            yield f"{margin}{name}:"
            yield from lines(item, indent + 2)
        elif isinstance(item, list) and item:
            yield f"{margin}{name}:"
            for part in item:
                yield f"{margin}- {_flow(part) if isinstance(part, list) else _value(part, indent)}"
        else:
            yield f"{margin}{name}: {_value(item, indent)}"


def _flow(items: list[Any]) -> str:
    return f"[{', '.join(map(str, items))}]"


def _value(item: Any, indent: int) -> str:
    if item is None:
        return "null"
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, (int, float)):
        return str(item)
    if isinstance(item, bytes):
        return _binary(item, indent + 2)
    if isinstance(item, str):
        return _block(item, indent + 2) if "\n" in item else _scalar(item, indent)
    return "{}" if isinstance(item, Mapping) else "[]"


def _name(text: str) -> str:
    return text if is_plain(text) else _escaped(text)  # a key has one line


def _scalar(text: str, indent: int) -> str:
    return text if is_plain(text) else _quoted(text, indent + 2)


def is_plain(text: str) -> bool:
    """Whether a text means itself without quotes."""
    fits = _PLAIN.fullmatch(text) is not None
    return fits and text.lower() not in _KEYWORDS and text[-1] != " "


def _block(text: str, indent: int) -> str:
    if text[0] in " \t\n" or " \n" in text or "\t\n" in text or text[-1] in " \t":
        return _quoted(text, indent)  # an editor would take these blanks away
    if not is_printable(text):
        return _quoted(text, indent)
    chomping = "-" if text[-1] != "\n" else "+" if text.endswith("\n\n") else ""
    margin = " " * indent
    rows = text.removesuffix("\n").split("\n")
    return "\n".join([f"|{chomping}", *(margin + row if row else "" for row in rows)])


def is_printable(text: str) -> bool:
    """Whether YAML takes all characters as they are, and no other for a line's end."""
    if text.isascii():
        return not text.encode().translate(None, _FIT_ASCII)
    return _UNFIT.search(text) is None


def _quoted(text: str, indent: int) -> str:
    """In double quotes, broken after each line of the text."""
    margin = " " * indent
    # An odd number of backslashes before the n makes it a line's end.
    return re.sub(
        r"((?<!\\)(?:\\\\)*\\n)(?!\")( ?)",
        lambda found: f"{found[1]}\\\n{margin}{found[2] and _BLANK}",
        _escaped(text),
    )


def _escaped(text: str) -> str:
    return _NOT_PRINTABLE.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False)
    )


def _binary(data: bytes, indent: int) -> str:
    text = base64.b64encode(data).decode()
    margin = " " * indent
    rows = [margin + text[at : at + 76] for at in range(0, len(text), 76)]
    return "\n".join(["!!binary |", *rows]) if rows else '!!binary ""'
