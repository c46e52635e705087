"""`tracetape prune`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from tracetape._terminal import plural
from tracetape.cli.shared.output import echo, echo_over
from tracetape.cli.shared.stores import opened_to_change, shown_place, store_option, tell_rest

__all__ = ["prune"]


@click.command(name="prune", short_help="Remove old traces.")
@click.option("--older-than", metavar="AGE", help="Such as 12h, 30d or 4w.")
@click.option("--max-size", metavar="SIZE", help="Such as 500MB or 2GB: the oldest go first.")
@click.option("--optimize", is_flag=True, help="Finish the text index, so that searches are quick.")
@store_option
def prune(older_than: str | None, max_size: str | None, optimize: bool, store: str | None) -> None:
    """Remove old traces, and give their space back to the disk; finish the text index.

    Programs may go on writing meanwhile. Traces that are running stay.
    """
    from tracetape.limits import parse_seconds
    from tracetape.store.retention import Retention, parse_size

    bounded = older_than is not None or max_size is not None
    if not bounded and not optimize:
        raise click.UsageError("Say --older-than, --max-size, or both; or --optimize.")
    retention = Retention(
        None if older_than is None else parse_seconds(older_than),
        None if max_size is None else parse_size(max_size),
    )
    with opened_to_change(store) as source:
        path = source.url.removeprefix("sqlite:///")
        before = _size(path)
        removed = 0
        for count in source.prune(retention):
            removed += count
            echo_over(f"{plural(removed, 'trace')} removed …")
        for left in source.optimize() if optimize else ():
            echo_over(f"{plural(left, 'text')} to index …")
        echo_over("")
        tell_rest(source)
        place = shown_place(source.url)
    done = [f"{plural(removed, 'trace')} removed from {place}"] if bounded else []
    if optimize:
        done.append(f"the text index of {place} is complete")
    echo(f"{', '.join(done)}: {_megabytes(before)} before, {_megabytes(_size(path))} now.")


def _size(path: str) -> int:
    """Of the file and the log next to it."""
    return sum(os.path.getsize(p) for p in (path, f"{path}-wal") if Path(p).is_file())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
