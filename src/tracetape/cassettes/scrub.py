"""Scrubbing before anything is written: headers by allow-list, credentials, tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from urllib.request import getproxies_environment

import orjson

from tracetape._json import dumps
from tracetape.cassettes.file.model import Chunk, Headers, Request, Response
from tracetape.privacy.fields import clean_fields, may_hold_credentials
from tracetape.privacy.names import is_credential_header, is_secret, is_secret_in_query
from tracetape.privacy.pieces import conceal_pieces
from tracetape.privacy.urls import clean_text, clean_url, secrets_in_url
from tracetape.privacy.values import Secrets, known, secrets_in_headers, secrets_of, those_that_tell

__all__ = [
    "PLACEHOLDER",
    "Sent",
    "is_credential",
    "named_credentials",
    "scrub_body",
    "scrubbed_request",
    "scrubbed_response",
    "scrubbed_text",
    "secrets_in_query",
]

PLACEHOLDER = "REDACTED"
_BOUNDARY = re.compile(r'(?i)boundary="?([^";,]+)')
_FIELD = re.compile(rb'(?i)\bname="([^"]*)"')
_FILE = re.compile(rb"(?i)\bfilename\*?=")
_DATA = re.compile(rb"(?m)^(data:[ \t]*)(\S[^\r\n]*)")
_REQUEST_HEADERS = {"accept", "content-type", "openai-beta", "range"}
_RESPONSE_HEADERS = {
    "content-disposition",
    "content-range",
    "content-type",
    "link",
    "location",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "served-model-name",
    "www-authenticate",
    "x-databricks-reason-phrase",
    "x-request-id",
    "x-should-retry",
}


class Sent:
    """A request that a program sends, as one cassette sees it; each form is made once, if needed.

    Attributes:
        request: as it was sent; hosts are renamed.
        key: of the scrubbed one, once it was looked for.
    """

    def __init__(self, request: Request, keep: Collection[str] = ()) -> None:
        """`keep`: names of other headers to leave in, in lower case."""
        self.request = request
        self._keep = keep
        self.key: tuple[Any, ...] | None = None
        self._scrubbed: Request | None = None
        self._values: list[str] = []

    @property
    def scrubbed(self) -> Request:
        """The request with allowed headers only, and placeholders for tokens in URL and body."""
        if self._scrubbed is None:
            self._scrubbed = self._scrub()
        return self._scrubbed

    @property
    def doubtful(self) -> Request:
        """The scrubbed one, where a ``key``, ``code`` or ``token`` in the URL is a credential.

        Whatever its value is: the one that was recorded may have been a real one.
        """
        scrubbed = self.scrubbed
        url = _scrub_url(scrubbed.url, doubtful=True)
        return scrubbed if url == scrubbed.url else replace(scrubbed, url=url)

    @property
    def secrets(self) -> Secrets:
        """Secrets that an answer must not repeat: those of the request, or of a traced client."""
        _ = self.scrubbed
        proxies = getproxies_environment().values()
        values = [*self._values, *(one for url in proxies for one in secrets_in_url(url))]
        return known(those_that_tell(values))

    def _scrub(self) -> Request:
        request = self.request
        values = [*secrets_in_headers(request.headers), *secrets_in_url(request.url)]
        body = scrub_body(request.body, request.header("content-type"), values)
        self._values = values
        # Its own only: which others the process knows is another at each run, and it must match.
        own = secrets_of(those_that_tell(values))
        return Request(
            request.method,
            _scrub_url(request.url),
            _allowed(request.headers, _REQUEST_HEADERS.union(self._keep)),
            own.data(body, PLACEHOLDER),
        )


def scrubbed_request(request: Request) -> Request:
    """`request` as a recording of it is written; the argument stays as it is."""
    return Sent(request).scrubbed


def scrubbed_response(response: Response, secrets: Secrets, keep: Collection[str] = ()) -> Response:
    """`response` with allowed headers only, and placeholders for tokens and for `secrets`."""
    headers = [
        (name, _SCRUBBED[name](value) if name in _SCRUBBED else value)
        for name, value in _allowed(response.headers, _RESPONSE_HEADERS.union(keep))
    ]
    before = response.body
    body = scrub_body(before, response.header("content-type"), [])
    if response.is_event_stream:
        body = without_pieces(body, secrets)
    body = secrets.data(body, PLACEHOLDER)
    headers = [(name, secrets.text(value, PLACEHOLDER)) for name, value in headers]
    chunks = response.chunks if body == before else [Chunk(body)]
    return replace(response, headers=headers, chunks=chunks)


def scrubbed_text(text: str, secrets: Secrets | None = None) -> str:
    """`text` with a placeholder for each credential in a URL that is in it, and `secrets`."""
    text = clean_text(text, PLACEHOLDER)
    return text if secrets is None else secrets.text(text, PLACEHOLDER)


def is_credential(header: str) -> bool:
    """Whether a header is known to hold one."""
    return is_credential_header(header)


def secrets_in_query(url: str) -> list[tuple[str, str]]:
    """The parameters of a URL that hold a credential, and their values."""
    pairs = _query(url)
    return [
        (n, value) for n, value in pairs if is_secret_in_query(n, value) and value != PLACEHOLDER
    ]


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _allowed(headers: Headers, allowed: set[str]) -> Headers:
    return [
        (name, value)
        for name, value in headers
        # A content-encoding is left only on a body that could not be decoded.
        if name in allowed or name == "content-encoding" or name.startswith("x-ratelimit-")
    ]


def _scrub_url(url: str, *, doubtful: bool = False) -> str:
    cleaned = clean_url(url, PLACEHOLDER, doubtful=doubtful)
    try:
        parts = urlsplit(cleaned)
    except ValueError:  # a server may send anything to go to
        return cleaned
    return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))


def scrub_body(body: bytes, content_type: str, found: list[str]) -> bytes:
    """`body` with placeholders for credentials, which go into `found`; else byte for byte."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _scrub_form(body, found)
    if kind.startswith("multipart/"):
        boundary = _BOUNDARY.search(content_type)
        return _scrub_parts(body, boundary[1].strip().encode(), found) if boundary else body
    if not may_hold_credentials(body):
        return body
    if kind == "text/event-stream":
        return _DATA.sub(lambda data: data[1] + _scrub_json(data[2], found), body)
    cleaned = _scrub_json(body, found)
    if cleaned == body and b"\n" in body.strip():  # JSON by lines
        lines = body.splitlines(keepends=True)
        cleaned = b"".join(_scrub_line(line, found) for line in lines)
    return cleaned


def without_pieces(body: bytes, secrets: Secrets) -> bytes:
    """An event stream without the secrets that several of its events have parts of."""
    if not secrets:
        return body
    events = [_parsed(data[2]) for data in _DATA.finditer(body)]
    if not conceal_pieces([[event] for event in events], secrets, PLACEHOLDER):
        return body
    rest = iter(events)

    def written(data: re.Match[bytes]) -> bytes:
        event = next(rest)
        return data[0] if event is None else data[1] + dumps(event)

    return _DATA.sub(written, body)


def named_credentials(body: bytes, content_type: str) -> Iterator[tuple[str, str]]:
    """The fields that `scrub_body` would replace: path and value of each."""
    kind = content_type.partition(";")[0].strip().lower()
    pairs: Iterable[tuple[str, str]] = ()
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    elif kind.startswith("multipart/"):
        boundary = _BOUNDARY.search(content_type)
        parts = body.split(b"--" + boundary[1].strip().encode()) if boundary else []
        pairs = [field for part in parts if (field := _field_of(part)) is not None]
    elif kind == "text/event-stream":
        for data in _DATA.finditer(body):
            yield from _replaced(_parsed(data[2]))
    else:
        value = _parsed(body)
        lines = body.splitlines() if value is None else ()
        for one in (value, *map(_parsed, lines)):
            yield from _replaced(one)
    for name, text in pairs:
        if _scrub_value(name, text, []) != text:
            yield name, text


def _replaced(value: Any) -> Iterator[tuple[str, str]]:
    try:
        yield from _differences(value, clean_fields(value, [], PLACEHOLDER), "")
    except RecursionError:
        return


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, str]]:
    if before is after:
        return
    if isinstance(before, dict):
        for key, item in before.items():
            yield from _differences(item, after[key], f"{path}.{key}" if path else key)
    elif isinstance(before, list):
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{path}[{at}]")
    elif before != after:
        yield path, str(before)


def _scrub_json(data: bytes, found: list[str]) -> bytes:
    if data.lstrip()[:1] not in (b"{", b"["):
        return data
    value = _parsed(data)
    try:
        cleaned = clean_fields(value, found, PLACEHOLDER)
    except RecursionError:
        return data
    return data if cleaned == value else dumps(cleaned)


def _scrub_line(line: bytes, found: list[str]) -> bytes:
    text = line.rstrip(b"\r\n")
    return _scrub_json(text, found) + line[len(text) :]


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _scrub_form(body: bytes, found: list[str]) -> bytes:
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    kept = [(name, _scrub_value(name, value, found)) for name, value in pairs]
    return body if kept == pairs else urlencode(kept).encode()


def _scrub_value(name: str, value: str, found: list[str]) -> str:
    words = [word for word in re.split(r"[\[\].]+", name) if word]  # "auth[token]", "auth.token"
    last, above = words[-1:] or [""], words[-2:-1] or [""]
    if value and (is_secret(name, value) or is_secret(last[0], value, above[0])):
        found.append(value)
        return PLACEHOLDER
    if value[:1] in ("{", "["):
        return _scrub_json(value.encode(), found).decode("utf-8", "replace")
    return value


def _scrub_parts(body: bytes, boundary: bytes, found: list[str]) -> bytes:
    """A form of parts; files stay as they are."""
    mark = b"--" + boundary
    return mark.join(_scrub_part(part, found) for part in body.split(mark))


def _scrub_part(part: bytes, found: list[str]) -> bytes:
    field = _field_of(part)
    if field is None:
        return part
    cleaned = _scrub_value(*field, found)
    head, blank, _ = part.partition(b"\r\n\r\n")
    return part if cleaned == field[1] else head + blank + cleaned.encode() + b"\r\n"


def _field_of(part: bytes) -> tuple[str, str] | None:
    """Name and value of a part of a form; None if it is a file, or no text."""
    head, blank, content = part.partition(b"\r\n\r\n")
    name = _FIELD.search(head)
    if not blank or name is None or _FILE.search(head):
        return None
    try:
        return name[1].decode("utf-8", "replace"), content.removesuffix(b"\r\n").decode()
    except UnicodeDecodeError:
        return None


_SCRUBBED: dict[str, Callable[[str], str]] = {"location": _scrub_url, "link": scrubbed_text}
