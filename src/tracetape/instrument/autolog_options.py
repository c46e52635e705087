"""Options of `autolog`; seams and extractors read them at each call."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Options", "options"]


class Options:
    """Defaults; `autolog` describes each.

    Attributes:
        all_requests: also trace calls that ask no model, such as listing files.
        stream_usage: ask for the usage of streams, and hide the chunk that brings it.
        chunk_events: an event of the span for each streamed chunk.
        propagate: send a ``traceparent`` header.
        vectors: keep the vectors of embeddings whole.
        capture: how much of the spans is kept, by integration; ``*`` is each that is not named.
        text_column: which column of a vector index holds the documents' text.
    """

    def __init__(self) -> None:
        """The defaults."""
        self.all_requests = False
        self.stream_usage = False
        self.chunk_events = False
        self.propagate = True
        self.vectors = False
        self.text_column: str | None = None
        self.capture: Mapping[str, str] = {}

    def capture_of(self, integration: str) -> str | None:
        """How much is kept of the spans of an integration; None: as of all."""
        return self.capture.get(integration, self.capture.get("*"))


options = Options()
