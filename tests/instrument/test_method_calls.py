"""A library without a template: each of its methods that is one call is wrapped by `around`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import tracetape
from tracetape.entities import SpanStatusCode, SpanType
from tracetape.instrument import (
    Extractor,
    Integration,
    Request,
    Result,
    Target,
    around,
    around_async,
    begin_call,
    register,
    third_party,
)
from tracetape.testing import CapturedTraces


class Search(Extractor):
    """Reads a search."""

    resource = "Search"
    span_type = SpanType.RETRIEVER

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """The number of results as an attribute."""
        return {"limit": request.body.get("limit")}, {"provider": request.provider}

    def result(self, body: Any | None) -> Result:
        """All there is."""
        return Result(body)


class Client:
    """A library's own."""

    def search(self, query: str, limit: int = 3) -> list[str]:
        """Find something."""
        if not query:
            raise ValueError("an empty query")
        return [query] * limit

    async def search_async(self, query: str, limit: int = 3) -> list[str]:
        """Find something, asynchronously."""
        return self.search(query, limit)


def begin(client: Any, arguments: dict[str, Any]) -> Any:
    """As the page on integrations shows it."""
    del client
    if arguments.get("query") == "odd":
        raise RuntimeError("a fault of the integration")
    request = Request("/search", arguments, False, "acme", "https://acme.test")
    return begin_call(Search(), request, "acme")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Of a library whose integration is registered."""
    fresh = third_party.ThirdParty()
    monkeypatch.setattr(tracetape.instrument.registry, "third_party", fresh)
    module = ModuleType("acme_library")
    kind = type("Client", (), {name: vars(Client)[name] for name in ("search", "search_async")})
    module.Client = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "acme_library", module)
    targets = (
        Target("acme_library", "Client", "search", around(begin)),
        Target("acme_library", "Client", "search_async", around_async(begin)),
    )
    register(Integration("acme", "acme_library", "pip install acme", targets))
    tracetape.autolog()
    made: Client = kind()
    yield made
    tracetape.autolog(disable=True)


def test_a_call_is_one_span(traces: CapturedTraces, client: Client) -> None:
    """With what was asked, by name, and what came."""
    assert client.search("cats", 2) == ["cats", "cats"]
    (trace,) = traces
    (span,) = trace.data.spans
    assert (span.name, span.span_type, span.provider) == ("Search", "RETRIEVER", "acme")
    assert (span.inputs, span.outputs) == ({"query": "cats", "limit": 2}, ["cats", "cats"])


async def test_a_coroutine_function_too(traces: CapturedTraces, client: Client) -> None:
    """And what it calls is a part of it."""
    assert await client.search_async("cats") == ["cats"] * 3
    (trace,) = traces
    assert len(trace.data.spans) == 1


def test_an_exception_of_the_library_is_the_spans(traces: CapturedTraces, client: Client) -> None:
    """And the program's, unchanged."""
    with pytest.raises(ValueError, match="an empty query"):
        client.search("")
    (trace,) = traces
    assert trace.data.spans[0].status.status_code is SpanStatusCode.ERROR


def test_a_fault_of_the_integration_never_reaches_the_program(
    traces: CapturedTraces, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is made, without a span."""
    monkeypatch.delenv("TRACETAPE_RAISE_INTERNAL_ERRORS", raising=False)
    assert client.search("odd") == ["odd"] * 3
    assert not list(traces)
