"""A small vector index of a loopback workspace: embeddings of the real model, in DuckDB."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

import duckdb

NAME = "main.docs.tape_index"
SHELF = (
    ("1", "The tape deck was invented in 1935 in Berlin.", "history.md"),
    ("2", "A cassette holds two miniature spools of tape.", "parts.md"),
    ("3", "A tape is rewound by turning the left spool.", "use.md"),
)


class VectorIndex:
    """Embeds its documents with the first query, and keeps them in DuckDB, in memory."""

    def __init__(self, model_port: int) -> None:
        self._model_port = model_port
        self._lock = threading.Lock()  # the front has a thread per connection
        self._database: duckdb.DuckDBPyConnection | None = None

    def query(self, asked: dict[str, Any]) -> dict[str, Any]:
        """As `databricks.sdk.service.vectorsearch.QueryVectorIndexResponse` has it."""
        (wanted,) = self._embedded([asked["query_text"]])
        columns = [*asked["columns"], "score"]
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        with self._lock:
            rows = self._filled().execute(
                "SELECT " + names + " FROM (SELECT *, round("
                "array_cosine_similarity(embedding, $wanted::FLOAT[" + str(len(wanted)) + "])"
                "::DOUBLE, 6) AS score FROM shelf) ORDER BY score DESC LIMIT $count",
                {"wanted": wanted, "count": asked.get("num_results", 10)},
            )
            found = [list(row) for row in rows.fetchall()]
        return {
            "manifest": {
                "column_count": len(columns),
                "columns": [{"name": name} for name in columns],
            },
            "result": {"row_count": len(found), "data_array": found},
        }

    def _filled(self) -> duckdb.DuckDBPyConnection:
        if self._database is None:
            vectors = self._embedded([text for _, text, _ in SHELF])
            database = duckdb.connect(":memory:")
            database.execute(
                "CREATE TABLE shelf (id VARCHAR, text VARCHAR, url VARCHAR, "
                "embedding FLOAT[" + str(len(vectors[0])) + "])"
            )
            rows = [(*row, vector) for row, vector in zip(SHELF, vectors, strict=True)]
            database.executemany("INSERT INTO shelf VALUES (?, ?, ?, ?)", rows)
            self._database = database
        return self._database

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._model_port)
        try:
            body = json.dumps({"model": "gemma3-270m", "input": texts})
            connection.request("POST", "/v1/embeddings", body)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return [item["embedding"] for item in answer["data"]]
