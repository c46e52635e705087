"""A small vector index of a loopback workspace: embeddings of the real model, cosine distance."""

from __future__ import annotations

import http.client
import json
import math
from typing import Any

NAME = "main.docs.tape_index"
SHELF = (
    ("1", "The tape deck was invented in 1935 in Berlin.", "history.md"),
    ("2", "A cassette holds two miniature spools of tape.", "parts.md"),
    ("3", "A tape is rewound by turning the left spool.", "use.md"),
)
COLUMNS = ("id", "text", "url")


class VectorIndex:
    """Embeds its documents with the first query."""

    def __init__(self, model_port: int) -> None:
        self._model_port = model_port
        self._vectors: list[list[float]] = []

    def query(self, asked: dict[str, Any]) -> dict[str, Any]:
        """As `databricks.sdk.service.vectorsearch.QueryVectorIndexResponse` has it."""
        if not self._vectors:
            self._vectors = self._embedded([text for _, text, _ in SHELF])
        (wanted,) = self._embedded([asked["query_text"]])
        scored = [
            [*(dict(zip(COLUMNS, row, strict=True))[name] for name in asked["columns"]), score]
            for row, score in zip(SHELF, (cosine(wanted, v) for v in self._vectors), strict=True)
        ]
        rows = sorted(scored, key=lambda row: -row[-1])[: asked.get("num_results", 10)]
        columns = [{"name": name} for name in (*asked["columns"], "score")]
        return {
            "manifest": {"column_count": len(columns), "columns": columns},
            "result": {"row_count": len(rows), "data_array": rows},
        }

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._model_port)
        try:
            body = json.dumps({"model": "gemma3-270m", "input": texts})
            connection.request("POST", "/v1/embeddings", body)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return [item["embedding"] for item in answer["data"]]


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return round(product / (math.hypot(*one) * math.hypot(*other)), 6)
