"""Streams as a worse network would give them: other parts, and a break."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import pairwise

from tracetape.cassettes.file.model import Chunk, Interaction, RecordedError

__all__ = ["Faults"]

_BLOCK = re.compile(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)
_DATA = re.compile(rb"(?:\A|[\r\n])data(?:[:\r\n]|\Z)")  # a block without it is not an event
_LONG = 24  # bytes of a part, on average


class Faults:
    """Changes what is replayed; the tape stays as it is."""

    def __init__(self, rechunk: int | None, cut_after: int | None) -> None:
        """Arguments as of `cassette`, which has checked them."""
        self._seed, self._length = rechunk, cut_after

    def altered(self, interaction: Interaction) -> Interaction:
        """The interaction to replay instead of a recording."""
        response = interaction.response
        if response is None:
            return interaction
        error = interaction.error
        if self._length is not None and response.is_event_stream:
            end = _end_of(response.body, self._length)
            if end is not None:
                response = replace(response, chunks=_first(response.chunks, end), cut=True)
                events = f"{self._length} event{'' if self._length == 1 else 's'}"
                error = RecordedError("ReadError", f"cut after {events} by cassette(cut_after=…)")
        if self._seed is not None:
            response = replace(response, chunks=_rechunked(response.chunks, self._seed))
        return Interaction(interaction.request, response, error)


def _end_of(body: bytes, number: int) -> int | None:
    """Where so many events end; None if there are no more than these."""
    ends = [block.end() for block in _BLOCK.finditer(body) if _DATA.search(block[0])]
    if len(ends) <= number:
        return None
    return ends[number - 1] if number else 0


def _first(chunks: list[Chunk], length: int) -> list[Chunk]:
    """The first bytes, in the parts in which they came."""
    kept = []
    for chunk in chunks:
        if length <= 0:
            break
        kept.append(Chunk(chunk.data[:length], chunk.delay))
        length -= len(chunk.data)
    return kept


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
