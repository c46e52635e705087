"""Media in the store: each content once, and which traces show it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from tracetape.entities.attachment import Attachment
from tracetape.store.unreadable import Unreadable, UnreadableError, checked

__all__ = ["read_attachment", "remove_attachments", "write_attachments"]


def write_attachments(
    connection: sqlite3.Connection, trace: int, attachments: Iterable[Attachment]
) -> None:
    """Keep what the trace with this row id shows."""
    for one in attachments:
        row = (one.id, one.content_type, one.content_bytes)
        connection.execute("INSERT OR IGNORE INTO attachments VALUES (?, ?, ?)", row)
        connection.execute("INSERT OR IGNORE INTO trace_attachments VALUES (?, ?)", (trace, one.id))


def read_attachment(
    connection: sqlite3.Connection, attachment_id: str, unreadable: Unreadable
) -> Attachment | None:
    """The attachment with this id, or None."""
    row = connection.execute(
        "SELECT content_type, content FROM attachments WHERE id = ?", (attachment_id,)
    ).fetchone()
    if row is None:
        return None
    try:
        kind, content = checked("type", row[0], str), checked("content", row[1], bytes)
    except UnreadableError as error:
        unreadable.add("attachment", attachment_id, f"{attachment_id}: {error}")
        return None
    return Attachment(content_type=kind, content_bytes=content)


def remove_attachments(connection: sqlite3.Connection, traces: str) -> None:
    """Forget what these traces show (their row ids, as JSON), unless others show it too."""
    shown = connection.execute(
        "DELETE FROM trace_attachments WHERE trace IN (SELECT value FROM json_each(?)) "
        "RETURNING attachment_id",
        (traces,),
    ).fetchall()
    connection.executemany(
        "DELETE FROM attachments WHERE id = ? AND NOT EXISTS "
        "(SELECT 1 FROM trace_attachments WHERE attachment_id = ?)",
        {(one, one) for (one,) in shown},
    )
