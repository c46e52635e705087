"""Embeddings."""

from __future__ import annotations

from typing import Any, ClassVar

from tracetape.entities import SpanType
from tracetape.instrument import Request, Result, failure_of_answer, failure_of_page, options
from tracetape_openai.model_calls import ModelCall, answer_fields

__all__ = ["Embeddings"]


class Embeddings(ModelCall):
    """``POST /embeddings``; of the vectors their count and dimension, unless all is asked for."""

    resource: ClassVar[str] = "Embeddings"
    span_type: ClassVar[str] = SpanType.EMBEDDING

    def inputs(self, request: Request) -> Any:
        """Without ``encoding_format: base64``, which the SDK adds and takes off again itself."""
        return _without_encoding(request.body)

    def request(self, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parameters as attributes."""
        attributes, fields = super().request(request)
        return _without_encoding(attributes), fields

    def condensed(self, answer: Any) -> Any:
        """The answer without its vectors: writing millions of numbers as JSON takes seconds."""
        if options.vectors or not isinstance(getattr(answer, "data", None), list):
            return answer
        said = dict(vars(answer), **(getattr(answer, "model_extra", None) or {}))
        return {
            key: value
            for key, value in {**said, "data": _summary(answer.data)}.items()
            if not key.startswith("_")
        }

    def result(self, body: Any | None) -> Result:
        """The model and its usage."""
        if not isinstance(body, dict):
            return Result(None, error=failure_of_page(body))
        fields, failure = answer_fields(body), failure_of_answer(body, "data")
        if options.vectors or not isinstance(body.get("data"), list):
            return Result(None, fields, failure)
        return Result({**body, "data": _summary(body["data"])}, fields, failure)


def _without_encoding(body: Any) -> dict[str, Any]:
    return {
        key: value
        for key, value in body.items()
        if not (key == "encoding_format" and value == "base64")
    }


def _summary(data: list[Any]) -> dict[str, Any]:
    """Count and dimension of vectors: lists of numbers, or their 32-bit floats in base64."""
    summary: dict[str, Any] = {"count": len(data)}
    first = data[0] if data else None
    vector = first.get("embedding") if isinstance(first, dict) else getattr(first, "embedding", 0)
    if isinstance(vector, list):
        summary["dimension"] = len(vector)
    elif isinstance(vector, str):
        summary["dimension"] = int(len(vector.rstrip("=")) * 3 / 4 / 4)
    return summary
