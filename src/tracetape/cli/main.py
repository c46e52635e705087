"""The commands' group, and how errors are shown."""

from __future__ import annotations

import sys
from typing import Any

import click

from tracetape._terminal import visible, visible_line
from tracetape._version import __version__
from tracetape.cli.cassette import cassette
from tracetape.cli.delete import delete
from tracetape.cli.doctor import doctor
from tracetape.cli.exchange import export, import_
from tracetape.cli.ls import ls
from tracetape.cli.prune import prune
from tracetape.cli.run.command import run
from tracetape.cli.shared.ends import INTERRUPTED, notice_closed_output, of_output
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import tell_unreadable
from tracetape.cli.show import show
from tracetape.cli.tail import tail
from tracetape.exceptions import TracetapeException

__all__ = ["main"]

_EXAMPLES = """\
\b
Examples:
  tracetape run app.py                            trace a program, no code changed
  tracetape run --cassette chat.yaml app.py       record it once, then replay it
  tracetape ls                                    the newest traces
  tracetape ls --filter "status = 'ERROR'"        those that failed
  tracetape show                                  the last one, as a tree
"""


class _Group(click.Group):
    """An error of tracetape is one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
        except TracetapeException as error:
            tell_unreadable(ctx)
            echo(f"tracetape: error: {error}", err=True)
            ctx.exit(1)
        except click.ClickException as error:
            raise _cleaned(error) from None
        except MemoryError:
            echo(
                "tracetape: error: there is not enough memory: narrow it by a filter or a limit",
                err=True,
            )
            ctx.exit(1)
        except KeyboardInterrupt:
            tell_unreadable(ctx)
            echo("\ntracetape: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        if tell_unreadable(ctx):
            ctx.exit(1)
        return result

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            raise _cleaned(error) from None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            where = "standard output" if of_output(error) else error.filename
            if where is None:  # of no file that the user has named
                raise
            echo(f"tracetape: error: {visible_line(where)}: {error.strerror}", err=True)
            sys.exit(1)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        found = super().resolve_command(ctx, args)
        if found[1] is not run:  # the program that it runs may do without, as in Python
            notice_closed_output()
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of use


def _cleaned(error: click.ClickException) -> click.ClickException:
    """`error`, whose text may repeat an argument, with escapes for what a terminal would obey."""
    text = visible(error.format_message())
    error.format_message = lambda: text  # type: ignore[method-assign]
    return error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
@click.version_option(__version__, prog_name="tracetape")
def main() -> None:
    """See what your LLM program does, and replay it."""


main.add_command(run)
main.add_command(ls)
main.add_command(show)
main.add_command(tail)
main.add_command(export)
main.add_command(import_)
main.add_command(prune)
main.add_command(delete)
main.add_command(cassette)
main.add_command(doctor)
