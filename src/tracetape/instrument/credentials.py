"""Credentials that stand among what is asked, and are never recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["REDACTED", "is_credential", "without_credentials"]

REDACTED = "[REDACTED]"
_NAME = re.compile(
    r"(?:.*[_-])?(?:api[_-]?key|access[_-]?key|(?:access|auth|authorization|bearer|refresh)[_-]?token"
    r"|authorization|password|passwd|secret|client[_-]?secret|sig|signature)",
    re.IGNORECASE,
)
# OpenAI's tools of type "mcp" ("headers", "authorization"), and Anthropic's "mcp_servers".
_LISTS = ("tools", "mcp_servers")
_SERVERS = frozenset({"mcp", "url"})


def is_credential(name: str) -> bool:
    """Whether a parameter of this name holds one."""
    return _NAME.fullmatch(name) is not None


def without_credentials(body: dict[str, Any]) -> dict[str, Any]:
    """`body`, or a copy with a placeholder for an API key and for those of MCP servers."""
    if "api_key" in body:
        body = {**body, "api_key": REDACTED}
    for key in _LISTS:
        items = body.get(key)
        if isinstance(items, (list, tuple)) and any(map(_is_server, items)):
            body = {**body, key: [_server(item) if _is_server(item) else item for item in items]}
    return body


def _is_server(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") in _SERVERS


def _server(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _hidden(key, value) for key, value in item.items()}


def _hidden(key: str, value: Any) -> Any:
    if key == "headers" and isinstance(value, Mapping):
        return dict.fromkeys(value, REDACTED)
    return REDACTED if is_credential(key) and value else value
