"""Reads the small part of YAML in which `yaml_text` writes, many times faster than YAML is read.

Whatever else is in a file, by other tools or by hand, is left to a YAML parser: what this one
reads, it reads as that would.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import orjson

from tracetape.cassettes.file.bodies import from_base64
from tracetape.cassettes.file.model import WHOLE
from tracetape.cassettes.file.yaml_text import is_plain, is_printable

__all__ = ["document"]

_DEEPEST = 40  # blanks at the beginning of a line
_LONGEST_KEY = 1000  # YAML has a limit of 1,024
# Usual keys: for them there is nothing to look at.
_NAMES = frozenset(
    (
        *("request", "method", "uri", "headers", "body", "response", "status", "code", "message"),
        *("string", "content-type", "tracetape", "encoding", "content-length", "chunks"),
    )
)
_CONSTANTS = {"null": None, "true": True, "false": False}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_BLOCKS = {"|": 1, "|-": 0, "|+": None}  # how many of the line ends at its end belong to it
_BINARY = "!!binary "
_CONTINUED = re.compile(r"((?<!\\)(?:\\\\)*)\\\n +(\\ )?")
# JSON and YAML read these in two ways.
_ESCAPED_OTHERWISE = re.compile(r"(?<!\\)(?:\\\\)*\\(?:/|u[dD])")
_MARK = f"{WHOLE}\n"


class _UnreadError(Exception):
    """It is written in another way."""


def document(data: bytes) -> dict[str, Any] | None:
    """The contents of a file, or None: a YAML parser has to read it."""
    try:
        text = data.decode()
        if not text.endswith("\n") or not is_printable(text):
            return None
        return _Reader(text).document()
    except (_UnreadError, ValueError):
        return None  # ValueError: of UTF-8, JSON and base64


class _Reader:
    """Goes through a text once, from the first line to the last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> dict[str, Any]:
        found = self._mapping(0)
        if self._at != len(self._text):
            raise _UnreadError
        return found

    def _mapping(self, indent: int, *, is_item: bool = False) -> dict[str, Any]:
        """The lines of a mapping; `is_item`: its first one has a dash before it."""
        if indent > _DEEPEST:
            raise _UnreadError
        text, margin = self._text, " " * indent
        begin = f"{margin[2:]}- " if is_item else margin
        found: dict[str, Any] = {}
        at = self._at
        while text.startswith(begin, at):
            start = at + indent
            if text[start : start + 1] in " -#":  # also at the end of the text
                break
            end = text.index("\n", start)
            name, colon, value = text[start:end].partition(": ")
            begin, self._at = margin, end + 1
            if colon:
                key = name if name in _NAMES else _key(name)
                found[key] = self._value(value, indent, end - len(value))
            elif name[-1:] == ":":
                name = name[:-1]
                found[name if name in _NAMES else _key(name)] = self._nested(indent)
            else:
                raise _UnreadError
            at = self._at
        if not found:
            raise _UnreadError
        return found

    def _nested(self, indent: int) -> Any:
        margin = " " * indent
        if not self._text.startswith(f"{margin}- ", self._at):
            return self._mapping(indent + 2)
        items = []
        while self._text.startswith(f"{margin}- ", self._at):
            start = self._at + indent + 2
            end = self._text.index("\n", start)
            item = self._text[start:end]
            if item[:1] != '"' and (": " in item or item.endswith(":")):
                items.append(self._mapping(indent + 2, is_item=True))
            else:
                self._at = end + 1
                items.append(self._value(item, indent, start))
            while not indent and self._text.startswith(_MARK, self._at):
                self._at += len(_MARK)  # a comment behind each interaction of a recording
        return items

    def _value(self, value: str, indent: int, start: int) -> Any:
        """The value that begins at `start`; the place is behind its first line by now."""
        if value in _BLOCKS:
            return self._block(indent + 2, _BLOCKS[value])
        if value[:1] == '"':
            return self._quoted(start)
        if _is_text(value):
            return value
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        if _NUMBER.fullmatch(value):
            return int(value)
        if value == "[]":
            return []
        if value == "{}":
            return {}
        if value.startswith(_BINARY):
            rest = value[len(_BINARY) :]
            if rest == "|":
                return from_base64(self._base64(indent + 2))
            if rest == '""':
                return b""
        raise _UnreadError

    def _rows(self, indent: int) -> str:
        """The lines of a block, with their blanks."""
        found = _rows(indent).match(self._text, self._at)
        if found is None:
            raise _UnreadError
        rows = found[0]
        if rows[:indent] != " " * indent or rows[indent] in " \t\n":
            raise _UnreadError
        self._at = found.end()
        return rows

    def _base64(self, indent: int) -> str:
        """The lines of a binary: no colon is in them, so they end before the next key."""
        text, margin = self._text, f"\n{' ' * indent}"
        end = text.rfind("\n", self._at, text.find(":", self._at))
        rows = text[self._at - 1 : end]
        is_even = rows.count("\n") == rows.count(margin) and rows[indent + 1 : indent + 2].strip()
        if end < 0 or not is_even:
            return self._rows(indent)
        self._at = end + 1
        return rows.replace(margin, "")

    def _block(self, indent: int, line_ends: int | None) -> str:
        text = self._rows(indent)[indent:].replace("\n" + " " * indent, "\n")
        return text if line_ends is None else text.rstrip("\n") + "\n" * line_ends

    def _quoted(self, start: int) -> str:
        text = self._text
        end = start
        while True:
            end = text.index('"', end + 1)
            before = end - 1
            while text[before] == "\\":
                before -= 1
            if (end - before) % 2:  # an even number of backslashes
                break
        if text[end + 1] != "\n":
            raise _UnreadError
        self._at = end + 2
        inner = text[start + 1 : end]
        if "\n" in inner:
            inner = _CONTINUED.sub(lambda found: found[1] + (found[2] or "")[1:], inner)
        if _ESCAPED_OTHERWISE.search(inner):
            raise _UnreadError
        found: str = orjson.loads(f'"{inner}"')
        return found


@lru_cache(maxsize=64)
def _rows(indent: int) -> re.Pattern[str]:
    return re.compile(rf"(?:(?: {{{indent}}}[^\n]*)?\n)+")


@lru_cache(maxsize=256)
def _is_text(value: str) -> bool:
    return is_plain(value)


def _key(name: str) -> str:
    if not _is_text(name) or len(name) > _LONGEST_KEY:
        raise _UnreadError
    return name
