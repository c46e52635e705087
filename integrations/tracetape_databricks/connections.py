"""`serving_endpoints.http_request`: a service behind a connection of Unity Catalog, as a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import (
    MARK,
    Call,
    Extractor,
    Request,
    Result,
    around,
    begin_call,
    clean_text,
    is_secret_in_query,
    keep_login_from_records,
    of_request,
    parsed_json,
    provider_of,
    secrets_in_url,
    those_that_tell,
)

__all__ = ["wrap_http_request"]


class HttpRequest(Extractor):
    """``POST /api/2.0/external-function``; its headers, which may hold secrets, are left out."""

    span_type: ClassVar[str] = SpanType.TOOL

    def name(self, request: Request) -> str:
        """The request as the user wrote it."""
        del request
        return "serving_endpoints.http_request"

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name who is asked; the inputs hold the question."""
        return {}, {"provider": request.provider, "base_url": request.base_url}

    def result(self, body: Any | None) -> Result:
        """The answer as it is."""
        del body
        return Result(None)


def _begin(service: Any, given: dict[str, Any]) -> Call | None:
    method = given.get("method")
    body = {
        "conn": given.get("conn"),
        "method": getattr(method, "value", method),
        "path": _path(given.get("path")),
        **{key: given[key] for key in ("json", "params") if given.get(key) is not None},
    }
    if isinstance(body.get("params"), Mapping):
        body["params"] = {
            name: MARK if is_secret_in_query(str(name), str(value)) else value
            for name, value in body["params"].items()
        }
    _, base_url = provider_of(service._api._cfg.host or "", "databricks")
    request = Request("/api/2.0/external-function", body, False, "databricks", base_url)
    call = begin_call(HttpRequest(), request, "databricks")
    if call is not None:
        given_away = of_request(given.get("headers"), given.get("params"))
        given_away += secrets_in_url(str(given.get("path") or ""))
        call.keep_from_records(those_that_tell(given_away))
    return keep_login_from_records(call, service._api._cfg)


def _path(path: Any) -> Any:
    """Without the credentials in its query."""
    if not isinstance(path, str):
        return path
    return clean_text(path, MARK)


def _answer(call: Call, response: Any) -> Any:
    del call
    content = response.content
    return parsed_json(content, content.decode(errors="replace"))


wrap_http_request = around(_begin, _answer)
