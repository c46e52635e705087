"""The tape of a `tracetape run`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tracetape.exceptions import CassetteError, InvalidValueError

if TYPE_CHECKING:
    from tracetape.cassettes import OpenCassette

__all__ = ["open_tape"]

_HOLDER = "TRACETAPE_CASSETTE_HOLDER"


def open_tape(
    path: Path,
    mode: str,
    renames: tuple[str, ...],
    ignored: tuple[str, ...] = (),
    allowed: tuple[str, ...] = (),
) -> AbstractContextManager[OpenCassette]:
    """The tape at `path`, kept from this process's children: two writers would destroy it.

    Args:
        path: the file.
        mode: ``none``, ``once``, ``new_episodes`` or ``all``.
        renames: pairs ``FROM=TO``, in addition to those of ``TRACETAPE_CASSETTE_RENAME``.
        ignored: fields that may vary.
        allowed: hosts that are reached for real.

    Raises:
        CassetteError: a parent process holds it.
        InvalidValueError: an option has a value that means nothing.
    """
    place = str(path.resolve())
    held = [entry.partition(":") for entry in os.environ.get(_HOLDER, "").splitlines()]
    for holder, _, taken in held:
        if taken == place:
            raise CassetteError(
                f"the cassette {path} is held by the process {holder} that started this one: "
                "give the child a cassette of its own"
            )
    os.environ[_HOLDER] = "\n".join(["".join(entry) for entry in held] + [f"{os.getpid()}:{place}"])
    from tracetape.cassettes import Cassette
    from tracetape.cassettes.advice import ON_COMMAND_LINE

    options = {
        "mode": mode,
        "rename_hosts": _pairs(renames),
        "ignore": [*ignored],
        "allow_hosts": [*allowed],
        "scope": "process",
    }
    return Cassette(path, options, ON_COMMAND_LINE)


def _pairs(renames: tuple[str, ...]) -> dict[str, str]:
    environment = os.environ.get("TRACETAPE_CASSETTE_RENAME", "")
    pairs = {}
    for rename in (*filter(None, environment.split(",")), *renames):
        real, separator, shown = rename.partition("=")
        if not (real and separator):
            raise InvalidValueError(f"{rename!r} does not name two URLs: write FROM=TO")
        pairs[real] = shown
    return pairs
