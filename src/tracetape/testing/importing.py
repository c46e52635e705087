"""Clients that a module makes when it is imported, before any tape is open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tracetape.testing.unused import tapes_below

if TYPE_CHECKING:
    from tracetape.cassettes.placeholders import Placeholders

__all__ = ["asks_for_credentials", "put_placeholders"]

# What the SDKs say, and the variables that they name.
_MISSING = re.compile(
    r"Missing credentials|api_key client option must be set|OPENAI_API_KEY|default auth"
    r"|DATABRICKS_(?:HOST|TOKEN)|cannot configure default credentials"
)
_ADDRESS = re.compile(rb"""\buri["']?:\s*["']?(https?://[^\s"',]+)""")


def asks_for_credentials(text: str) -> bool:
    """Whether an import failed for want of a key or a host."""
    return _MISSING.search(text) is not None


def put_placeholders(folders: Iterable[Path]) -> Placeholders | None:
    """Set what the tapes of a project need, until it is removed; None if there are no tapes."""
    from tracetape.cassettes import Interaction, Request
    from tracetape.cassettes.placeholders import Placeholders

    files = [file for folder in folders for file in tapes_below(folder)]
    found = {address for file in files for address in _addresses(file)}
    requests = [Interaction(Request("", address)) for address in sorted(found)]
    if not files:
        return None
    placeholders = Placeholders(requests)
    placeholders.put()
    return placeholders


def _addresses(file: Path) -> Iterator[str]:
    # The lines are enough: reading all tapes of a project takes too long.
    try:
        data = file.read_bytes()
    except OSError:
        return
    yield from {address.decode("ascii", "replace") for address in _ADDRESS.findall(data)}
