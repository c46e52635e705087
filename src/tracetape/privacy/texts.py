"""Credentials in what a program says, such as an exception: by name, by shape and in URLs."""

from __future__ import annotations

import re

from tracetape.privacy.names import is_credential, is_secret, may_be_secret
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.urls import clean_text

__all__ = ["clean_said"]

# One of these is in each name that says enough in a text; looked for first, as it is fast.
_WORDS = (
    *("key", "token", "auth", "pass", "secret", "cookie", "credential", "assertion", "verifier"),
    *("connectionstring", "connection_string", "connstr", "conn_str", "pwd", "jwt", "bearer"),
)
# What comes between a name and its value, as in "name=", "name: ", "'name': " and "('name', ".
_BETWEEN = re.compile(r"(?<!=)=(?!=)|:|(?<=[\"']),")
_LONGEST = 80  # of a name with what surrounds it
_EMAN = re.compile(r"[ \t]{0,3}[\"']?\\{0,8}(?P<name>[\w.-]{2,64})(?![\w.-])")  # read backwards
_QUOTED = re.compile(r"[ \t]{0,3}[bru]?\\{0,8}[\"'](?P<value>[^\"'\\\r\n]{4,4096})")
_SCHEME = re.compile(r"[ \t]{0,3}[A-Za-z-]{2,20} (?P<value>[^\s\"'\\,;]{4,})")
_COOKIES = re.compile(r"[ \t]{0,3}[\w.-]{1,64}=(?P<value>[^\r\n\"'\\]{4,4096})")
_WORD = re.compile(
    r"[ \t]{0,3}(?=[^\s\"'&;,]{0,200}?[\d!#$%^*])(?P<value>[^\s\"'&;,()\[\]{}<>\\]{6,})"
)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Z_]+\d?|\d+(?:\.\d+)*")


def clean_said(text: str, mark: str) -> str:
    """`text` without the credentials in URLs, those that have a name in it, and known shapes."""
    text = clean_text(text, mark)
    lower = text.lower()
    if any(word in lower for word in _WORDS):
        text = _without_named(text, mark)
    return without_secrets(text, mark)


def _without_named(text: str, mark: str) -> str:
    left: list[str] = []
    done = 0
    for between in _BETWEEN.finditer(text):
        at = between.start()
        if at < done:
            continue
        found = _EMAN.match(text[max(0, at - _LONGEST) : at][::-1])
        if found is None:
            continue
        name = found["name"][::-1]
        if not name[0].isalpha() or not may_be_secret(name):
            continue
        start = at - found.end()
        if text[at] == "," and "(" not in text[max(0, start - 3) : start]:
            continue  # two words of a list
        value = _value(name, text, at + 1)
        if value is not None and value["value"] != mark:
            left += [text[done : value.start("value")], mark]
            done = value.end("value")
    return "".join([*left, text[done:]]) if left else text


def _value(name: str, text: str, at: int) -> re.Match[str] | None:
    quoted = _QUOTED.match(text, at)
    if not is_credential(name):
        found = quoted or _WORD.match(text, at)
        return found if found is not None and is_secret(name, found["value"]) else None
    if quoted is not None:
        return quoted
    lower = name.lower()
    if lower.endswith("authorization"):
        return _SCHEME.match(text, at) or _WORD.match(text, at)
    if lower.endswith("cookie"):
        return _COOKIES.match(text, at)
    word = _WORD.match(text, at)
    return None if word is None or _IDENTIFIER.fullmatch(word["value"]) else word
