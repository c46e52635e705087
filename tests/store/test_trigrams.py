"""What is looked up in the full-text index leaves no text out that the comparison would find."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator

import pytest

from tracetape.store.patterns import add_fold, like_sql, normal
from tracetape.store.trigrams import index_query

LETTERS = 'sSßẞſfFﬀﬁﬂﬃﬄtTﬅﬆiIİkKKhẖöÖ "é'


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """Texts, and the index of them as a store has it."""
    connection = sqlite3.connect(":memory:")
    add_fold(connection)
    connection.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT)")
    connection.execute(
        "CREATE VIRTUAL TABLE found USING fts5 (text, content = '', detail = none, "
        "columnsize = 0, tokenize = 'trigram')"
    )
    yield connection
    connection.close()


def add(database: sqlite3.Connection, texts: list[str]) -> None:
    """Number them from 1."""
    rows = [*enumerate(texts, 1)]
    database.executemany("INSERT INTO texts VALUES (?, ?)", rows)
    database.executemany("INSERT INTO found (rowid, text) VALUES (?, ?)", rows)


def test_the_index_and_the_comparison_find_what_str_casefold_says(
    database: sqlite3.Connection,
) -> None:
    """Letters that are two in capitals, of each text and each pattern, in any place."""
    some = random.Random(15)
    texts = ["".join(some.choices(LETTERS, k=some.randint(3, 9))) for _ in range(700)]
    add(database, texts)
    looked_up = 0
    for _ in range(150):
        source = some.choice(texts).casefold() if some.random() < 0.8 else some.choice(texts)
        at = some.randrange(len(source))
        word = source[at : at + some.randint(2, 6)]
        word = some.choice([word, word.upper(), word.swapcase()])
        pattern = normal(f"%{word}%", "ILIKE")
        right = {n for n, text in enumerate(texts, 1) if word.casefold() in text.casefold()}
        compared, values = like_sql("text", "ILIKE", pattern)
        rows = database.execute(f"SELECT id FROM texts WHERE {compared}", values)
        assert {n for (n,) in rows} == right, word
        match = index_query([pattern], in_any_case=True)
        if match is not None:
            rows = database.execute("SELECT rowid FROM found WHERE found MATCH ?", (match,))
            assert right <= {n for (n,) in rows}, (word, match)
            looked_up += 1
    assert looked_up > 40


def test_every_letter_is_found_by_what_it_is_without_regard_to_case(
    database: sqlite3.Connection,
) -> None:
    """Of all that Unicode has: the index may know fewer of them, and folds them in its own way."""
    every = (chr(number) for number in range(0x80, 0x1E944) if not 0xD800 <= number < 0xE000)
    letters = [one for one in every if one.casefold() != one]
    add(database, [f"<{one}>." for one in letters])
    for number, letter in enumerate(letters, 1):
        match = index_query([f"%<{letter.casefold()}>.%"], in_any_case=True)
        if match is not None:
            sql = "SELECT count(*) FROM found WHERE found MATCH ? AND rowid = ?"
            assert database.execute(sql, (match, number)).fetchone() == (1,), letter


def test_common_words_are_looked_up(database: sqlite3.Connection) -> None:
    """Though letters of them may be one: else each search would compare all texts."""
    for word in (
        "first",
        "class",
        "office",
        "staff",
        "größe",
        "STRASSE",
        "ßße",
        "naïve",
        "six",
        "жук",
        "数据库",
    ):
        assert index_query([normal(f"%{word}%", "ILIKE")], in_any_case=True), word
    for word in ("ss", "fix", "σοφός"):
        assert index_query([f"%{word}%"], in_any_case=True) is None, word
    assert index_query(["%数据库%"], in_any_case=False) == '(("数据库"))'
