"""Secrets that are known by their values, in all the forms in which they are written."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from operator import is_
from typing import Any, TypeVar

from tracetape._system import lasting_lock
from tracetape.diagnostics import conceal_with
from tracetape.privacy.forms import Form, forms_of
from tracetape.privacy.names import MARK, is_credential_header, is_telling
from tracetape.privacy.urls import secrets_in_url

__all__ = [
    "Secrets",
    "concealed",
    "forget",
    "known",
    "remember",
    "secrets_in_headers",
    "secrets_of",
    "secrets_of_request",
    "telling",
    "those_that_tell",
]

_Text = TypeVar("_Text", str, bytes)
_SHORT, _LONG = 8, 16  # shorter values, or single words that are not longer, are in any text
_FEW = 16  # forms of secrets: that many are looked for one by one
_IN_WORDS = frozenset(b"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_OF_WORD = b"x"
_MARKS = bytes(_OF_WORD[0] if byte in _IN_WORDS else 32 for byte in range(256))
# Dashes, dots, underscores and tildes, escaped for a URL, HTML or JSON.
_SIGNS = (
    ("%", "%", r"%(?:25){0,8}(?:2[DdEe]|5[Ff]|7[Ee])"),
    ("&", "&#", r"&#(?:0{0,5}(?:45|46|95|126)|[xX]0{0,5}(?:2[DdEe]|5[Ff]|7[Ee]));"),
    ("\\", "\\u00", r"\\u00(?:2[DdEe]|5[Ff]|7[Ee])"),
)
_SIGNS_OF_TEXT = [(one, start, re.compile(form).search) for one, start, form in _SIGNS]
_SIGNS_OF_DATA = [
    (one.encode(), start.encode(), re.compile(form.encode()).search) for one, start, form in _SIGNS
]
_RECENT = 32  # each is looked for in all that is written
# What clients are given that must have a key where none is needed.
_NO_KEYS = frozenset(
    (
        *("no-key-required", "sk-no-key-required", "placeholder-key", "your-api-key", "lm-studio"),
        *("not-needed", "not-required", "not-used", "llama-cpp", "llama.cpp", "no-api-key"),
        *("fake-key", "dummy-key", "not_needed", "not-provided", "your_api_key"),
    )
)


def telling(value: object) -> bool:
    """Whether a value is unlikely to be in a text by chance."""
    if not isinstance(value, str):
        return False
    value = value.strip()
    if len(value) < _SHORT or value.lower() in _NO_KEYS or "REDACTED" in value:
        return False
    return len(value) >= _LONG or not value.isalpha()


class Secrets:
    """Values, and how they may be written: escaped, quoted for a URL or for HTML, within base64."""

    __slots__ = ("_data", "_least", "_run", "_signs", "_texts")

    def __init__(self, values: Iterable[str]) -> None:
        """Work out the forms of all `values`."""
        forms = {form for value in values for form in forms_of(value)}
        # The longer what is looked for, the faster: it is skipped by its length.
        length = _SHORT if len(forms) > _FEW else None
        self._texts = _by_beginning([(form.needle, form) for form in forms], length)
        self._data = _by_beginning([(form.needle.encode(), form) for form in forms], length)
        self._signs = [one for form in forms if (one := form.with_escaped_signs()) is not None]
        self._least = min((len(beginning) for beginning, _ in self._texts), default=0)
        # Where many are looked for, that is done in words as long as the shortest of them.
        shortest = min((len(form.needle) for form in forms), default=0)
        is_worth = len(forms) > _FEW and shortest >= _SHORT
        self._run = _OF_WORD * shortest if is_worth else b""

    def __bool__(self) -> bool:
        return bool(self._texts)

    def text(self, text: str, mark: str = MARK) -> str:
        """`text` with `mark` in the place of each."""
        if len(text) < self._least:
            return text
        if not self._run or self._may_be_in(text.encode("utf-8", "surrogatepass")):
            for beginning, forms in self._texts:
                if beginning in text:
                    for form in forms:
                        text = form.without(text, mark)
        if self._signs and _may_escape_signs(text):
            for form in self._signs:
                if form.needle in text:
                    text = form.without(text, mark)
        return text

    def data(self, data: bytes, mark: str = MARK) -> bytes:
        """The same of text or JSON as bytes."""
        if not self._run or self._may_be_in(data):
            for beginning, forms in self._data:
                if beginning in data:
                    for form in forms:
                        data = form.without_bytes(data, mark.encode())
        if self._signs and _may_escape_signs(data):
            for form in self._signs:
                if form.needle.encode() in data:
                    data = form.without_bytes(data, mark.encode())
        return data

    def _may_be_in(self, data: bytes) -> bool:
        marks, run = data.translate(_MARKS), self._run
        at = marks.find(run)
        words = []
        while at >= 0:
            end = marks.find(b" ", at)
            end = len(data) if end < 0 else end
            words.append(data[at:end])
            at = marks.find(run, end)
        long = b" ".join(words)
        return bool(long) and any(beginning in long for beginning, _ in self._data)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where they are in `text`: beginnings and ends, in order, none within another."""
        found = [
            one
            for beginning, forms in self._texts
            if beginning in text
            for form in forms
            for one in form.places(text)
        ]
        if self._signs and _may_escape_signs(text):
            found += [
                one for form in self._signs if form.needle in text for one in form.places(text)
            ]
        joined: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if joined and start < joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def value(self, value: Any) -> Any:
        """The same of JSON values, keys included; `value` itself if there are none in it."""
        if isinstance(value, str):
            return self.text(value) if len(value) >= self._least else value
        if value is None or isinstance(value, (int, float)):
            return value
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, dict):
            for key, item in value.items():
                if self.value(key) is not key or self.value(item) is not item:
                    return {self.value(key): self.value(item) for key, item in value.items()}
        elif isinstance(value, list):
            new = [self.value(item) for item in value]
            return value if all(map(is_, new, value)) else new
        return value


def _may_escape_signs(text: str | bytes) -> bool:
    r"""Whether a dash or a dot is written as `%2D`, `&#45;` or `\u002d` in `text`."""
    # One character is found faster than several, and those faster than an expression.
    if isinstance(text, str):
        return any(
            one in text and start in text and find(text) for one, start, find in _SIGNS_OF_TEXT
        )
    return any(one in text and start in text and find(text) for one, start, find in _SIGNS_OF_DATA)


def _by_beginning(
    forms: list[tuple[_Text, Form]], length: int | None
) -> list[tuple[_Text, list[Form]]]:
    """Forms by what they begin with: an issuer's keys, looked for at once; long ones first."""
    found: dict[_Text, list[Form]] = {}
    for needle, form in sorted(forms, key=lambda one: len(one[1].value), reverse=True):
        found.setdefault(needle[:length], []).append(form)
    return list(found.items())


@lru_cache(maxsize=256)
def secrets_of(values: frozenset[str]) -> Secrets:
    """These values, to be looked for."""
    return Secrets(values)


def those_that_tell(values: Iterable[str]) -> frozenset[str]:
    """The values that can be looked for."""
    return _telling_ones(tuple([value for value in values if isinstance(value, str)]))


@lru_cache(maxsize=64)  # a client's stay the same
def _telling_ones(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(filter(telling, values))


_lock = lasting_lock()
_recent: frozenset[str] = frozenset()
_order: dict[str, None] = {}


def remember(values: Iterable[str]) -> frozenset[str]:
    """Take note of a client's secrets, for all that the process writes; gives the telling ones."""
    global _recent
    found = those_that_tell(values)
    if found and not found <= _recent:
        with _lock:
            for value in found:
                _order.pop(value, None)
                _order[value] = None
            while len(_order) > _RECENT:
                del _order[next(iter(_order))]
            _recent = frozenset(_order)
    return found


def forget() -> None:
    """Forget the secrets of all clients (for tests)."""
    global _recent
    with _lock:
        _order.clear()
        _recent = frozenset()


def known(own: frozenset[str] | None = None) -> Secrets:
    """Those of a trace, and the newest of the process."""
    if own is None or own <= _recent:
        return secrets_of(_recent)
    return secrets_of(_recent | own)


def concealed(text: str) -> str:
    """`text` without the newest secrets of the process."""
    return known().text(text) if _recent else text


conceal_with(concealed)  # before this module is loaded nothing is known


def secrets_in_headers(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> list[str]:
    """Values of credentials, without the scheme before them; names and values as text or bytes."""
    found: list[str] = []
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    for at, known_by in _credentials_among(tuple([name for name, _ in pairs])):
        value = pairs[at][1]
        if isinstance(value, (str, bytes)):
            found += _in_header(known_by, _as_text(value))
    return found


def secrets_of_request(headers: Any, url: Any) -> list[str]:
    """Credentials of an HTTP request: headers of httpx, httpx2 or requests, and the URL."""
    raw = getattr(headers, "raw", None)  # httpx's mapping joins and decodes them at each look
    given = raw if isinstance(raw, list) else headers
    is_real = isinstance(given, (Mapping, list, tuple))  # a mock has none
    return [*secrets_in_headers(given if is_real else ()), *_secrets_in_url(str(url))]


@lru_cache(maxsize=64)  # a client's stay the same
def _credentials_among(names: tuple[Any, ...]) -> tuple[tuple[int, str], ...]:
    """Which of a request's headers are credentials, and their names in lower case."""
    texts = [_as_text(one).lower() if isinstance(one, (str, bytes)) else "" for one in names]
    return tuple((at, name) for at, name in enumerate(texts) if is_credential_header(name))


@lru_cache(maxsize=128)
def _secrets_in_url(url: str) -> tuple[str, ...]:
    return tuple(secrets_in_url(url))


def _as_text(data: str | bytes) -> str:
    return data.decode("latin-1") if isinstance(data, bytes) else data


@lru_cache(maxsize=64)  # a client's stay the same
def _in_header(name: str, value: str) -> tuple[str, ...]:
    return tuple(_parts_of_header(name, value))


def _parts_of_header(name: str, value: str) -> Iterator[str]:
    if name.endswith("cookie"):
        for pair in value.split(";"):
            yield pair.partition("=")[2].strip()
        return
    scheme, _, rest = value.partition(" ")
    yield rest or value
    yield from filter(is_telling, rest.split() if " " in rest or "\n" in rest else value.split())
    if scheme.lower() == "basic":
        try:
            yield b64decode(rest).decode().partition(":")[2]
        except ValueError:
            return
