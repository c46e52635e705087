"""Helpers that several commands share."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracetape._terminal import visible_line
from tracetape.exceptions import TracetapeException
from tracetape.formats.ids import parse_trace_id

if TYPE_CHECKING:
    from rich.console import Console

    from tracetape.entities import Trace, TraceInfo
    from tracetape.store import SQLiteStore

__all__ = [
    "console",
    "find_trace",
    "numeric_id",
    "opened",
    "opened_to_change",
    "print_trace",
    "shown_place",
    "store_option",
    "tell_rest",
    "tell_unreadable",
    "tell_unreadable_of",
]

_READ = "tracetape.stores"  # where the context keeps those that a command reads
_REASON = 400  # characters of a reason why something cannot be read
_LOG_SECONDS = 2.0  # for those who read a store in which something was removed
_PIPE_WIDTH = 200  # where no terminal and no COLUMNS say how wide a line is
_DIGITS = frozenset("0123456789abcdef")

store_option = click.option(
    "--store",
    metavar="URL",
    help="The store: sqlite:///path or a path.  [default: TRACETAPE_STORE, else the nearest "
    ".tracetape/traces.db upwards from here]",
)


@contextlib.contextmanager
def opened(url: str | None) -> Iterator[SQLiteStore]:
    """The store to read, closed again at the end of the block."""
    from tracetape.store import find_store, open_store

    store = find_store() if url is None else open_store(url, read_only=True)
    tell_unreadable_of(store)
    try:
        yield store
    finally:
        store.close()


def tell_unreadable_of(store: SQLiteStore) -> None:
    """Have the command say at its end what of the store it could not read, and fail then."""
    store.reports_unreadable = True
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_READ, []).append(store)


def tell_unreadable(context: click.Context) -> bool:
    """Say what of the stores could not be read; whether there is anything."""
    from tracetape.cli.shared.output import echo
    from tracetape.views.format import one_line

    told = False
    for store in context.meta.get(_READ, ()):
        if store.unreadable.count():
            told = True
            text = f"in {shown_place(store.url)} {store.unreadable}"
            echo(f"tracetape: {one_line(text, _REASON)}", err=True)
    return told


@contextlib.contextmanager
def opened_to_change(url: str | None) -> Iterator[SQLiteStore]:
    """The store to remove traces from, which must be there; closed again at the end of the block.

    Raises:
        StoreError: there is none, or not tracetape's.
    """
    from tracetape.store import open_store

    with opened(url) as found:
        found.open()  # as a reader, which makes nothing
        place = found.url
    store = open_store(place)
    store.is_watched = True
    try:
        yield store
    finally:
        store.close()


def tell_rest(store: SQLiteStore) -> None:
    """Say if what was removed may still be in the file, or in the log next to it."""
    from tracetape.cli.shared.output import echo

    if not store.empty_log(_LOG_SECONDS):
        place = shown_place(store.url)
        echo(
            f"tracetape: another program reads {place} or writes to it: what was removed may "
            f"still be in the file, or in {place}-wal, until that program writes again or ends; "
            "`tracetape prune --optimize` looks again",
            err=True,
        )


def numeric_id(info: TraceInfo) -> int:
    """The 128-bit id of a trace, as stores take it."""
    return parse_trace_id(info.trace_id)


def find_trace(store: SQLiteStore, name: str | None) -> int:
    """The trace that a user means: the last one, or that whose id begins like this.

    Raises:
        TracetapeException: there is none, or there are several.
    """
    if name is None:
        newest = store.list_traces(1)
        if not newest:
            raise TracetapeException(
                f"there are no traces in {shown_place(store.url)} yet: "
                "run a program with `tracetape run app.py`"
            )
        return numeric_id(newest[0])
    prefix = name.lower().removeprefix("tr-")
    found = store.resolve(prefix) if prefix and _DIGITS.issuperset(prefix) else []
    if not found:
        raise TracetapeException(
            f"there is no trace whose id begins with {name!r} in {shown_place(store.url)}: "
            "`tracetape ls` lists them"
        )
    if len(found) > 1:
        ids = ", ".join(f"tr-{number:032x}" for number in found[:3])
        raise TracetapeException(
            f"{name!r} is the beginning of several ids ({ids}{', …' if len(found) > 3 else ''}): "
            "give more of it"
        )
    return found[0]


def shown_place(url: str, folder: Path | None = None) -> str:
    """A store's URL as a user would write it in `folder`: a relative path, where there is one."""
    path = url.removeprefix("sqlite:///")
    if path == url:
        return url
    try:
        return visible_line(Path(path).relative_to(folder or Path.cwd()))
    except ValueError:
        return visible_line(path)


def console() -> Console:
    """Standard output: as wide as the terminal, in colours if it is one."""
    from rich.console import Console

    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # what its encoding cannot say is not a reason to fail
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((_PIPE_WIDTH, 0)).columns
    return Console(width=width, highlight=False, markup=False, emoji=False)


def print_trace(trace: Trace, *, full: bool = False) -> None:
    """Print the tree, in colours on a terminal."""
    from tracetape.views import render_tree

    console().print(render_tree(trace, full=full))
