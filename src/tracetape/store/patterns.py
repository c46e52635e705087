"""How a text is compared with a pattern of LIKE or ILIKE, in SQL.

Without regard to case means as `str.casefold` writes both: `ß` is `ss`, as it is in capitals.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Any

__all__ = ["add_fold", "like_sql", "like_to_glob", "normal"]

_LETTER = re.compile("[a-z]")
_IS_ASCII = "length({0}) = length(CAST({0} AS BLOB))"
_FOLDED = "tracetape_fold(CAST({0} AS BLOB)) LIKE ?"


def normal(pattern: str, operator: str) -> str:
    """A pattern as `like_sql` takes it."""
    return pattern if operator == "LIKE" else pattern.casefold()


def like_sql(text: str, operator: str, pattern: str) -> tuple[str, list[Any]]:
    """Whether a normal pattern matches a text, which is a cheap expression.

    Python folds what SQLite cannot: texts that are not ASCII, and only those, as it is slow.
    """
    if operator == "LIKE":
        return f"{text} GLOB ?", [like_to_glob(pattern)]
    is_ascii, folded = _IS_ASCII.format(text), _FOLDED.format(text)
    if not pattern.isascii():
        return f"(NOT {is_ascii} AND {folded})", [pattern]
    if "_" in pattern:  # any letter, of the folded text
        return f"CASE WHEN {is_ascii} THEN {text} LIKE ? ELSE {folded} END", [pattern, pattern]
    if not _LETTER.search(pattern):
        return f"{text} LIKE ?", [pattern]
    return f"({text} LIKE ? OR NOT {is_ascii} AND {folded})", [pattern, pattern]


def like_to_glob(pattern: str) -> str:
    """SQL's LIKE, case-sensitive as it is in MLflow, in the words of SQLite's GLOB."""
    return re.sub(r"[*?\[]", r"[\g<0>]", pattern).replace("%", "*").replace("_", "?")


def add_fold(connection: sqlite3.Connection) -> None:
    """The function that `like_sql` needs."""
    connection.create_function("tracetape_fold", 1, _fold, deterministic=True)


# Values come as blobs: SQLite's texts need not be in UTF-8, and none reaches Python as a text then.
def _fold(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace").casefold()
