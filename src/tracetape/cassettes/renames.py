"""Hosts as they appear on a tape that was recorded elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tracetape.cassettes.file.model import Chunk, Request, Response

__all__ = ["Renames"]


class Renames:
    """Replaces the beginnings of URLs, the longest first."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        """`pairs`: the URLs that the tape is to show, by the real ones."""
        longest_first = sorted(pairs.items(), key=lambda pair: -len(pair[0]))
        # Not where a longer port, host or path goes on.
        self._patterns = [
            (
                re.compile(re.escape(real.rstrip("/")).encode() + rb"(?![\w.-])"),
                shown.rstrip("/").encode().replace(b"\\", rb"\\"),
            )
            for real, shown in longest_first
        ]

    def request(self, request: Request) -> Request:
        """`request` as it is on the tape."""
        if not self._patterns:
            return request
        return replace(request, url=self.text(request.url), body=self._data(request.body))

    def response(self, response: Response) -> Response:
        """`response` as it is on the tape; its parts keep their times where they can."""
        if not self._patterns:
            return response
        headers = [(name, self.text(value)) for name, value in response.headers]
        chunks = [Chunk(self._data(chunk.data), chunk.delay) for chunk in response.chunks]
        whole = self._data(response.body)
        if b"".join(chunk.data for chunk in chunks) != whole:  # a host was cut into two parts
            chunks = [Chunk(whole)]
        return replace(response, headers=headers, chunks=chunks)

    def text(self, text: str) -> str:
        """`text` with each real beginning replaced."""
        return self._data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _data(self, data: bytes) -> bytes:
        for pattern, shown in self._patterns:
            data = pattern.sub(shown, data)
        return data
