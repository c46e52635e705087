"""Text in a file that is compared with what a test has found."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from tracetape.privacy.files import write_private

__all__ = ["UPDATE", "assert_snapshot"]

UPDATE = "TRACETAPE_UPDATE_SNAPSHOTS"


def assert_snapshot(text: str, path: str | os.PathLike[str]) -> None:
    """Compare `text` with the file `path`, such as the tree of a trace with the recorded one.

    Where the environment variable ``TRACETAPE_UPDATE_SNAPSHOTS`` is set, the file is written
    instead.

    Raises:
        AssertionError: they differ, or there is no file; the message shows the difference.
    """
    path = Path(path)
    found = text.rstrip("\n") + "\n"
    if os.environ.get(UPDATE):
        write_private(path, found.encode())
        return
    if not path.exists():
        raise AssertionError(
            f"the snapshot {path} does not exist: run the test once with {UPDATE}=1"
        )
    kept = path.read_text(encoding="utf-8")
    if kept == found:
        return
    lines = difflib.unified_diff(
        kept.splitlines(), found.splitlines(), str(path), "this run", lineterm=""
    )
    difference = "\n".join(lines)
    raise AssertionError(
        f"the text differs from the snapshot:\n{difference}\nIf the new text is right, run the "
        f"test with {UPDATE}=1."
    )
