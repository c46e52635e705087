"""Secrets that are known by their values, in all the forms in which they are written."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

from tracetape._system import lasting_lock
from tracetape.privacy.names import MARK, is_credential_header, is_secret_in_query
from tracetape.privacy.shapes import without_secrets

__all__ = [
    "Secrets",
    "concealed",
    "forget",
    "known",
    "remember",
    "secrets_in_headers",
    "secrets_in_url",
    "telling",
    "those_that_tell",
]

_SHORT, _LONG = 8, 16  # shorter values, or single words that are not longer, are in any text
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
    """Whether a value is unlikely to stand in a text by chance."""
    if not isinstance(value, str):
        return False
    value = value.strip()
    if len(value) < _SHORT or value.lower() in _NO_KEYS or "REDACTED" in value:
        return False
    return len(value) >= _LONG or not value.isalpha()


class Secrets:
    """Values, and what is looked for: plain, quoted for a URL, escaped for JSON, as base64."""

    __slots__ = ("_data", "_texts")

    def __init__(self, values: Iterable[str]) -> None:
        """Work out the forms of all `values`."""
        texts = {form for value in values for form in _forms(value) if len(form) >= _SHORT}
        self._texts = sorted(texts, key=len, reverse=True)
        escaped = {inner for form in texts for inner in _escaped(form)}
        encoded = {form.encode("utf-8", "surrogatepass") for form in texts | escaped}
        self._data = sorted(encoded, key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def text(self, text: str, mark: str = MARK) -> str:
        """`text` with `mark` in the place of each."""
        for form in self._texts:
            if form in text:
                text = text.replace(form, mark)
        return text

    def data(self, data: bytes, mark: str = MARK) -> bytes:
        """The same of text or JSON as bytes."""
        for form in self._data:
            if form in data:
                data = data.replace(form, mark.encode())
        return data

    def value(self, value: Any) -> Any:
        """The same of JSON values, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item) for item in value]
        return value


def _forms(value: str) -> Iterator[str]:
    for plain in {value, value.strip()}:
        yield plain
        yield quote(plain, safe="", errors="replace")
        yield quote(plain, errors="replace")
        yield quote_plus(plain, errors="replace")
        yield repr(plain)[1:-1]
        for text in (plain, f":{plain}", f"{plain}:"):  # alone, and as HTTP's basic scheme has it
            data = text.encode("utf-8", "replace")
            yield b64encode(data).decode()
            yield urlsafe_b64encode(data).decode()


def _escaped(text: str) -> Iterator[str]:
    for as_ascii in (True, False):
        once = json.dumps(text, ensure_ascii=as_ascii)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=as_ascii)[1:-1]  # JSON as a text in JSON


@lru_cache(maxsize=256)
def _secrets(values: frozenset[str]) -> Secrets:
    return Secrets(values)


def those_that_tell(values: Iterable[str]) -> frozenset[str]:
    """The values that can be looked for."""
    return frozenset(value for value in values if telling(value))


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
        return _secrets(_recent)
    return _secrets(_recent | own)


def concealed(text: str) -> str:
    """`text` without the newest secrets of the process."""
    return known().text(text) if _recent else text


def secrets_in_headers(headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> list[str]:
    """Values of credentials, without the scheme before them."""
    found: list[str] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        if isinstance(value, str) and isinstance(name, str) and is_credential_header(name):
            found += _in_header(name.lower(), value)
    return found


def _in_header(name: str, value: str) -> Iterator[str]:
    if name.endswith("cookie"):
        for pair in value.split(";"):
            yield pair.partition("=")[2].strip()
        return
    scheme, _, rest = value.partition(" ")
    yield rest or value
    if scheme.lower() == "basic":
        try:
            yield b64decode(rest).decode().partition(":")[2]
        except ValueError:
            return


def secrets_in_url(url: str) -> list[str]:
    """The password, or a user that is one, and keys in the query and in the path."""
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:  # an address that is none
        return []
    found = [password or user] if user or password else []
    if user and password:
        found.append(b64encode(f"{user}:{password}".encode()).decode())
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if is_secret_in_query(unquote(name), unquote_plus(value)):
            found += [value, unquote(value), unquote_plus(value)]
    segments = parts.path.split("/") if len(parts.path) >= _LONG else []
    return found + [one for one in segments if without_secrets(one, MARK) != one]
