"""Scrubbing before anything is written: headers by allow-list, credentials, tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from urllib.request import getproxies_environment

from tracetape.cassettes.file.model import Chunk, Headers, Request, Response
from tracetape.cassettes.record.body_scrub import PLACEHOLDER, clean_body, without_pieces
from tracetape.privacy.names import is_credential_header, is_secret_in_query
from tracetape.privacy.urls import clean_text, clean_url, secrets_in_url
from tracetape.privacy.values import Secrets, known, secrets_in_headers, secrets_of, those_that_tell

__all__ = [
    "PLACEHOLDER",
    "cleaned_request",
    "cleaned_response",
    "cleaned_text",
    "credentials",
    "is_credential",
    "secrets_in_query",
]

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


def cleaned_request(
    request: Request, *, doubtful: bool = False, keep: Collection[str] = ()
) -> Request:
    """`request` with allowed headers only, and placeholders for tokens in URL and body.

    The same is done to a request that is looked for, so that it still matches.

    Args:
        request: stays as it is.
        doubtful: a ``key``, ``code`` or ``token`` in the URL is taken for a credential, whatever
            its value: the one that was recorded may have been a real one.
        keep: names of other headers to leave in, in lower case.
    """
    kind = request.header("content-type")
    # Its own only: which others the process knows is another at each run, and it must match.
    own = secrets_of(those_that_tell(_credentials(request)))
    return replace(
        request,
        url=_clean_url(request.url, doubtful=doubtful),
        headers=_allowed(request.headers, _REQUEST_HEADERS.union(keep)),
        body=own.data(clean_body(request.body, kind, []), PLACEHOLDER),
    )


def credentials(request: Request) -> Secrets:
    """Secrets that an answer must not repeat: those of its request, or of a traced client."""
    values = _credentials(request)
    for address in getproxies_environment().values():
        values += secrets_in_url(address)
    return known(those_that_tell(values))


def _credentials(request: Request) -> list[str]:
    values = [*secrets_in_headers(request.headers), *secrets_in_url(request.url)]
    clean_body(request.body, request.header("content-type"), values)
    return values


def cleaned_response(response: Response, secrets: Secrets, keep: Collection[str] = ()) -> Response:
    """`response` with allowed headers only, and placeholders for tokens and for `secrets`."""
    headers = [
        (name, _CLEANED[name](value) if name in _CLEANED else value)
        for name, value in _allowed(response.headers, _RESPONSE_HEADERS.union(keep))
    ]
    before = response.body
    body = clean_body(before, response.header("content-type"), [])
    if response.is_event_stream:
        body = without_pieces(body, secrets)
    body = secrets.data(body, PLACEHOLDER)
    headers = [(name, secrets.text(value, PLACEHOLDER)) for name, value in headers]
    chunks = response.chunks if body == before else [Chunk(body)]
    return replace(response, headers=headers, chunks=chunks)


def cleaned_text(text: str, secrets: Secrets | None = None) -> str:
    """`text` with a placeholder for each credential in a URL that stands in it, and `secrets`."""
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


def _clean_url(url: str, *, doubtful: bool = False) -> str:
    cleaned = clean_url(url, PLACEHOLDER, doubtful=doubtful)
    try:
        parts = urlsplit(cleaned)
    except ValueError:  # a server may send anything to go to
        return cleaned
    return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))


_CLEANED: dict[str, Callable[[str], str]] = {"location": _clean_url, "link": cleaned_text}
