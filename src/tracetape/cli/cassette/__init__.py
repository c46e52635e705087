"""`tracetape cassette`: the commands for tapes."""

from __future__ import annotations

import click

from tracetape.cli.cassette.check import check_command
from tracetape.cli.cassette.from_trace import from_trace_command
from tracetape.cli.cassette.ls import ls_command, show_command
from tracetape.cli.cassette.rewrite import migrate_command, scrub_command

__all__ = ["cassette"]


@click.group(name="cassette", short_help="Look after cassettes.")
def cassette() -> None:
    """Look after cassettes."""


cassette.add_command(ls_command)
cassette.add_command(show_command)
cassette.add_command(from_trace_command)
cassette.add_command(check_command)
cassette.add_command(scrub_command)
cassette.add_command(migrate_command)
