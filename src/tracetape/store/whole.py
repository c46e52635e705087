"""Values and spans as one text each, their parts joined; and which patterns need that.

Large values are stored in parts (see splitting.py). A text without JSON's syntax that is in the
whole is in one of the parts too, so that the index of the parts tells all. Other patterns may match
across parts: the index gives candidates for them, whose whole text is compared then.
"""

from __future__ import annotations

import re

import orjson

from tracetape.store.dedup import parts_of
from tracetape.store.splitting import MARK

__all__ = ["certain_texts", "is_in_one_part", "pieces_json", "span_text_sql", "whole_sql"]

# A part begins and ends at JSON's syntax; "_" is any letter. Too many patterns here make
# searches slower, too few make them wrong.
_ACROSS = re.compile(
    r"""
    (?:^|["_]) [:_] (?:["{\[_]|$)                       # a part behind a member's name
    | (?:^|[:_]) [\[_] (?:["{_]|$)                      # the first element of a list
    | (?:^|["}\]0-9el_]) [,_] (?:["{\[0-9tfn_-]|$)      # what follows another element or member
    | (?:^|["}\]0-9el_]) [\]}_] (?:[\]},_]|$)           # the end of a list or an object
    | \n | ["}\]0-9\s_]_ | _["{\[0-9\s_-]               # from one value of the span to the next
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REFERENCE = re.compile(r"_?[cl]?[0-9_]*", re.IGNORECASE)  # what may match one: it is not text
_APART = re.compile(r"[:\[\]{},\n%_\x00]")  # at these a pattern's literal texts are divided
_FEWEST = 3  # letters that the index looks up
_CERTAIN = 2  # texts that are looked up: more cost more than they exclude
_LONG = 24  # letters that are enough to find few


def is_in_one_part(pattern: str) -> bool:
    """Whether all that a pattern of LIKE matches in a whole text, it matches in one part of it."""
    literal = pattern[1:-1]
    return (
        len(pattern) > 2
        and pattern[0] == pattern[-1] == "%"
        and "%" not in literal
        and not _ACROSS.search(literal)
        and not _REFERENCE.fullmatch(literal)
    )


def certain_texts(pattern: str) -> list[str]:
    """Texts each of which is in one of the parts, if the pattern matches; those to look up.

    Of long ones the last: values begin alike, as conversations do, and end with what is new.
    """
    found = [text for text in dict.fromkeys(_APART.split(pattern)) if len(text) >= _FEWEST]
    long = [text for text in found if len(text) >= _LONG]
    if long:
        return long[-1:]
    return sorted(found, key=lambda text: (-len(text), text))[:_CERTAIN]


def pieces_json(stored: object) -> str:
    """A stored value as a JSON list: its own texts, and the numbers of its parts as in ``uses``."""
    if not isinstance(stored, bytes):
        return "[]"
    texts = [text.decode(errors="replace") for text in stored.split(MARK)[::2]]
    parts = parts_of(stored)
    pieces: list[str | int] = []
    for at, text in enumerate(texts):
        pieces += [text, *parts[at : at + 1]]
    return orjson.dumps(pieces).decode()


def whole_sql(column: str) -> str:
    """The JSON text of a value in ``spans``; what is missing of a damaged one is left out."""
    return f"""
        CASE typeof({column}) WHEN 'blob' THEN (
            SELECT group_concat(text, '') FROM (
                SELECT CASE WHEN p.type = 'text' THEN p.value
                    WHEN p.value > 0 THEN (SELECT c.data FROM contents c WHERE c.id = p.value)
                    ELSE '[' || (
                        WITH RECURSIVE chain (id, before, content) AS (
                            SELECT id, before, content FROM lists WHERE id = -p.value
                            UNION ALL SELECT l.id, l.before, l.content
                            FROM chain JOIN lists l ON l.id = chain.before AND l.id < chain.id
                        )
                        SELECT group_concat(data, ',') FROM (
                            SELECT c.data FROM chain JOIN contents c ON c.id = chain.content
                            ORDER BY chain.id
                        )
                    ) || ']' END AS text
                FROM json_each(tracetape_pieces({column})) p ORDER BY p.key
            )
        ) ELSE {column} END
    """


def span_text_sql() -> str:
    """The text of the span ``s``: what of it is searched, a new line between each two values."""
    values = [
        whole_sql("s.inputs"),
        whole_sql("s.outputs"),
        "s.attributes",
        "s.events",
        "s.status_description",
    ]
    return " || char(10) || ".join(f"coalesce(CAST({one} AS TEXT), '')" for one in values)
