"""Lookups in the full-text index: three letters in a row, in all their spellings.

Without regard to case `ss` is `ß` too, and `fi` may be one letter: what looks for one finds both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["index_query"]

_LOOKED_UP = 4  # the rarest, as more cost more than they exclude
_COMMON = {letter: rank for rank, letter in enumerate("zjqxkvbpgwymcfuldhrsinoate ")}
_RUN = re.compile(r"[^%_]{3,}")
_LENGTH = 3
# Latin, Cyrillic, and scripts without capitals: the index folds into these what `str.casefold`
# does, but for the letters in the next line, most of which are two then.
_FOLDED = re.compile("[\x01-\x7fà-öø-ÿā-žа-џ\u0590-\u0fff\u3040-\u9fff\uac00-\ud7a3]")
_LIGATURES = {one: one.casefold() for one in "ßẞŉǰẖẗẘẙẚİﬀﬁﬂﬃﬄﬅﬆᲀᲁᲂᲃᲄᲅᲆ"}
_MOST_SPELLINGS = 40  # of three letters; more are not worth it


def index_query(variants: list[str], *, in_any_case: bool) -> str | None:
    """The index's query for texts that one of the patterns of LIKE may match.

    None: one of them has no three letters in a row that the index can look up.

    Args:
        variants: the patterns; if `in_any_case`, folded.
        in_any_case: whether a text is folded before it is compared.
    """
    words = []
    for variant in variants:
        found = _spelled(variant) if in_any_case else _plain(variant)
        if not found:
            return None
        rarest = sorted(found, key=_commonness)[:_LOOKED_UP]
        words.append("(" + " AND ".join(_one_of(found[one]) for one in rarest) + ")")
    return " OR ".join(words)


def _one_of(spellings: list[str]) -> str:
    return "(" + " OR ".join('"' + one.replace('"', '""') + '"' for one in spellings) + ")"


def _plain(pattern: str) -> dict[str, list[str]]:
    found = (run[at : at + _LENGTH] for run in _RUN.findall(pattern) for at in _places(run))
    # SQLite's texts end at a NUL.
    return {trigram: [trigram] for trigram in found if "\x00" not in trigram}


def _spelled(pattern: str) -> dict[str, list[str]]:
    """For each three letters of a folded pattern, how texts that it matches may have them."""
    found: dict[str, list[str]] = {}
    for run in _RUN.findall(pattern):
        for at in _places(run):
            spellings = [*dict.fromkeys(_spellings(run, at))]
            if None not in spellings and len(spellings) <= _MOST_SPELLINGS:
                found[run[at : at + _LENGTH]] = [one for one in spellings if one is not None]
    return found


def _places(run: str) -> range:
    return range(len(run) - _LENGTH + 1)


def _spellings(run: str, at: int) -> Iterator[str | None]:
    """How a text may have what begins at a place of `run`; None: in a way that is unknown."""
    yield from _read(run[at:], "")
    for letter, folded in _LIGATURES.items():
        for cut in range(1, len(folded)):
            # The letter begins before the place; before the run there may be anything.
            before, rest = folded[:cut], folded[cut:]
            if before.endswith(run[:at]) or run[:at].endswith(before):
                yield from _with(letter, rest, run[at:], "")


def _read(folded: str, read: str) -> Iterator[str | None]:
    """Go on with the letters of a text that, folded, goes on with `folded`, and then anyhow."""
    if len(read) == _LENGTH:
        yield read
        return
    if not _FOLDED.match(folded):
        yield None
        return
    yield from _read(folded[1:], read + folded[0])
    for letter, two in _LIGATURES.items():
        yield from _with(letter, two, folded, read)


def _with(letter: str, as_folded: str, folded: str, read: str) -> Iterator[str | None]:
    """Go on with a letter, if the text may have it here."""
    if folded and (folded.startswith(as_folded) or as_folded.startswith(folded)):
        yield from _read(folded[len(as_folded) :], read + letter)


def _commonness(trigram: str) -> int:
    return sum(_COMMON.get(letter, 0) for letter in trigram.lower())
