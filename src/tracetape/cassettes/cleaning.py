"""What is left out before anything is written: headers by allow-list, credentials, tokens."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from tracetape.cassettes.interaction import Chunk, Headers, Request, Response

__all__ = [
    "PLACEHOLDER",
    "cleaned_request",
    "cleaned_response",
    "cleaned_text",
    "credentials",
    "is_credential",
    "secret_query_names",
]

PLACEHOLDER = "REDACTED"
_TELLING = 8  # shorter values may stand in any text
# Nobody keeps them; they are named to find them where they are sent back, or on others' tapes.
_CREDENTIALS = re.compile(
    r"(?:proxy-)?authorization|(?:set-)?cookie|(?:x-|x-goog-|xi-)?api-key|x-amz-security-token"
    r"|openai-(?:organization|project)|chatgpt-account-id"
)
_REQUEST_HEADERS = {"accept", "content-type", "openai-beta", "range"}
_RESPONSE_HEADERS = {
    "content-disposition",
    "content-range",
    "content-type",
    "location",
    "openai-processing-ms",
    "openai-version",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "served-model-name",
    "x-databricks-reason-phrase",
    "x-request-id",
    "x-should-retry",
}
# OAuth's names (RFC 6749, 7521 and 8693).
_TOKEN_FIELDS = {
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "client_assertion",
    "assertion",
    "subject_token",
    "code_verifier",
}
_FORM_FIELDS = _TOKEN_FIELDS | {"password"}  # of OAuth's password grant (RFC 6749, 4.3)
_TOKEN_BYTES = [field.encode() for field in sorted(_FORM_FIELDS)]
_SECRET_QUERY = _TOKEN_FIELDS | {
    "api-key",
    "api_key",
    "apikey",
    "password",
    "sig",
    "signature",
    "subscription-key",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
}

# Names of credentials and of much else: there the value tells.
_DOUBTFUL_QUERY = {"code", "key", "token"}
_CREDENTIAL = re.compile(r"(?=.*\d)(?=.*[A-Za-z])\S{16,}")
_QUERY_IN_TEXT = re.compile(r"(?<=[?&])([^=&#\s\"'<>]+)=([^&#\s\"'<>)]+)")


def cleaned_request(request: Request, *, doubtful: bool = False) -> Request:
    """`request` with allowed headers only, and placeholders for tokens in URL and body.

    The same is done to a request that is looked for, so that it still matches.

    Args:
        request: stays as it is.
        doubtful: a ``key``, ``code`` or ``token`` in the URL is taken for a credential, whatever
            its value: the one that was recorded may have been a real one.
    """
    return replace(
        request,
        url=_clean_url(request.url, doubtful=doubtful),
        headers=_allowed(request.headers, _REQUEST_HEADERS),
        body=_clean_body(request.body, request.header("content-type")),
    )


def credentials(request: Request) -> list[bytes]:
    """What a request logs in with: a server may send it back."""
    values = [value.rpartition(" ")[2] for name, value in request.headers if is_credential(name)]
    values += [value for name, value in _query(request.url) if _is_secret(name, value)]
    return [value.encode() for value in values if len(value) >= _TELLING]


def cleaned_response(response: Response, secrets: Collection[bytes]) -> Response:
    """`response` with allowed headers only, and placeholders for tokens and for `secrets`."""
    headers = [
        (name, _clean_url(value) if name == "location" else value)
        for name, value in _allowed(response.headers, _RESPONSE_HEADERS)
    ]
    before = response.body
    body = _clean_body(before, response.header("content-type"))
    for secret in secrets:
        body = body.replace(secret, PLACEHOLDER.encode())
    chunks = response.chunks if body == before else [Chunk(body)]
    return replace(response, headers=headers, chunks=chunks)


def cleaned_text(text: str) -> str:
    """`text` with a placeholder for each credential in a URL that stands in it."""
    return _QUERY_IN_TEXT.sub(
        lambda found: f"{found[1]}={PLACEHOLDER}" if _is_secret(found[1], found[2]) else found[0],
        text,
    )


def is_credential(header: str) -> bool:
    """Whether a header is known to hold one."""
    return _CREDENTIALS.fullmatch(header) is not None


def secret_query_names(url: str) -> list[str]:
    """The parameters of a URL that hold a credential."""
    return [n for n, value in _query(url) if _is_secret(n, value) and value != PLACEHOLDER]


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _is_secret(name: str, value: str) -> bool:
    name = name.lower()
    if name in _DOUBTFUL_QUERY:
        return _CREDENTIAL.fullmatch(value) is not None
    return name in _SECRET_QUERY


def _allowed(headers: Headers, allowed: set[str]) -> Headers:
    return [
        (name, value)
        for name, value in headers
        # A content-encoding is left only on a body that could not be decoded.
        if name in allowed or name == "content-encoding" or name.startswith("x-ratelimit-")
    ]


def _clean_url(url: str, *, doubtful: bool = False) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    query = parts.query
    pairs = _query(url)
    kept = [
        (name, PLACEHOLDER)
        if _is_secret(name, value) or (doubtful and name.lower() in _DOUBTFUL_QUERY)
        else (name, value)
        for name, value in pairs
    ]
    if kept != pairs:
        query = urlencode(kept)
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _clean_body(body: bytes, content_type: str) -> bytes:
    if not any(field in body for field in _TOKEN_BYTES):
        return body
    if "x-www-form-urlencoded" in content_type:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return urlencode([(k, PLACEHOLDER if k in _FORM_FIELDS else v) for k, v in pairs]).encode()
    try:
        value = orjson.loads(body)
        cleaned = _clean_json(value)
    except (orjson.JSONDecodeError, RecursionError):  # no answer of a token endpoint
        return body
    return body if cleaned == value else orjson.dumps(cleaned)


def _clean_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: PLACEHOLDER
            if key in _TOKEN_FIELDS and isinstance(item, str)
            else _clean_json(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_clean_json(item) for item in value]
    return value
