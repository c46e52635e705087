"""Vector search: rows of an index, as documents."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, ClassVar

from tracetape.entities import Document, SpanType
from tracetape.instrument import (
    Extractor,
    Request,
    Result,
    failure_of_answer,
    failure_of_page,
    fields_of,
    options,
)

__all__ = ["IndexQuery", "IndexScan", "documents"]

# Names that a text column usually has, the likeliest first.
_TEXT = ("text", "content", "page_content", "chunk", "chunk_text", "chunked_text", "body")
_URI = ("doc_uri", "uri", "url", "source_uri")
_MAX_LEVELS = 100  # of a value; an index holds no deeper one
_SCORE = "score"  # the last column of a query's answer


class IndexQuery(Extractor):
    """``POST /api/2.0/vector-search/indexes/{name}/query`` and ``…/query-next-page``.

    Shapes: `databricks.sdk.service.vectorsearch.QueryVectorIndexResponse`, and Databricks' REST
    reference, "Query an index".
    """

    span_type: ClassVar[str] = SpanType.RETRIEVER

    def __init__(self, operation: str = "query") -> None:
        """A query by default."""
        self._operation = operation

    def name(self, request: Request) -> str:
        """The request as the user wrote it."""
        del request
        if self._operation == "query":
            return "vector_search_indexes.query_index"
        return "vector_search_indexes.query_next_page"

    def inputs(self, request: Request) -> Any:
        """The query with the name of the index, which the SDK puts into the path."""
        return {"index_name": index_of(request.path), **request.body}

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Name who is asked; the inputs hold the question."""
        return {}, {"provider": request.provider, "base_url": request.base_url}

    def result(self, body: Any | None) -> Result:
        """The documents; an answer of another shape stays as it is."""
        if not isinstance(body, dict):
            return Result(None, error=failure_of_page(body))
        rows = _rows(body)
        if rows is None:
            return Result(None, error=failure_of_answer(body, "manifest"))
        return Result(documents(rows))


class IndexScan(IndexQuery):
    """``POST /api/2.0/vector-search/indexes/{name}/scan``.

    Shapes: `databricks.sdk.service.vectorsearch.ScanVectorIndexResponse`, whose rows are
    protobuf's ``Struct``.
    """

    def name(self, request: Request) -> str:
        """The request as the user wrote it."""
        del request
        return "vector_search_indexes.scan_index"

    def result(self, body: Any | None) -> Result:
        """The documents; an answer of another shape stays as it is."""
        if not isinstance(body, dict):
            return Result(None, error=failure_of_page(body))
        rows = body.get("data")
        if not isinstance(rows, list) or not all(map(_is_struct, rows)):
            return Result(None, error=failure_of_answer(body, "data"))
        return Result(documents([_struct(row) for row in rows]))


def index_of(path: str) -> str:
    """The index's name in a path below ``/api/2.0/vector-search/indexes/``."""
    return path.split("/")[5]


def _rows(body: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The rows by column; None: not each value has a column of its own."""
    manifest, found = body.get("manifest"), body.get("result")
    columns = manifest.get("columns") if isinstance(manifest, dict) else None
    if not isinstance(columns, list) or not isinstance(found, (dict, NoneType)):
        return None
    names: list[Any] = [fields_of(column).get("name") for column in columns]
    rows = (found or {}).get("data_array")
    if rows is None:
        return []  # the API leaves it out where nothing was found
    if not isinstance(rows, list) or not all(isinstance(name, str) for name in names):
        return None
    if len(set(names)) < len(names):
        return None
    if not all(isinstance(row, list) and len(row) <= len(names) for row in rows):
        return None
    return [dict(zip(names, row, strict=False)) for row in rows]


def documents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by column as documents: text, id, and all else as metadata.

    The text's column is `autolog(text_column=…)` if the answer has that; else the first of the
    usual names (``text``, ``content``, …); else the column with the longest strings. The id is the
    column ``id``, else the first whose name ends in ``_id`` or ``_key``.
    """
    if not rows:
        return []
    text, key, uri = _text_column(rows), _key_column(rows[0]), _named(_URI, rows[0])
    found = []
    for row in rows:
        metadata = {name: value for name, value in row.items() if name not in (text, key)}
        if uri is not None and row.get(uri):
            metadata["doc_uri"] = row[uri]
        content = None if text is None else row.get(text)
        number = None if key is None else row.get(key)
        document = Document("" if content is None else str(content), metadata, _id(number))
        found.append(document.to_dict())
    return found


def _text_column(rows: list[dict[str, Any]]) -> str | None:
    first = rows[0]
    if options.text_column in first:
        return options.text_column
    usual = _named(_TEXT, first)
    if usual is not None:
        return usual
    lengths = {
        name: sum(len(row[name]) for row in rows if isinstance(row.get(name), str))
        for name in first
        if name not in (_SCORE, _key_column(first), _named(_URI, first))
    }
    longest = max(lengths, key=lambda name: lengths[name], default=None)
    return longest if longest is not None and lengths[longest] else None


def _key_column(row: Mapping[str, Any]) -> str | None:
    exact = _named(("id",), row)
    if exact is not None:
        return exact
    return next((name for name in row if name.lower().endswith(("_id", "_key"))), None)


def _named(names: tuple[str, ...], row: Mapping[str, Any]) -> str | None:
    columns = {name.lower(): name for name in row}
    return next((columns[name] for name in names if name in columns), None)


def _id(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # the API has floats only, and an index's keys are whole
    return None if value is None else str(value)


def _is_struct(value: Any, level: int = 0) -> bool:
    """Whether it is protobuf's ``Struct`` in JSON: fields that have each a name of its own."""
    fields = value.get("fields") if isinstance(value, dict) else 0
    if fields is None:
        return True
    if not isinstance(fields, list) or not all(isinstance(one, dict) for one in fields):
        return False
    names = [one.get("key") for one in fields]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return False
    return all(_is_value(one.get("value"), level) for one in fields)


def _is_value(value: Any, level: int) -> bool:
    """Whether it is protobuf's ``Value``: of one kind, or of none."""
    if value is None:
        return True
    if not isinstance(value, dict) or len(value) > 1 or level > _MAX_LEVELS:
        return False
    if "struct_value" in value:
        return _is_struct(value["struct_value"], level + 1)
    if "list_value" in value:
        held = value["list_value"]
        items = held.get("values") if isinstance(held, dict) else 0
        return items is None or (
            isinstance(items, list) and all(_is_value(item, level + 1) for item in items)
        )
    return True


def _struct(row: dict[str, Any]) -> dict[str, Any]:
    return {field["key"]: _value(field.get("value")) for field in row.get("fields") or ()}


def _value(value: dict[str, Any] | None) -> Any:
    for kind, held in (value or {}).items():
        if kind == "list_value":
            return [_value(item) for item in held.get("values") or ()]
        return _struct(held) if kind == "struct_value" else held
    return None
