"""Streams as a worse network would give them: other parts, and a break."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise

from tracetape.cassettes.interaction import Chunk, Interaction, RecordedError

__all__ = ["Altering"]

_EVENT = re.compile(rb".+?(?:\r?\n\r?\n|\Z)", re.DOTALL)
_LONG = 24  # bytes of a part, on average


class Altering:
    """Changes what is replayed; the tape stays as it is."""

    def __init__(self, rechunk: int | None, cut_after: int | None) -> None:
        """Arguments as of `cassette`, which has checked them."""
        self._seed, self._length = rechunk, cut_after

    def altered(self, interaction: Interaction) -> Interaction:
        """What to replay in the place of a recording."""
        response = interaction.response
        if response is None or (self._seed is None and self._length is None):
            return interaction
        error = interaction.error
        if self._length is not None and response.is_event_stream:
            parts = _parts(response.chunks)
            if len(parts) > self._length:
                response = replace(response, chunks=parts[: self._length], cut=True)
                error = RecordedError(
                    "ReadError", f"cut after {self._length} chunks by cassette(cut_after=…)"
                )
        if self._seed is not None:
            response = replace(response, chunks=_rechunked(response.chunks, self._seed))
        return Interaction(interaction.request, response, error)


def _parts(chunks: list[Chunk]) -> list[Chunk]:
    """The parts as they came; events, where those are not known."""
    if len(chunks) != 1:
        return chunks
    return [Chunk(event) for event in _EVENT.findall(chunks[0].data)]


def _rechunked(chunks: list[Chunk], seed: int) -> list[Chunk]:
    """The same bytes, over the same time, divided wherever chance will have it."""
    body = b"".join(chunk.data for chunk in chunks)
    if len(body) < 2:
        return chunks
    chance = random.Random(seed)
    number = max(1, len(body) // _LONG)
    borders = [0, *sorted(chance.sample(range(1, len(body)), number)), len(body)]
    pace = sum(chunk.delay for chunk in chunks) / len(body)
    return [Chunk(body[start:end], (end - start) * pace) for start, end in pairwise(borders)]
