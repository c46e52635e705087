"""`tracetape cassette check`."""

from __future__ import annotations

from pathlib import Path

import click

from tracetape._terminal import plural, visible_line
from tracetape.cli.cassette.files import paths_argument, tape_files
from tracetape.cli.shared.output import echo

__all__ = ["check_command"]


@click.command(name="check", short_help="Look for secrets on cassettes.")
@paths_argument
@click.pass_context
def check_command(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """Look for secrets on cassettes: files, or folders and all below them.

    Without PATH it is the folder `cassettes`. Exit status 1, if anything is found or a file
    cannot be read; it says what kind of secret is where, never the secret itself.
    """
    from tracetape.cassettes import check
    from tracetape.exceptions import CassetteError

    files = tape_files(paths)
    problems = secrets = 0
    for path in files:
        try:
            lines = [str(finding) for finding in check([path])]
            secrets += len(lines)
        except CassetteError as error:
            lines = [str(error)]
        for line in lines:
            echo(visible_line(line))
        problems += len(lines)
    number = plural(len(files), "cassette")
    if problems:
        echo(f"tracetape: {plural(problems, 'problem')} in {number}", err=True)
        if secrets:
            echo(
                "tracetape: `tracetape cassette scrub PATH` takes secrets out, and "
                "`tracetape cassette migrate PATH` also brings cassettes of other tools into "
                "tracetape's form; then revoke what was published",
                err=True,
            )
        ctx.exit(1)
    echo(f"tracetape: {number} checked, no secrets found", err=True)
