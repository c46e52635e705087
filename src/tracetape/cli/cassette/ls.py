"""`tracetape cassette ls` and `show`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracetape._terminal import plural, visible, visible_line
from tracetape.cli.cassette.files import paths_argument, tape_files
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import console

if TYPE_CHECKING:
    from tracetape.cassettes import Interaction

__all__ = ["ls_command", "show_command"]


@click.command(name="ls", short_help="List cassettes.")
@paths_argument
@click.pass_context
def ls_command(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """List cassettes: files, or folders and all below them; without PATH, `cassettes`.

    Exit status 1, if one cannot be read.
    """
    from rich.table import Table

    from tracetape.cassettes import load
    from tracetape.exceptions import CassetteError

    table = Table(box=None, pad_edge=False)
    for heading in ("requests", "streams", "kB"):
        table.add_column(heading, justify="right")
    table.add_column("hosts")
    table.add_column("cassette")
    failed = 0
    for path in tape_files(paths):
        try:
            tape = load(path)
        except CassetteError as error:
            failed += 1
            echo(str(error), err=True)
            continue
        found = tape.interactions
        streams = sum(one.response is not None and one.response.is_event_stream for one in found)
        hosts = ", ".join(dict.fromkeys(_host(one.request.url) for one in found))
        size = f"{path.stat().st_size / 1000:,.1f}"
        name = f"{path} (incomplete)" if tape.incomplete else str(path)
        table.add_row(
            f"{len(found):,}", f"{streams:,}", size, visible_line(hosts), visible_line(name)
        )
    console().print(table)
    if failed:
        ctx.exit(1)


@click.command(name="show", short_help="Show what is on a cassette.")
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("number", required=False, type=click.IntRange(min=1))
def show_command(path: Path, number: int | None) -> None:
    """Show what is on the cassette PATH: a line a request, or all of the one with this NUMBER."""
    from tracetape.cassettes import load
    from tracetape.exceptions import InvalidValueError

    tape = load(path)
    found = tape.interactions
    if number is None:
        lines = [f"{at:4}  {_line(one)}" for at, one in enumerate(found, 1)]
        if tape.incomplete:
            lines.append("      the recording is incomplete")
    elif number > len(found):
        raise InvalidValueError(
            f"{path} has only {plural(len(found), 'request')}: there is no number {number:,}"
        )
    else:
        lines = [*_whole(found[number - 1])]
    out = console()
    for line in lines:
        # What a server sent must not command the terminal.
        out.print(visible(line), soft_wrap=True)


def _host(url: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc or "–"


def _line(one: Interaction) -> str:
    response = one.response
    said = [f"{one.request.method} {one.request.url}"]
    if response is not None:
        said.append(f"{response.status} {response.reason}".rstrip())
        said.append(f"{len(response.body):,} bytes")
        if len(response.chunks) > 1:
            seconds = sum(chunk.delay for chunk in response.chunks)
            said.append(f"{len(response.chunks):,} chunks in {seconds:,.2f} s")
        if response.cut:
            said.append("cut")
    if one.error is not None:
        said.append(f"{one.error.type}: {one.error.message}")
    return " · ".join(said)


def _whole(one: Interaction) -> Iterator[str]:
    yield _line(one)
    yield from ["", "Request", *(f"{name}: {value}" for name, value in one.request.headers)]
    yield from _body(one.request.body, one.request.header("content-type"))
    if one.response is not None:
        yield from ["", "Response", *(f"{name}: {value}" for name, value in one.response.headers)]
        yield from _body(one.response.body, one.response.header("content-type"))


def _body(data: bytes, content_type: str) -> Iterator[str]:
    from tracetape.cassettes.file.bodies import to_stored

    if data:
        stored = to_stored(data, content_type)
        yield ""
        yield stored if isinstance(stored, str) else f"({len(data):,} bytes, not text)"
