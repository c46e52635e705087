"""What must never stand on a tape: headers by allow-list, key-shaped text, tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import orjson

from tracetape.cassettes.interaction import Chunk, Headers, Interaction, Request, Response

__all__ = ["PLACEHOLDER", "cleaned_request", "cleaned_response", "findings"]

PLACEHOLDER = "REDACTED"
_REQUEST_HEADERS = {"accept", "content-type", "openai-beta"}
_RESPONSE_HEADERS = {
    "content-type",
    "content-disposition",
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
_TOKEN_FIELDS = {
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "client_assertion",
    "assertion",
    "subject_token",
}
_SECRET_QUERY = {"api-key", "api_key", "apikey", "key", "token", "access_token", "sig", "code"}
_SHAPES = {
    "an OpenAI key": r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}",
    "an Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    "a Databricks token": r"\bdapi[0-9a-f]{32}(?:-\d)?\b",
    "an AWS key id": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a Google key": r"\bAIza[0-9A-Za-z_-]{35}",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{50,})",
    "an Azure key": r"(?i)\bAccountKey=[A-Za-z0-9+/=]{40,}",
    "a JSON Web Token": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a bearer token": r"(?i)\bbearer [A-Za-z0-9._~+/-]{20,}",
}
_PATTERNS = {name: re.compile(shape) for name, shape in _SHAPES.items()}


def cleaned_request(request: Request) -> Request:
    """`request` with allowed headers only, and placeholders for tokens in URL and body.

    The same is done to a request that is looked for, so that it still matches.
    """
    return replace(
        request,
        url=_clean_url(request.url),
        headers=_allowed(request.headers, _REQUEST_HEADERS),
        body=_clean_body(request.body, request.header("content-type")),
    )


def cleaned_response(response: Response) -> Response:
    """`response` with allowed headers only, and placeholders for a token endpoint's tokens."""
    headers = [
        (name, _clean_url(value) if name == "location" else value)
        for name, value in _allowed(response.headers, _RESPONSE_HEADERS)
    ]
    body = _clean_body(response.body, response.header("content-type"))
    chunks = response.chunks if body == response.body else [Chunk(body)]
    return replace(response, headers=headers, chunks=chunks)


def findings(interaction: Interaction) -> list[str]:
    """Which kinds of secrets stand where; never the secret itself."""
    places = {
        "the URL": interaction.request.url,
        "the request's body": interaction.request.body.decode("utf-8", "replace"),
    }
    for name, value in interaction.request.headers:
        places[f"the request's header {name}"] = value
    if interaction.response is not None:
        places["the response's body"] = interaction.response.body.decode("utf-8", "replace")
        for name, value in interaction.response.headers:
            places[f"the response's header {name}"] = value
    return [
        f"{kind} in {place}"
        for place, text in places.items()
        for kind, pattern in _PATTERNS.items()
        if pattern.search(text)
    ]


def _allowed(headers: Headers, allowed: set[str]) -> Headers:
    return [
        (name, value)
        for name, value in headers
        if name in allowed or name.startswith("x-ratelimit-")
    ]


def _clean_url(url: str) -> str:
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    query = parts.query
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(name.lower() in _SECRET_QUERY for name, _ in pairs):
        query = urlencode([(k, PLACEHOLDER if k.lower() in _SECRET_QUERY else v) for k, v in pairs])
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _clean_body(body: bytes, content_type: str) -> bytes:
    if not any(field.encode() in body for field in _TOKEN_FIELDS):
        return body
    if "x-www-form-urlencoded" in content_type:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        return urlencode([(k, PLACEHOLDER if k in _TOKEN_FIELDS else v) for k, v in pairs]).encode()
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    cleaned = _clean_json(value)
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
