"""Quoted texts in a bracket behind the name of a credential, as in `{'password': ['abc']}`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracetape.privacy.names import is_credential, is_key_of_login
from tracetape.privacy.prose import NOTHING, is_name_again, is_prose

__all__ = ["quoted_in_bracket"]

# From the sign behind the name up to the first text: `=[`, `: {`, `, ([`.
_OPENED = re.compile(r"[=:,]>?=?[ \t]{0,8}(?:[\[({]\s{0,64}){1,4}")
_ITEM = re.compile(
    r"(?:[A-Za-z_][\w.]{0,100}\()?[bBrRuUfF]{0,2}(?:"
    r"\"(?P<double>[^\"\\\r\n]*(?:\\.[^\"\\\r\n]*)*)\""
    r"|'(?P<single>[^'\\\r\n]*(?:\\.[^'\\\r\n]*)*)'"
    r"|\\{1,8}[\"'](?P<escaped>[^\"'\\\r\n]*)\\{1,8}[\"'])\)?"
)
_COLON = re.compile(r"\s{0,8}:\s{0,8}")  # behind a key
_OTHER = re.compile(r"[\w.+-]{1,64}")  # the value of a key, if it is not a text
_COMMA = re.compile(r"\s{0,8},\s{0,64}")
_TELLING = re.compile(r"[^\d!#$%^*]*[\d!#$%^*]")
_PLURALS = ("keys", "credentials", "secrets", "passwords", "cookies")
_HEADERS = ("authorization", "cookie", "cookies")  # several words are one of theirs


def quoted_in_bracket(name: str, text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where values are that `name` has directly within a bracket behind the sign at `at`.

    Of a dictionary those that have a key such as `value` in it. What says something of the
    credential stays, and so do names of credentials and the words that a plural has in a sentence.
    """
    opened = _OPENED.match(text, at)
    if opened is None or not is_credential(name):
        return
    is_data = text[at] != ":" or text[at - 1] in "\"'"
    must_tell = not is_data and name.lower().endswith(_PLURALS)
    place = opened.end()
    while (item := _ITEM.match(text, place)) is not None:
        key = ""
        colon = _COLON.match(text, item.end())
        if colon is not None:
            key = item[item.lastgroup or 0]
            item = _ITEM.match(text, colon.end()) or _OTHER.match(text, colon.end())
            if item is None:
                return
        kind = item.lastgroup
        if kind is not None and (not key or is_key_of_login(key)):
            said = item[kind]
            if not _stays(name, said) and (not must_tell or _TELLING.match(said)):
                yield item.span(kind)
        comma = _COMMA.match(text, item.end())
        if comma is None:
            return
        place = comma.end()


def _stays(name: str, said: str) -> bool:
    if not said.strip("* ") or NOTHING.match(said) or is_credential(said):
        return True
    if is_name_again(name, said):
        return True
    return not name.lower().endswith(_HEADERS) and is_prose(said)
