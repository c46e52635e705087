"""A large store made of a small one: its traces again and again, each time with other words.

The small one is written and maintained by the store itself. Its rows are copied with other ids,
times, names and texts, and FTS5 merges what this file writes as segments of the text index: to find
the three-letter pieces of a gigabyte anew takes an hour. `check` writes some of the copies by the
store itself, and compares.
"""

from __future__ import annotations

import re
import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import pairwise, product
from pathlib import Path
from re import Match
from tempfile import TemporaryDirectory

from tracetape.store import SQLiteStore, TraceUpdate
from tracetape.store.fulltext import _SPAN_TEXT

TEMPLATE = 2000  # traces; a multiple of what `chats.chat` counts by
_REFERENCE = re.compile(rb"(?<=\x1f)([cl])(\d+)(?=\x1f)")
# What is another number in each copy, but for the mark: a reference, and a span's attribute.
_NUMBER = re.compile(r'(?<=\x1f[cl])\d+(?=\x1f)|(?<="n":)\d+')
_AROUND = re.compile(r'\x1f[cl]\d+\x1f.?|(?<="n)":\d+.?.?', re.DOTALL)  # what is another, too
_PAGE, _HEADER = 4050, 4  # bytes of a leaf of FTS5's, as it is configured by default
_CUT = "\x01"
_CUT_MARK = re.compile(r"v0{1,4}(?=\.\.\.)")  # of the first copy, where a preview ends


def mark(n: int) -> str:
    """What stands in each text of a trace, and tells it from those of its copies."""
    copy, of = divmod(n - 1, TEMPLATE)
    return f"v{copy:04d}n{of + 1:05d}"


def multiply(path: Path, copies: int) -> None:
    """Make a store of `TEMPLATE` traces one of so many times as many."""
    connection = _open(path)
    rows = _Rows(connection)
    connection.execute("BEGIN")
    for copy in range(1, copies):
        rows.add(copy)
    rows.end(copies)
    connection.execute("COMMIT")
    spans = f"SELECT s.id, {_SPAN_TEXT} FROM spans s WHERE s.id <= {rows.spans}"
    contents = f"SELECT id, data FROM contents WHERE id <= {rows.contents}"
    for table, step, texts in (
        ("spans_text", rows.spans, spans),
        ("contents_text", rows.contents, contents),
    ):
        connection.execute("BEGIN")
        numbered = _write_index(connection, table, connection.execute(texts), step, copies)
        connection.execute("COMMIT")
        connection.close()  # FTS5 remembers what it knows of the segments
        connection = _open(path)
        connection.execute("BEGIN")
        for copy in range(copies if numbered else 0):
            listed = ", ".join(str(key + copy * step) for key in numbered)
            connection.executemany(
                "INSERT INTO spans_text (rowid, text) VALUES (?, ?)",
                [
                    (key, f"{_CUT}{_CUT}".join(_AROUND.findall(text)))
                    for key, text in connection.execute(
                        f"SELECT s.id, {_SPAN_TEXT} FROM spans s WHERE s.id IN ({listed}) "
                        "ORDER BY s.id"
                    ).fetchall()
                ],
            )
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {setting}")
    return connection


class _Rows:
    """Copies of the rows of a store, by statements that know the columns with ids and texts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.traces, self.spans, self.contents, self._lists = (
            connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
            for table in ("traces", "spans", "contents", "lists")
        )
        assert self.traces == TEMPLATE
        first = mark(1)[:6]
        # What no trace has for itself is kept once: here, how each list of messages begins.
        connection.execute("CREATE TEMP TABLE common (part INTEGER PRIMARY KEY)")
        connection.execute(
            "INSERT INTO common SELECT id FROM contents WHERE instr(data, ?) = 0", (first,)
        )
        connection.execute(
            "INSERT INTO common SELECT -l.id FROM lists l "
            "JOIN common c ON c.part = l.content WHERE l.before = 0"
        )
        self._common = {part for (part,) in connection.execute("SELECT part FROM common")}
        connection.create_function("hash_of", 1, _hash, deterministic=True)

    def add(self, copy: int) -> None:
        """Add the rows of one copy."""
        of = {
            "traces": copy * self.traces,
            "spans": copy * self.spans,
            "contents": copy * self.contents,
            "lists": copy * self._lists,
            "ns": copy * self.traces * 1_000_000,
            "old": mark(1)[:6],
            "new": mark(copy * TEMPLATE + 1)[:6],
            "last_trace": self.traces,
            "last_span": self.spans,
            "last_content": self.contents,
            "last_list": self._lists,
        }
        self._connection.create_function("moved", 1, self._moving(copy))
        self._connection.create_function("cut_moved", 1, _moving_cut(of["old"], of["new"]))
        part = "CASE WHEN part IN (SELECT part FROM common) THEN part WHEN part > 0 "
        part += "THEN part + :contents ELSE part - :lists END"
        number = "replace({}, '\"n\":' || {}, '\"n\":' || ({} + :traces))"
        tags = "replace(tags, '\"i\":\"' || id || '\"', '\"i\":\"' || (id + :traces) || '\"')"
        session = "'s' || (id / 40)", "'s' || ((id + :traces) / 40)"
        named = "replace({}, '\"' || {} || '\"', '\"' || {} || '\"')".format("metadata", *session)
        text = "replace({}, :old, :new)".format
        ends = (
            "span_count error_count input_tokens output_tokens total_tokens "
            "cache_read_input_tokens cache_creation_input_tokens reasoning_tokens input_cost "
            "output_cost total_cost client_request_id experiment_id"
        ).replace(" ", ", ")
        for statement in (
            f"""INSERT INTO traces SELECT id + :traces, printf('%032x', id + :traces), state,
                start_ns + :ns, end_ns + :ns, name, {ends}, cut_moved(request_preview),
                cut_moved(response_preview), {tags}, cut_moved({named}),
                CASE WHEN session IS NOT NULL THEN {session[1]} END
                FROM traces WHERE id <= :last_trace""",
            f"""INSERT INTO spans SELECT id + :spans, trace + :traces, span_id, parent_id, name,
                type, start_ns + :ns, end_ns + :ns, status, status_description, fields,
                {number.format("attributes", "trace", "trace")}, events,
                CASE typeof(inputs) WHEN 'blob' THEN moved(inputs) ELSE {text("inputs")} END,
                CASE typeof(outputs) WHEN 'blob' THEN moved(outputs) ELSE {text("outputs")} END
                FROM spans WHERE id <= :last_span""",
            f"""INSERT INTO contents SELECT id + :contents, hash_of({text("data")}), {text("data")}
                FROM contents WHERE id <= :last_content AND id NOT IN (SELECT part FROM common)""",
            """INSERT INTO lists SELECT id + :lists,
                CASE WHEN before = 0 OR -before IN (SELECT part FROM common) THEN before
                    ELSE before + :lists END,
                CASE WHEN content IN (SELECT part FROM common) THEN content
                    ELSE content + :contents END
                FROM lists WHERE id <= :last_list AND -id NOT IN (SELECT part FROM common)""",
            f"""INSERT INTO uses SELECT {part}, span + :spans FROM uses
                WHERE span <= :last_span""",
            f"""INSERT INTO holders SELECT {part}, kind, trace + :traces FROM holders
                WHERE trace <= :last_trace""",
            f"""INSERT INTO brief_traces SELECT id + :traces, state, start_ns + :ns, end_ns + :ns,
                name, client_request_id, experiment_id, {tags}, {named}
                FROM brief_traces WHERE id <= :last_trace""",
            f"""INSERT INTO brief_spans SELECT id + :spans, trace + :traces, kind,
                {number.format("attributes", "trace", "trace")}, fields
                FROM brief_spans WHERE id <= :last_span""",
        ):
            known = {key: value for key, value in of.items() if f":{key}" in statement}
            self._connection.execute(statement, known)

    def _moving(self, copy: int) -> Callable[[bytes], bytes]:
        """What gives a value's references, and the mark in it, those of a copy."""
        steps = {b"c": copy * self.contents, b"l": copy * self._lists}
        old, new = (mark(n)[:6].encode() for n in (1, copy * TEMPLATE + 1))

        def move(found: Match[bytes]) -> bytes:
            kind, number = found[1], int(found[2])
            is_common = (number if kind == b"c" else -number) in self._common
            return kind + b"%d" % (number if is_common else number + steps[kind])

        return lambda value: _REFERENCE.sub(move, value.replace(old, new))

    def end(self, copies: int) -> None:
        """Say that all of it is in the narrow tables and in the text index."""
        for table, name, count in (
            ("briefed", "traces", self.traces),
            ("briefed", "spans", self.spans),
            ("indexed", "spans", self.spans),
            ("indexed", "contents", self.contents),
        ):
            self._connection.execute(
                f"UPDATE {table} SET id = ? WHERE name = ?", (count * copies, name)
            )


def _moving_cut(old: str, new: str) -> Callable[[str | None], str | None]:
    """What gives previews the mark of a copy, also where one is cut within the mark."""

    def move(text: str | None) -> str | None:
        if text is None:
            return None
        return _CUT_MARK.sub(lambda found: new[: len(found[0])], text.replace(old, new))

    return move


def _hash(data: str) -> bytes:
    return blake2b(data.encode(), digest_size=16).digest()


def _write_index(
    connection: sqlite3.Connection,
    table: str,
    texts: Iterable[tuple[int, str | bytes]],
    step: int,
    copies: int,
) -> list[int]:
    """Write the index of texts and their copies; the ids of those whose numbers are left out."""
    first = mark(1)[:6]
    marked: list[int] = []
    numbered: list[int] = []
    connection.execute(
        "CREATE VIRTUAL TABLE temp.cut USING fts5 ("
        "text, content = '', detail = none, columnsize = 0, tokenize = 'trigram')"
    )
    connection.execute("CREATE VIRTUAL TABLE temp.cut_terms USING fts5vocab(temp, cut, instance)")
    for key, text in texts:
        assert isinstance(text, str)
        if _NUMBER.search(text):
            numbered.append(key)
        cut = _NUMBER.sub(_CUT, text).replace(first, f"v{_CUT}n")
        connection.execute("INSERT INTO cut (rowid, text) VALUES (?, ?)", (key, cut))
        if first in text:
            marked.append(key)
    once, again = _terms(connection, set(marked))
    connection.execute("DROP TABLE cut_terms")
    connection.execute("DROP TABLE cut")
    (rows, *tokens) = _varints(
        connection.execute(f"SELECT block FROM {table}_data WHERE id = 1").fetchone()[0]
    )
    connection.execute(f"DELETE FROM {table}_data")
    connection.execute(f"DELETE FROM {table}_idx")
    totals = b"".join(map(_varint, (rows * copies, *(count * copies for count in tokens))))
    connection.execute(f"INSERT INTO {table}_data VALUES (1, ?)", (totals,))
    halves = [range(copies // 2), range(copies // 2, copies)]
    leaves = []
    for number, half in enumerate((half for half in halves if half), 1):
        segment = _Segment(connection, table, number)
        of_marks = _of_marks(half)
        for term in sorted({*(once if 0 in half else ()), *again, *of_marks}):
            segment.begin(term)
            ids = again.get(term, array("q"))
            own = of_marks.get(term, set())
            left = half
            if 0 in half and term in once:
                segment.append(array("q", sorted({*ids, *once[term]})), range(1), step)
                left = half[1:]
            if not own:
                segment.append(ids, left, step)
            else:
                both = array("q", sorted({*ids, *marked}))
                for copy in left:
                    segment.append(both if copy in own else ids, range(copy, copy + 1), step)
        leaves.append((number, segment.end()))
    record = bytes(4) + b"".join(map(_varint, (1, len(leaves), 0, 0, len(leaves))))
    record += b"".join(_varint(one) for number, last in leaves for one in (number, 1, last))
    connection.execute(f"INSERT INTO {table}_data VALUES (10, ?)", (record,))
    return numbered


def _terms(
    connection: sqlite3.Connection, marked: set[int]
) -> tuple[dict[bytes, array[int]], dict[bytes, array[int]]]:
    """The texts of each term: those that stand in the first copy only, and those of each copy."""
    once: dict[bytes, array[int]] = {}
    again: dict[bytes, array[int]] = {}
    for term, key in connection.execute("SELECT term, doc FROM cut_terms"):
        if _CUT not in term:
            into = again if key in marked else once
            name = term.encode()
            if name not in into:
                into[name] = array("q")
            into[name].append(key)
    return once, again


def _of_marks(copies: Iterable[int]) -> dict[bytes, set[int]]:
    """The terms that the mark of a copy brings, and of which copies."""
    found: dict[bytes, set[int]] = {}
    for copy in copies:
        text = f" v{copy:04d}n0"
        for at in range(len(text) - 2):
            found.setdefault(text[at : at + 3].encode(), set()).add(copy)
    return found


class _Segment:
    """A segment of FTS5's, written page by page as FTS5 does it, without indexes of long lists."""

    def __init__(self, connection: sqlite3.Connection, table: str, number: int) -> None:
        self._connection, self._table, self._number = connection, table, number
        self._page, self._terms = bytearray(_HEADER), bytearray()
        self._at, self._term_at = 1, 0
        self._term = b""
        self._has_rowid = True  # whether the page has one whose place its header need not tell
        self._is_first = True
        self._before = 0
        self._entry = (b"", 1)

    def begin(self, term: bytes) -> None:
        """The next term, in order."""
        term = b"0" + term
        if len(self._page) + len(self._terms) + len(term) + 2 >= _PAGE and len(self._page) > 4:
            self._flush()
        is_first = not self._terms
        self._terms += _varint(len(self._page) - self._term_at)
        self._term_at = len(self._page)
        same = _common(self._term, term)
        if is_first:
            if self._at != 1:
                self._write_entry()
                self._entry = (term[: same + 1] if self._term else term, self._at)
            same = 0
        else:
            self._page += _varint(same)
        self._page += _varint(len(term) - same) + term[same:]
        self._term = term
        self._has_rowid, self._is_first = True, True

    def append(self, ids: array[int], copies: range, step: int) -> None:
        """Texts that have the term: `ids` in each copy, so many steps on."""
        count = len(ids) * len(copies)
        if not count:
            return
        deltas, ends = _deltas(ids, step)
        every, size = len(ids), len(deltas)
        many = deltas * (_PAGE // size + 3)
        at = 0
        while at < count:
            if len(self._page) + len(self._terms) >= _PAGE:
                self._flush()
            copy, of = divmod(at, every)
            first = ids[of] + copies[copy] * step
            if not self._has_rowid:
                self._page[:2] = len(self._page).to_bytes(2, "big")
            if self._is_first or not self._has_rowid:
                self._page += _varint(first)
            else:
                self._page += _varint(first - self._before)
            self._has_rowid, self._is_first = True, False
            room = max(0, _PAGE - len(self._page) - len(self._terms))
            more, rest = divmod(ends[of] + room, size)
            last = min((copy + more) * every + bisect_right(ends, rest) - 1, count - 1)
            copy, to = divmod(last, every)
            length = ends[to] + (copy - at // every) * size - ends[of]
            self._page += many[ends[of] : ends[of] + length]
            self._before = ids[to] + copies[copy] * step
            at = last + 1

    def end(self) -> int:
        """Write what is left; how many pages there are."""
        self._flush()
        self._write_entry()
        return self._at - 1

    def _flush(self) -> None:
        self._page[2:4] = len(self._page).to_bytes(2, "big")
        self._connection.execute(
            f"INSERT INTO {self._table}_data VALUES (?, ?)",
            ((self._number << 37) + self._at, bytes(self._page + self._terms)),
        )
        self._page, self._terms, self._term_at = bytearray(_HEADER), bytearray(), 0
        self._at += 1
        self._has_rowid = False

    def _write_entry(self) -> None:
        term, page = self._entry
        self._connection.execute(
            f"INSERT INTO {self._table}_idx VALUES (?, ?, ?)", (self._number, term, page << 1)
        )


def _deltas(ids: array[int], step: int) -> tuple[bytes, list[int]]:
    """The distances of these numbers up to the next copy's first, and where that of each ends."""
    ends, written = [0], bytearray()
    for before, one in pairwise(ids):
        written += _varint(one - before)
        ends.append(len(written))
    written += _varint(ids[0] + step - ids[-1])
    return bytes(written), ends


def _common(one: bytes, other: bytes) -> int:
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same


def _varint(number: int) -> bytes:
    """SQLite's, of less than 2**56."""
    if number < 128:
        return bytes((number,))
    found = [number & 127]
    number >>= 7
    while number:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes(reversed(found))


def _varints(data: bytes) -> Iterator[int]:
    number = 0
    for one in data:
        number = number << 7 | one & 127
        if one < 128:
            yield number
            number = 0


def check(store: SQLiteStore, made: list[TraceUpdate]) -> None:
    """Compare some traces, and what is found of them, with what the store itself makes of them.

    Raises:
        SystemExit: something differs.
    """
    with TemporaryDirectory() as folder:
        own = SQLiteStore(Path(folder) / "own.db")
        own.write(made)
        while own.maintain(0.2):
            pass
        _check_rows(store, own, made)
        own.close()
    _check_index(store, made)


def _check_rows(store: SQLiteStore, own: SQLiteStore, made: list[TraceUpdate]) -> None:
    tables = {
        "traces": "SELECT * FROM traces t WHERE trace_id = ?",
        "brief_traces": "SELECT b.* FROM traces t JOIN brief_traces b USING (id) "
        "WHERE trace_id = ?",
        "brief_spans": "SELECT k.name, k.type, k.status, b.attributes, b.fields "
        "FROM traces t JOIN brief_spans b ON b.trace = t.id JOIN kinds k ON k.id = b.kind "
        "WHERE trace_id = ? ORDER BY b.id",
        "holders": "SELECT k.name, c.data FROM traces t JOIN holders h ON h.trace = t.id "
        "JOIN kinds k ON k.id = h.kind LEFT JOIN lists l ON l.id = -h.part "
        "LEFT JOIN contents c ON c.id = coalesce(l.content, h.part) "
        "WHERE trace_id = ? ORDER BY k.name, c.data",
        "uses": "SELECT s.span_id, c.data, c.hash FROM traces t JOIN spans s ON s.trace = t.id "
        "JOIN uses u ON u.span = s.id LEFT JOIN lists l ON l.id = -u.part "
        "LEFT JOIN contents c ON c.id = coalesce(l.content, u.part) "
        "WHERE trace_id = ? ORDER BY s.span_id, c.data",
    }
    for one in made:
        wanted, given = own.get_trace(one.trace_id), store.get_trace(one.trace_id)
        if wanted is None or given is None or wanted.to_dict() != given.to_dict():
            raise SystemExit(f"trace {one.trace_id} is not as the store writes it")
        name = (f"{one.trace_id:032x}",)
        for table, query in tables.items():
            rows = []
            for each in (own, store):
                with each._reader as connection:
                    found = connection.execute(query, name).fetchall()
                rows.append([row[1:] if "traces" in table else row for row in found])
            if rows[0] != rows[1] or not rows[0]:
                raise SystemExit(f"{table} of trace {one.trace_id} is not as the store writes it")


def _check_index(store: SQLiteStore, made: list[TraceUpdate]) -> None:
    """The index names a text for each of its three-letter pieces, and for no other."""
    others = ["".join(letters) for letters in product("bdkqxz", repeat=3)]
    texts = {
        "spans_text": f"SELECT s.id, {_SPAN_TEXT} FROM traces t JOIN spans s ON s.trace = t.id "
        "WHERE t.trace_id = ?",
        "contents_text": "SELECT c.id, c.data FROM traces t JOIN holders h ON h.trace = t.id "
        "LEFT JOIN lists l ON l.id = -h.part JOIN contents c "
        "ON c.id = coalesce(l.content, h.part) WHERE t.trace_id = ?",
    }
    with store._reader as connection:
        for one in made:
            for table, query in texts.items():
                for key, text in connection.execute(query, (f"{one.trace_id:032x}",)).fetchall():
                    low = text.lower()
                    terms = {low[at : at + 3] for at in range(len(low) - 2)}
                    for term in {*terms, *others}:
                        words = ('"' + term.replace('"', '""') + '"', key)
                        found = connection.execute(
                            f"SELECT 1 FROM {table} WHERE {table} MATCH ? AND rowid = ?", words
                        )
                        if (found.fetchone() is not None) is not (term in terms):
                            raise SystemExit(f"{table} is wrong about {term!r} in {key}")
