"""`similarity_search` of databricks-ai-search, once databricks-vectorsearch: its own client."""

from __future__ import annotations

from typing import Any

from tracetape.instrument import (
    Call,
    Request,
    around,
    around_async,
    begin_call,
    is_installed,
    keep_login_from_records,
    provider_of,
)
from tracetape_databricks.retrieval import IndexQuery

__all__ = ["search_classes", "wrap_search", "wrap_search_async"]


def search_classes() -> tuple[tuple[str, str], tuple[str, str]]:
    """Module and class of an index, and of an async one.

    A newer ``databricks.vector_search`` (0.81 is one) only gives out the classes of
    ``databricks.ai_search``; patching both names would wrap one method twice.
    """
    package, name = "databricks.vector_search", "VectorSearchIndex"
    if is_installed("databricks.ai_search"):
        package, name = "databricks.ai_search", "AISearchIndex"
    return (f"{package}.index", name), (f"{package}.async_index", f"Async{name}")


class SimilaritySearch(IndexQuery):
    """A search through an index object, all of whose pages are one answer."""

    def name(self, request: Request) -> str:
        """The method, and that of an async index as in MLflow."""
        resource = "AsyncVectorSearchIndex" if request.is_async else "VectorSearchIndex"
        return f"{resource}.similarity_search"

    def inputs(self, request: Request) -> Any:
        """As given, with the name of the index."""
        return dict(request.body)


def _begin(index: Any, given: dict[str, Any], *, is_async: bool) -> Call | None:
    body = {"index_name": index.name, **{k: v for k, v in given.items() if not k.startswith("_")}}
    reranker = body.get("reranker")
    if reranker is not None:
        columns = getattr(reranker, "columns_to_rerank", None)
        body["reranker"] = {"model": type(reranker).__name__, "columns_to_rerank": columns}
    _, base_url = provider_of(getattr(index, "workspace_url", None) or "", "databricks")
    path = f"/api/2.0/vector-search/indexes/{index.name}/query"
    request = Request(path, body, is_async, "databricks", base_url)
    call = begin_call(SimilaritySearch(), request, "databricks")
    return keep_login_from_records(call, index)


wrap_search = around(lambda index, given: _begin(index, given, is_async=False))
wrap_search_async = around_async(lambda index, given: _begin(index, given, is_async=True))
