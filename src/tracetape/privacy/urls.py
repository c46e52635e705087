"""Credentials in URLs: of a user, in the query, and in the path."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import parse_qsl, unquote, unquote_plus, urlencode, urlsplit, urlunsplit

from tracetape.privacy.names import MARK, is_secret_in_query
from tracetape.privacy.shapes import without_secrets

__all__ = [
    "clean_path",
    "clean_text",
    "clean_url",
    "clean_value",
    "keys_in_path",
    "secrets_in_url",
]

_QUERY_IN_TEXT = re.compile(r"(?<=[?&])([^=?&#\s\"'<>]+)=([^&#\s\"'<>)]+)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'<>]+")
_USER_IN_TEXT = re.compile(r"(?<=://)[^/?#\s\"'<>@]+@(?=[\w\[])")
# Parts of a path that a key comes after, as in `/k/KEY/v1`.
_BEFORE_KEYS = frozenset(
    (
        *("k", "key", "keys", "apikey", "api-key", "api_key", "virtual-key", "virtual_key", "t"),
        *("token", "tokens", "auth", "secret", "access-token", "access_token", "access-key"),
    )
)
_SHORTEST_KEY = 12
# Names of models, deployments and accounts have no capitals among digits and small letters.
_RANDOM = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d.*\d)[A-Za-z0-9]{20,}")


def clean_url(url: str, mark: str = "REDACTED", *, doubtful: bool = False) -> str:
    """`url` without user and password, and with `mark` for parameters that are credentials."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:  # no URL
        return clean_text(url, mark)
    kept = [(n, mark if is_secret_in_query(n, v, doubtful=doubtful) else v) for n, v in pairs]
    query = urlencode(kept) if kept != pairs else parts.query
    netloc = parts.netloc.rpartition("@")[2]
    path = clean_path(parts.path, mark)
    return urlunsplit((parts.scheme, netloc, path, query, parts.fragment))


def clean_value(value: str, found: list[str], mark: str = MARK) -> str:
    """A value that as a whole is a URL, such as a database's, without what it logs in with.

    Args:
        value: any text.
        found: takes the credentials.
        mark: what represents one in the query.
    """
    at = value.find("://", 1, 32)
    if at < 0 or not ("@" in value or "=" in value) or _URL.fullmatch(value) is None:
        return value
    secrets = secrets_in_url(value)
    cleaned = clean_text(value, mark)
    if cleaned != value:
        found += secrets
    return cleaned


def clean_path(path: str, mark: str = "REDACTED") -> str:
    """The path of a base URL with `mark` for keys in it, which some gateways want there."""
    keys = keys_in_path(path)
    return "/".join(mark if part in keys else part for part in path.split("/")) if keys else path


def keys_in_path(path: str) -> list[str]:
    """The parts of a path that are keys: by their shape, or by the part before them."""
    parts = path.split("/")
    return [
        part
        for above, part in zip(["", *parts], parts, strict=False)
        if len(part) >= _SHORTEST_KEY and _is_key(above, unquote(part))
    ]


def _is_key(above: str, part: str) -> bool:
    if without_secrets(part, "") != part or _RANDOM.fullmatch(part):
        return True
    name, equals, value = part.partition("=")
    if equals:
        return is_secret_in_query(name, value, doubtful=len(value) >= _SHORTEST_KEY)
    return above.lower() in _BEFORE_KEYS and any(one.isdigit() for one in part)


def clean_text(text: str, mark: str = "REDACTED") -> str:
    """`text` with `mark` for each credential in a URL that is in it."""
    if "=" in text:
        text = _QUERY_IN_TEXT.sub(
            lambda m: f"{m[1]}={mark}" if is_secret_in_query(m[1], m[2]) else m[0], text
        )
    return _USER_IN_TEXT.sub("", text) if "@" in text else text


def secrets_in_url(url: str) -> list[str]:
    """The password, or a user that is one, and keys in the query and in the path."""
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:  # an invalid address
        return []
    found = [password or user] if user or password else []
    if user and password:
        found.append(b64encode(f"{user}:{password}".encode()).decode())
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if is_secret_in_query(unquote(name), unquote_plus(value)):
            found += [value, unquote(value), unquote_plus(value)]
    keys = keys_in_path(parts.path)
    return found + keys + [unquote(key) for key in keys]
