"""Credentials in the fields of JSON, replaced by a mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tracetape.privacy.names import MARK, is_secret
from tracetape.privacy.shapes import may_have_shapes, without_secrets
from tracetape.privacy.urls import clean_url, secrets_in_url

__all__ = ["clean_fields", "may_hold_credentials"]

# How the names of credentials end, in JSON.
_ENDS = tuple(
    f'{end}"'.encode()
    for end in (
        *("key", "token", "auth", "authorization", "secret", "password", "passwd", "passphrase"),
        *("cookie", "cookies", "assertion", "verifier", "credential", "credentials", "pat", "jwt"),
        *("bearer", "passcode", "connection_string", "connectionstring", "server_url", "base_url"),
        *("mcp_servers", "headers", "authentication"),
    )
)
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
_URLS = frozenset({"server_url", "base_url"})


_Shaped: TypeAlias = "Callable[[str, str], str] | None"


def may_hold_credentials(data: bytes) -> bool:
    """A quick look, on the way of every call: whether JSON may have such a field or value."""
    data = data.lower()
    return any(end in data for end in _ENDS) or may_have_shapes(data)


def clean_fields(value: Any, found: list[str], mark: str = MARK, *, shapes: bool = False) -> Any:
    """JSON values with `mark` for credentials; what users and models say stays as it is.

    Args:
        value: stays as it is.
        found: takes the credentials.
        mark: what stands for them.
        shapes: whether values of any name are looked at, too.
    """
    return _walk(value, "", found, mark, without_secrets if shapes else None)


def _walk(value: Any, above: str, found: list[str], mark: str, shaped: _Shaped) -> Any:
    if isinstance(value, dict):
        return {key: _field(key, item, above, found, mark, shaped) for key, item in value.items()}
    if isinstance(value, list):
        if value and type(value[0]) in (float, int):  # a vector
            return value
        return [_walk(item, above, found, mark, shaped) for item in value]
    return shaped(value, mark) if shaped and isinstance(value, str) else value


def _field(key: str, value: Any, above: str, found: list[str], mark: str, shaped: _Shaped) -> Any:
    if above in _NAMED_BY_USERS:
        return _walk(value, "", found, mark, shaped)
    if key in _CONTENT:
        return value
    if isinstance(value, str):
        if value and value != mark and is_secret(key, value, above):
            found.append(value)
            return mark
        if key in _URLS or (key == "url" and above == "mcp_servers"):
            found += secrets_in_url(value)
            return clean_url(value)
        return shaped(value, mark) if shaped else value
    if isinstance(value, (dict, list)):
        is_server = key == "headers"
        if is_server or (is_secret(key, "") and not _is_schema(value)):
            return _hidden(value, found, mark)
    return _walk(value, key, found, mark, shaped)


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
