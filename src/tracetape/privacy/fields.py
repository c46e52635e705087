"""Credentials in the fields of JSON, replaced by a mark."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from tracetape.privacy.names import (
    MARK,
    is_credential,
    is_credential_header,
    is_login,
    is_secret,
    is_telling,
    may_be_secret,
)
from tracetape.privacy.shapes import without_secrets
from tracetape.privacy.texts import clean_said, is_password
from tracetape.privacy.urls import clean_url, clean_value, secrets_in_url

__all__ = ["clean_fields", "clean_said_fields", "may_hold_credentials"]

# What users and models say: a name in there is theirs.
_CONTENT = frozenset(
    (
        *("arguments", "choices", "content", "contents", "input", "inputs"),
        *("instructions", "instances", "dataframe_records", "dataframe_split", "messages"),
        *("logprobs", "output", "predictions", "prompt", "prompt_logprobs", "system", "text"),
        "top_logprobs",
    )
)
_NAMED_BY_USERS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_SCHEMA = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum"})
# What names the text next to it, by what that text has as its own: boto3 writes capitals.
_NAMES = {
    "value": ("name", "key", "header"),
    "Value": ("Name", "Key", "Header"),
    "VALUE": ("NAME", "KEY", "HEADER"),
}
_HEADER_OPTIONS = frozenset({"-H", "--header"})  # of curl
_USER_OPTIONS = frozenset({"-u", "--user"})  # of curl: user, colon, password
_URLS = frozenset({"server_url", "base_url"})
_SERVERS = "mcp_servers"
_HEADERS = "headers"  # of a server: each may be a credential
_SPACED = re.compile(rb'"\s+:')
_LONGEST_NAME = 100
_PROGRAM = "\0"  # above fields that the program named itself: none of those is content
_NO_TEXTS = frozenset({int, float, bool, type(None)})
_SHORTEST_URL = 7  # that logs somebody in, as `a://b@c`; what has a shape is longer
_SHORTEST_REPR = 8  # that names a credential, as `{pwd: a}`
_SHORTEST_TEXT = 12  # of a word that is one by its shape
# How what is not JSON is recorded, and JSON as text, settings by lines, and a command.
_REPR = re.compile(
    r"(?:[bB]?[\"'])?"  # of a text in quotes, or of bytes
    r"(?:[\w.]{1,100}\(|[<{\[(]|-"
    r"|(?:(?:export|set|env) |\$(?:env:)?)?[\w.-]{1,64}[\"']?[ \t]{0,4}[:=]"
    r"|machine |[\w./-]{1,100} (?:[^\n]{0,400} )?-"
    r"|[ \t]{0,8}(?:ENV|setenv|setx) |FROM [\w./:@-]{1,200}\r?\n)"
)
_LONGEST_REPR = 5_000  # a longer text that begins so may be a prompt
_SHORT_TEXT = 1000  # longer ones of a program's are passed over, unless they are one word


_Shaped: TypeAlias = "Callable[[str, str], str] | None"


def may_hold_credentials(data: bytes) -> bool:
    """A quick look at JSON that need not be read else: whether `clean_fields` may find a name."""
    if _SPACED.search(data) or (b"://" in data and (b"@" in data or b"=" in data)):
        return True
    if b'"-' in data or b'[["' in data:  # arguments of a command, pairs
        return True
    names = {part[part.rfind(b'"') + 1 :] for part in data.split(b'":')}
    return any(_is_doubtful(name) for name in names if len(name) <= _LONGEST_NAME)


@lru_cache(maxsize=4096)
def _is_doubtful(name: bytes) -> bool:
    if b"\\" in name:
        return not name.endswith(b"\\")  # an escaped letter; at its end: a name within a text
    key = name.decode("utf-8", "replace")
    return (
        may_be_secret(key)
        or _names_tokens(key)
        or key in _URLS
        or key in (_SERVERS, _HEADERS, *_NAMES)
    )


def clean_fields(value: Any, found: list[str], mark: str = MARK, *, shapes: bool = False) -> Any:
    """JSON values with `mark` for credentials; what users and models say stays as it is.

    Args:
        value: stays as it is; it is given back if there is nothing to hide.
        found: takes the credentials.
        mark: what represents them.
        shapes: whether values of any name are looked at, too.
    """
    return _walk(value, "", found, mark, without_secrets if shapes else None)


def clean_said_fields(value: Any, found: list[str], mark: str = MARK) -> Any:
    """The same of what a program records itself: arguments, results, attributes.

    The outermost names are its own, whatever they are: ``inputs`` is a parameter there. Shapes are
    looked for in short texts and in single words: a long text may be a prompt.
    """
    return _walk(value, _PROGRAM, found, mark, _without_short)


def _without_short(text: str, mark: str) -> str:
    if len(text) < _SHORTEST_REPR:
        return text
    if len(text) <= _LONGEST_REPR and _REPR.match(text):  # as `Settings(password='…')`
        return clean_said(text, mark)
    if len(text) > _SHORT_TEXT and " " in text[:_SHORT_TEXT] and not text.startswith("-----"):
        return text
    if len(max(text.split(), key=len, default="")) < _SHORTEST_TEXT:
        return text
    return without_secrets(text, mark)


def _walk(value: Any, above: str, found: list[str], mark: str, shaped: _Shaped) -> Any:
    new: Any = None
    if isinstance(value, dict):
        for key, item in value.items():
            kind = type(item)
            if kind in _NO_TEXTS or (kind is str and len(item) < _SHORTEST_URL and _is_plain(key)):
                continue
            cleaned = _field(key, item, above, found, mark, shaped)
            if cleaned is not item:
                new = dict(value) if new is None else new
                new[key] = cleaned
        # Asked of each dictionary: a loop takes three times as long.
        label = "value" if "value" in value else "Value" if "Value" in value else "VALUE"
        if (name := _named_beside(value, label)) is not None:
            said = value[label]
            if said != mark and is_secret(name, said):
                new = dict(value) if new is None else new
                new[label] = _hidden(said, found, mark)
    elif isinstance(value, list):
        if value and type(value[0]) in (float, int):  # a vector
            return value
        above = "" if above is _PROGRAM else above
        are_pairs = bool(value) and _is_pair(value[0])
        before: Any = None
        for at, item in enumerate(value):
            if isinstance(item, str) and (item[:1] == "-" or before is not None):
                cleaned, before = _argument(item, before, found, mark, shaped)
            elif are_pairs and _is_pair(item) and is_secret(item[0], item[1]) and item[1]:
                cleaned = [item[0], _hidden(item[1], found, mark)]
            else:
                cleaned, before = _walk(item, above, found, mark, shaped), None
            if cleaned is not item:
                new = list(value) if new is None else new
                new[at] = cleaned
    elif isinstance(value, str):
        return _text(value, found, mark, shaped)
    return value if new is None else new


def _named_beside(value: dict[str, Any], label: str) -> str | None:
    """The name of the text at `label`, as in ``{"name": "Authorization", "value": "…"}``."""
    if not isinstance(value.get(label), str):
        return None
    for one in _NAMES[label]:
        name = value.get(one)
        if isinstance(name, str) and may_be_secret(name):
            return name
    return None


def _is_pair(value: Any) -> bool:
    """Of two texts, as lists of headers have them."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], str)
    )


def _argument(
    item: str, before: str | None, found: list[str], mark: str, shaped: _Shaped
) -> tuple[str, str | None]:
    """A text of a list, which may be the arguments of a command; and what names the next one.

    `before` is the option before it that has its value next.
    """
    if before is not None and item[:1] != "-":
        if before in _HEADER_OPTIONS:
            name, colon, said = item.partition(":")
            if colon and said.strip() and is_credential_header(name.strip()):
                return f"{name}: {_hidden(said, found, mark)}", None
        elif before in _USER_OPTIONS:
            user, colon, password = item.partition(":")
            if colon and is_password(password) and password != mark:
                found.append(password)
                return f"{user}:{mark}", None
        elif item and item != mark and is_secret(before.lstrip("-"), item):
            found.append(item)
            return mark, None
    name, equals, said = item.partition("=")
    plain = name.lstrip("-")
    if item[:1] == "-" and said and said != mark and is_secret(plain, said):
        found.append(said)
        return f"{name}={mark}", None
    names_next = not equals and (
        name in _HEADER_OPTIONS or name in _USER_OPTIONS or may_be_secret(plain)
    )
    cleaned = _text(item, found, mark, shaped)
    return cleaned, name if item[:1] == "-" and names_next else None


@lru_cache(maxsize=4096)
def _is_plain(key: str) -> bool:
    """Whether a text with this name is looked at for what it says only."""
    return not may_be_secret(key) and key not in _URLS and key != "url"


def _field(key: str, value: Any, above: str, found: list[str], mark: str, shaped: _Shaped) -> Any:
    if above in _NAMED_BY_USERS and not isinstance(value, str):
        return _walk(value, "", found, mark, shaped)
    if key in _CONTENT and above is not _PROGRAM:
        return value
    if isinstance(value, str):
        if may_be_secret(key) and value and value != mark and is_secret(key, value, above):
            found.append(value)
            return mark
        if key in _URLS or (key == "url" and above == _SERVERS):
            found += secrets_in_url(value)
            return clean_url(value)
        return _text(value, found, mark, shaped)
    if isinstance(value, (dict, list)):
        if key == _HEADERS or (is_credential(key) and not _is_schema(value)):
            return _hidden(value, found, mark)
        if len(value) == 2 and isinstance(value, list) and is_login(key):
            return [value[0], _hidden(value[1], found, mark)]
        if _names_tokens(key) and _are_tokens(value):
            return _hidden(value, found, mark)
        return _walk(value, key, found, mark, shaped)
    return value


def _text(value: str, found: list[str], mark: str, shaped: _Shaped) -> str:
    value = clean_value(value, found, mark)
    return value if shaped is None else shaped(value, mark)


@lru_cache(maxsize=4096)
def _names_tokens(key: str) -> bool:
    """Whether a list or a dictionary of this name may be of tokens that log somebody in."""
    return key.lower().endswith(("tokens", "jwts", "bearers"))


def _are_tokens(value: Any) -> bool:
    """Whether all look so: those of a language do not."""
    items = value.values() if isinstance(value, dict) else value
    return bool(value) and all(isinstance(one, str) and is_telling(one) for one in items)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict) and bool(_SCHEMA & value.keys()) and "value" not in value


def _hidden(value: Any, found: list[str], mark: str) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(item, found, mark) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item, found, mark) for item in value]
    if isinstance(value, str) and value and value != mark:
        found.append(value.rpartition(" ")[2])
        return mark
    return value
