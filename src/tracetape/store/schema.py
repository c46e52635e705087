"""The tables, as numbered migrations: the n-th script leads from version n to n + 1."""

from __future__ import annotations

import re
import sqlite3

from tracetape.exceptions import StoreError

__all__ = [
    "APPLICATION_ID",
    "TABLES",
    "TEXT_TABLES",
    "VERSION",
    "migrate",
    "read_as_newest",
    "version_of",
]

_SESSION = (
    "CASE WHEN json_valid(metadata) "
    """THEN CAST(json_extract(metadata, '$."mlflow.trace.session"') AS TEXT) END"""
)
_MIGRATIONS = [
    # Small columns come first: reading them must not touch a row's overflow pages.
    """
    CREATE TABLE traces (
        id INTEGER PRIMARY KEY,
        trace_id TEXT NOT NULL UNIQUE,          -- 32 hexadecimal digits
        state TEXT NOT NULL,
        start_ns INTEGER NOT NULL,              -- since the epoch
        end_ns INTEGER,
        name TEXT,
        span_count INTEGER NOT NULL,
        error_count INTEGER NOT NULL,
        input_tokens INTEGER,
        output_tokens INTEGER,
        total_tokens INTEGER,
        cache_read_input_tokens INTEGER,
        cache_creation_input_tokens INTEGER,
        reasoning_tokens INTEGER,
        input_cost REAL,                        -- US dollars
        output_cost REAL,
        total_cost REAL,
        client_request_id TEXT,
        experiment_id TEXT,
        request_preview TEXT,
        response_preview TEXT,
        tags TEXT NOT NULL,                     -- JSON objects of strings
        metadata TEXT NOT NULL
    );
    CREATE INDEX traces_by_start ON traces (start_ns);
    CREATE TABLE spans (
        id INTEGER PRIMARY KEY,
        trace INTEGER NOT NULL REFERENCES traces (id),
        span_id TEXT NOT NULL,                  -- 16 hexadecimal digits
        parent_id TEXT,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER,                         -- NULL: open when last seen
        status TEXT NOT NULL,
        status_description TEXT NOT NULL,
        fields TEXT,                            -- JSON, as are all below
        attributes TEXT,
        events TEXT,
        inputs TEXT,
        outputs TEXT,
        UNIQUE (trace, span_id)
    );
    """,
    # Media are kept once, by their content, however many spans show them.
    """
    CREATE TABLE attachments (
        id TEXT PRIMARY KEY,                    -- a UUID made from the content
        content_type TEXT NOT NULL,
        content BLOB NOT NULL
    );
    CREATE TABLE trace_attachments (
        trace INTEGER NOT NULL REFERENCES traces (id),
        attachment_id TEXT NOT NULL,
        PRIMARY KEY (trace, attachment_id)
    ) WITHOUT ROWID;
    CREATE INDEX traces_of_attachment ON trace_attachments (attachment_id);
    """,
    # A span's inputs and outputs are TEXT, or a BLOB that refers to contents (see splitting.py).
    """
    CREATE TABLE contents (
        id INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE,              -- blake2b, 16 bytes, of the JSON text
        data TEXT NOT NULL
    );
    CREATE TABLE lists (
        id INTEGER PRIMARY KEY,
        before INTEGER NOT NULL,                -- the list that this one continues; 0: none
        content INTEGER NOT NULL,               -- the element that it adds
        UNIQUE (before, content)
    );
    CREATE INDEX lists_by_content ON lists (content);
    CREATE TABLE uses (                         -- of contents, and of lists as negative numbers
        part INTEGER NOT NULL,
        span INTEGER NOT NULL,
        PRIMARY KEY (part, span)
    ) WITHOUT ROWID;
    CREATE VIRTUAL TABLE spans_text USING fts5 (
        text, content = '', detail = none, columnsize = 0, tokenize = 'trigram'
    );
    CREATE VIRTUAL TABLE contents_text USING fts5 (
        text, content = '', detail = none, columnsize = 0, tokenize = 'trigram'
    );
    CREATE TABLE indexed (                      -- ids up to which the texts are in the index
        name TEXT PRIMARY KEY,                  -- spans or contents
        id INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO contents_text (contents_text, rank) VALUES ('automerge', 8);
    INSERT INTO spans_text (spans_text, rank) VALUES ('automerge', 8);
    INSERT INTO indexed VALUES ('spans', 0), ('contents', 0);
    CREATE TABLE late_spans (                   -- below that id, not indexed yet: still open then
        span INTEGER PRIMARY KEY
    );
    CREATE INDEX traces_by_state ON traces (state, start_ns);
    CREATE TABLE assessments (
        id INTEGER PRIMARY KEY,
        assessment_id TEXT NOT NULL UNIQUE,
        trace INTEGER NOT NULL REFERENCES traces (id),
        kind TEXT NOT NULL,                     -- feedback, expectation or issue
        name TEXT NOT NULL,
        valid INTEGER NOT NULL,                 -- 0: another one stands in its place
        value TEXT,                             -- JSON
        data TEXT NOT NULL                      -- all of it, in MLflow's JSON
    );
    CREATE INDEX assessments_by_trace ON assessments (trace);
    """,
    # A trace's session. SQLite 3.38 to 3.40 refuse an index on an expression in a schema that they
    # must not trust.
    f"""
    DROP INDEX IF EXISTS traces_by_session;
    ALTER TABLE traces ADD COLUMN session TEXT;
    UPDATE traces SET session = {_SESSION} WHERE metadata LIKE '%mlflow.trace.session%';
    CREATE INDEX traces_by_session ON traces (session, start_ns) WHERE session IS NOT NULL;
    """,
    # What filters look at, without what is large; made when there is time (see briefs.py).
    """
    CREATE TABLE brief_traces (
        id INTEGER PRIMARY KEY,                 -- as in traces, as are all below
        state TEXT,
        start_ns INTEGER,
        end_ns INTEGER,
        name TEXT,
        client_request_id TEXT,
        experiment_id TEXT,
        tags,                                   -- 1: it stands in traces only, being long
        metadata                                -- the same; without the previews
    );
    CREATE INDEX wide_traces ON brief_traces (id) WHERE tags = 1 OR metadata = 1;
    CREATE TABLE kinds (                        -- of spans
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        status TEXT NOT NULL,
        UNIQUE (name, type, status)
    );
    CREATE TABLE brief_spans (
        id INTEGER PRIMARY KEY,                 -- as in spans
        trace INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        attributes,                             -- 1: it stands in spans only, being long
        fields
    );
    CREATE INDEX wide_spans ON brief_spans (id) WHERE attributes = 1 OR fields = 1;
    CREATE INDEX brief_spans_by_kind ON brief_spans (kind, trace);
    CREATE TABLE holders (                      -- of contents, and of first lists as negative ones
        part INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        trace INTEGER NOT NULL,
        PRIMARY KEY (part, kind, trace)
    ) WITHOUT ROWID;
    CREATE TABLE briefed (                      -- ids up to which that is done
        name TEXT PRIMARY KEY,                  -- traces or spans
        id INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO briefed VALUES ('traces', 0), ('spans', 0);
    CREATE TABLE late_traces (                  -- below that id, and changed since
        trace INTEGER PRIMARY KEY
    );
    CREATE TABLE late_briefs (                  -- spans below that id that were still open then
        span INTEGER PRIMARY KEY
    );
    """,
]
VERSION = len(_MIGRATIONS)
TABLES = [
    "traces",
    "spans",
    "attachments",
    "trace_attachments",
    "contents",
    "lists",
    "uses",
    "indexed",
    "late_spans",
    "assessments",
    "brief_traces",
    "kinds",
    "brief_spans",
    "holders",
    "briefed",
    "late_traces",
    "late_briefs",
]
TEXT_TABLES = ("spans_text", "contents_text")
_ADDED_COLUMN = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+)")
_FROM_OLDER = {("traces", "session"): _SESSION}  # values of added columns in older files
APPLICATION_ID = int.from_bytes(b"trtp", "big")  # by which a damaged file is known as ours


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to `VERSION`; of several processes that try, one does it.

    Raises:
        StoreError: the file was written by a newer tracetape, or is of another program.
    """
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        if version > VERSION:
            raise StoreError(
                f"the store's schema has version {version}, this tracetape knows up to {VERSION}: "
                "upgrade tracetape, or name another store by TRACETAPE_STORE"
            )
        if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise StoreError(
                "the file is a database of another program: "
                "name another store by tracetape.configure(store=…) or TRACETAPE_STORE"
            )
        for script in _MIGRATIONS[version:]:
            for statement in script.split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def read_as_newest(connection: sqlite3.Connection) -> int:
    """Let who only reads an older version see it as `VERSION` has it; the file stays as it is.

    A table that the file lacks is empty, in the connection's own memory; a column that it lacks is
    NULL, or what `_FROM_OLDER` names.

    Returns:
        The version that the file has.
    """
    version = version_of(connection)
    connection.execute("PRAGMA temp_store = MEMORY")
    added: dict[str, list[str]] = {}
    for script in _MIGRATIONS[version:]:
        for table, column in _ADDED_COLUMN.findall(script):
            value = _FROM_OLDER.get((table, column), "NULL")
            added.setdefault(table, []).append(f"{value} AS {column}")
        for statement in script.split(";\n"):
            own = statement.strip().replace("CREATE VIRTUAL TABLE ", "CREATE VIRTUAL TABLE temp.")
            own = own.replace("CREATE TABLE ", "CREATE TEMP TABLE ")
            if own.startswith(("CREATE TEMP", "CREATE VIRTUAL", "INSERT")):
                connection.execute(own)
    for table, columns in added.items():
        connection.execute(
            f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(columns)} FROM main.{table}"
        )
    return version


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the tables in a file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
