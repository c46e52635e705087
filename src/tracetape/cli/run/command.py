"""`tracetape run`: any program, traced, no code changed."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]

_MODES = ("none", "once", "new_episodes", "all")


@click.command(
    name="run",
    context_settings={"allow_interspersed_args": False},
    short_help="Run a program with its calls traced.",
)
@click.option("-m", "module", is_flag=True, help="PROGRAM is a module, as with `python -m`.")
@click.option(
    "--cassette",
    metavar="PATH",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record HTTP to this file, or replay it from there.",
)
@click.option(
    "--cassette-mode",
    type=click.Choice(_MODES),
    default="once",
    show_default=True,
    help="none: only replay; once: record if there is no file; new_episodes: record what is "
    "new; all: record everything again.",
)
@click.option(
    "--cassette-rename",
    metavar="FROM=TO",
    multiple=True,
    help="Write TO instead of FROM at the beginning of URLs on the cassette; may be repeated.",
)
@click.option(
    "--cassette-ignore",
    metavar="FIELD",
    multiple=True,
    help="A field that may vary, such as body.user or query.api-version; may be repeated.",
)
@click.option(
    "--cassette-allow-host",
    metavar="HOST",
    multiple=True,
    help="A host that is reached for real, also in replay, and never recorded; may be repeated.",
)
@click.option(
    "--store", metavar="URL", help="Where the traces go.  [default: .tracetape/traces.db]"
)
@click.option("--show/--no-show", default=False, help="Print the traces afterwards.")
@click.argument("program")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context,
    module: bool,
    cassette: Path | None,
    cassette_mode: str,
    cassette_rename: tuple[str, ...],
    cassette_ignore: tuple[str, ...],
    cassette_allow_host: tuple[str, ...],
    store: str | None,
    show: bool,
    program: str,
    args: tuple[str, ...],
) -> None:
    """Run PROGRAM with its calls traced: a Python script, a module (-m), or any command.

    Python programs that it starts are traced as well.
    """
    from tracetape.cli.run.cassette import open_tape
    from tracetape.cli.run.programs import Command, find_program
    from tracetape.cli.run.run import Run
    from tracetape.exceptions import InvalidValueError

    for parameter in (
        "cassette_mode",
        "cassette_rename",
        "cassette_ignore",
        "cassette_allow_host",
    ):
        if cassette is None and _is_given(ctx, parameter):
            raise click.UsageError(f"--{parameter.replace('_', '-')} needs --cassette PATH")
    found = find_program(program, args, module=module)
    if cassette is not None and isinstance(found, Command):
        raise InvalidValueError(
            f"a cassette is held by one process, and the command {program!r} runs in another: "
            "give the script or the module (-m) itself to `tracetape run --cassette`"
        )
    tape = None
    if cassette is not None:
        tape = open_tape(
            cassette, cassette_mode, cassette_rename, cassette_ignore, cassette_allow_host
        )
    ctx.exit(Run(tape, store, show=show).run(found))


def _is_given(ctx: click.Context, parameter: str) -> bool:
    """Whether this option is on the command line."""
    return ctx.get_parameter_source(parameter) is click.core.ParameterSource.COMMANDLINE
