"""Secrets that came in pieces: a stream gives a text by parts, and cuts it anywhere."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from tracetape.privacy.names import MARK
from tracetape.privacy.values import Secrets

__all__ = ["conceal_pieces"]

# Fields of a chunk, or of a choice in it, that say which of several texts a piece belongs to.
_WHICH = ("type", "index", "item_id", "output_index", "content_index", "summary_index")
# The place of a string: what holds it, and its key there.
_Place = tuple[Any, Any]


def conceal_pieces(chunks: Iterable[Any], secrets: Secrets, mark: str = MARK) -> bool:
    """Put `mark` in the place of secrets that are in several chunks; whether there were any.

    The strings of one field in successive chunks are one text, as the reader of a stream joins
    them. A secret that one chunk holds alone is left to `Secrets.value`.

    Args:
        chunks: JSON values, which are changed.
        secrets: what is looked for.
        mark: what represents a secret, where its first piece was.
    """
    texts: dict[Hashable, list[_Place]] = {}
    for chunk in chunks:
        for which, place in _strings(chunk, ()):
            texts.setdefault(which, []).append(place)
    found = False
    for places in texts.values():
        if len(places) > 1:
            found = _conceal(places, secrets, mark) or found
    return found


def _strings(value: Any, path: tuple[Hashable, ...]) -> Iterator[tuple[Hashable, _Place]]:
    """The strings of a chunk, each with what is the same in other chunks of its text."""
    if isinstance(value, dict):
        path = (*path, *(_plain(value.get(name)) for name in _WHICH))
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, item in items:
        if isinstance(item, str):
            yield (*path, _step(value, key)), (value, key)
        else:
            yield from _strings(item, (*path, _step(value, key)))


def _step(above: Any, key: Any) -> Hashable:
    # A chunk has the choice 1 of several alone, as the first of its list.
    is_numbered = isinstance(above, list) and isinstance(above[key], dict) and "index" in above[key]
    return "" if is_numbered else key


def _plain(value: Any) -> Hashable:
    return value if isinstance(value, (str, int)) else None


def _conceal(places: list[_Place], secrets: Secrets, mark: str) -> bool:
    whole = "".join(holder[key] for holder, key in places)
    spans = secrets.places(whole)
    if not spans:
        return False
    at = 0
    for holder, key in places:
        piece = holder[key]
        holder[key] = _without(piece, at, spans, mark)
        at += len(piece)
    return True


def _without(piece: str, at: int, spans: list[tuple[int, int]], mark: str) -> str:
    """The rest of the piece that begins at `at`; a mark replaces each secret at its beginning."""
    left: list[str] = []
    done = 0
    for start, stop in spans:
        first, last = start - at, stop - at
        if last <= done or first >= len(piece):
            continue
        if first >= 0:
            left += [piece[done:first], mark]
        done = min(last, len(piece))
    return "".join([*left, piece[done:]])
