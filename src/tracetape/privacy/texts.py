"""Credentials in what a program says, such as an exception: by name, by shape and in URLs."""

from __future__ import annotations

import re

from tracetape.privacy.names import is_credential, is_secret
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.urls import clean_text

__all__ = ["clean_said"]

# A name and what comes between it and its value, as in "name=", "name: ", "'name': ", "('name', ".
_NAME = re.compile(
    r"(?<![\w.-])(?P<name>[A-Za-z][\w.-]{1,63})\\{0,8}"
    r"(?:[\"']?[ \t]{0,3}[=:](?!=)|(?P<pair>[\"'],))[ \t]{0,3}"
)
_QUOTED = re.compile(r"[bru]?\\{0,8}[\"'](?P<value>[^\"'\\\r\n]{4,4096})")
_SCHEME = re.compile(r"[A-Za-z-]{2,20} (?P<value>[^\s\"'\\,;]{4,})")
_COOKIES = re.compile(r"[\w.-]{1,64}=(?P<value>[^\r\n\"'\\]{4,4096})")
_WORD = re.compile(r"(?P<value>(?=[^\s\"'&;,]{0,200}?[\d!#$%^*])[^\s\"'&;,()\[\]{}<>\\]{6,})")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Z_]+\d?|\d+(?:\.\d+)*")


def clean_said(text: str, mark: str) -> str:
    """`text` without the credentials in URLs, those that have a name in it, and known shapes."""
    return without_secrets(_without_named(clean_text(text, mark), mark), mark)


def _without_named(text: str, mark: str) -> str:
    left: list[str] = []
    done = 0
    for found in _NAME.finditer(text):
        if found.start() < done:
            continue
        if found["pair"] and "(" not in text[max(0, found.start() - 3) : found.start()]:
            continue  # two words of a list
        value = _value(found["name"], text, found.end())
        if value is not None and value[0] != mark:
            left += [text[done : value.start("value")], mark]
            done = value.end("value")
    return "".join([*left, text[done:]]) if left else text


def _value(name: str, text: str, at: int) -> re.Match[str] | None:
    lower = name.lower()
    quoted = _QUOTED.match(text, at)
    if not is_credential(name):
        found = quoted or _WORD.match(text, at)
        return found if found is not None and is_secret(name, found["value"]) else None
    if quoted is not None:
        return quoted
    if lower.endswith("authorization"):
        return _SCHEME.match(text, at) or _WORD.match(text, at)
    if lower.endswith("cookie"):
        return _COOKIES.match(text, at)
    word = _WORD.match(text, at)
    return None if word is None or _IDENTIFIER.fullmatch(word["value"]) else word
