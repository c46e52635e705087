"""`tracetape cassette check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

__all__ = ["cassette"]

_SUFFIXES = (".yaml", ".yml", ".json")


@click.group(name="cassette", short_help="Look after cassettes.")
def cassette() -> None:
    """Look after cassettes."""


@cassette.command(name="check", short_help="Look for secrets on cassettes.")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def check_command(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Look for secrets on cassettes: files, or folders and all below them.

    Without PATH it is the folder `cassettes`. Exit status 1, if anything is found or a file
    cannot be read; it says what kind of secret stands where, never the secret itself.
    """
    from tracetape.cassettes import check
    from tracetape.exceptions import CassetteError

    files = _files(paths or (Path("cassettes"),))
    problems = 0
    for path in files:
        try:
            lines = [str(finding) for finding in check([path])]
        except CassetteError as error:
            lines = [str(error)]
        for line in lines:
            click.echo(line)
        problems += len(lines)
    number = f"{len(files):,} cassette{'' if len(files) == 1 else 's'}"
    if problems:
        click.echo(
            f"tracetape: {problems:,} problem{'' if problems == 1 else 's'} in {number}", err=True
        )
        ctx.exit(1)
    click.echo(f"tracetape: {number} checked, no secrets found", err=True)


def _files(paths: Sequence[Path]) -> list[Path]:
    from tracetape.exceptions import InvalidValueError

    files: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise InvalidValueError(f"there is no {path}: name cassettes, or folders of them")
        inside = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        files.update(dict.fromkeys(inside if path.is_dir() else [path]))
    return list(files)
