"""`ApiClient.do`: the method that every call of databricks-sdk passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from tracetape.instrument import (
    Call,
    Extractor,
    Request,
    around,
    begin_call,
    call_watched,
    current_call,
    keep_login_from_records,
    loading,
    perf_counter_ns,
    provider_of,
)
from tracetape_databricks.retrieval import IndexQuery, IndexScan
from tracetape_databricks.serving import SERVED_MODEL, extractor_of

__all__ = ["wrap_attempt", "wrap_do", "wrap_send"]

# When an attempt of a call failed that may be followed by another.
_refused_at: WeakKeyDictionary[Call, int] = WeakKeyDictionary()

# `databricks.sdk.service.serving` and `.vectorsearch`; a data plane's URL ends in the same way.
_INVOCATION = re.compile(r"/serving-endpoints/[^/]+/invocations/?$")
_SEARCH = re.compile(r"^/api/2\.0/vector-search/indexes/[^/]+/(query|query-next-page|scan)$")


def _begin(client: Any, given: dict[str, Any]) -> Call | None:
    # `raw` answers are read by whoever asked for them: MLflow, `http_request`.
    if given.get("method") != "POST" or given.get("raw"):
        return None
    url, path = given.get("url"), given.get("path")
    where = url if url is not None else path
    body = given.get("body")
    if not isinstance(body, dict) or not isinstance(where, str):
        return None
    found = _extractor(where, body, given.get("response_headers"))
    if found is None:
        return None
    extractor, path = found
    base = url.removesuffix(path) if url is not None else client._cfg.host
    # Whatever the host is called, who speaks this API is Databricks.
    _, base_url = provider_of(base or "", "databricks")
    request = Request(path, body, False, "databricks", base_url)
    call = begin_call(extractor, request, "databricks")
    return keep_login_from_records(call, client._cfg)


def _extractor(
    where: str, body: dict[str, Any], response_headers: Any
) -> tuple[Extractor, str] | None:
    """The extractor and the path of a call that is traced, or None."""
    invocation = _INVOCATION.search(where)
    if invocation is not None:
        return extractor_of(body), invocation.group()
    if response_headers and SERVED_MODEL in response_headers:
        return extractor_of(body), ""  # a data plane's URL, which is the workspace's to choose
    search = _SEARCH.match(where)
    if search is None:
        return None
    operation = search.group(1)
    return (IndexScan() if operation == "scan" else IndexQuery(operation)), where


def _answer(call: Call, result: Any) -> Any:
    # The SDK adds the headers that it was asked for, or None for each; they are not an answer. The
    # model served it that the answer names, or else the header.
    if isinstance(result, dict) and SERVED_MODEL in result:
        if result[SERVED_MODEL]:
            call.add_fields({"model": result[SERVED_MODEL]})
        return {key: value for key, value in result.items() if key != SERVED_MODEL}
    return result


wrap_do = around(_begin, _answer)


def wrap_attempt(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    """`_BaseClient._perform`, one attempt: a second one of the same call is a retry."""

    def attempt(client: Any, *args: Any, **kwargs: Any) -> Any:
        call = current_call()
        if call is None or not is_on():
            return original(client, *args, **kwargs)
        refused = _refused_at.pop(call, None) if _refused_at else None  # mostly it is empty
        if refused is not None:
            call.retried((perf_counter_ns() - refused) / 1e9)
        return call_watched(original, partial(_refuse, call), client, *args, **kwargs)

    return attempt


def wrap_send(original: Callable[..., Any], is_on: Callable[[], bool]) -> Callable[..., Any]:
    """`requests.Session.send`: within a call of tracetape it tells what that logs in with."""

    def send(*args: Any, **kwargs: Any) -> Any:
        call = current_call()
        if call is not None and is_on():
            request = args[1] if len(args) > 1 else kwargs.get("request")
            if request is not None:
                call.sends(request)
        return original(*args, **kwargs)

    return send


def _refuse(call: Call, exception: BaseException) -> None:
    if isinstance(exception, Exception):
        code = _status_code(exception)
        if code is not None:
            call.refused(code)
        _refused_at[call] = perf_counter_ns()


def _status_code(exception: Exception) -> int | None:
    """The HTTP status that the SDK made this exception of, if it is one of those it has."""
    with loading:
        from databricks.sdk.errors.platform import STATUS_CODE_MAPPING

    for code, kind in STATUS_CODE_MAPPING.items():
        if isinstance(exception, kind):
            return code
    return None
