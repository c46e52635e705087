"""`tracetape run`: any program, traced, no code changed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracetape.cli.programs import Program
from tracetape.exceptions import CassetteError, InvalidValueError
from tracetape.store import open_store

if TYPE_CHECKING:
    from tracetape.cassettes import Player

__all__ = ["run"]

_HOLDER = "TRACETAPE_CASSETTE_HOLDER"
_MODES = ("none", "once", "new_episodes", "all")


@click.command(
    name="run",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("-m", "module", is_flag=True, help="PROGRAM is a module, as with `python -m`.")
@click.option("--cassette", type=click.Path(path_type=Path), help="Record HTTP to, or replay from.")
@click.option(
    "--cassette-mode",
    type=click.Choice(_MODES),
    default="once",
    show_default=True,
    help="none: only replay; once: record if there is no file; all: record anew.",
)
@click.option(
    "--cassette-rename",
    metavar="FROM=TO",
    multiple=True,
    help="How the beginning of a URL is to stand on the cassette.",
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
    store: str | None,
    show: bool,
    program: str,
    args: tuple[str, ...],
) -> None:
    """Run PROGRAM with its calls traced: a Python script, a module (-m), or any command.

    Python programs that it starts are traced as well.
    """
    if store is not None:
        os.environ["TRACETAPE_STORE"] = open_store(store).url  # checked before anything runs
    chosen = Program(program, list(args), module=module)
    tape = _tape(cassette, cassette_mode, _renames(cassette_rename))
    from tracetape.cli.report import Report

    report = Report()
    status = 0
    with contextlib.suppress(_ProgramFailed), _holding(cassette), tape as player:
        report.player = player
        status = chosen.run()
        if status:
            raise _ProgramFailed  # so that its tape is kept, but not taken for whole
    report.print(show=show)
    ctx.exit(status)


class _ProgramFailed(Exception):  # noqa: N818 - it is no error of ours
    pass


def _tape(
    path: Path | None, mode: str, renames: dict[str, str]
) -> AbstractContextManager[Player | None]:
    if path is None:
        return contextlib.nullcontext()
    from tracetape.cassettes import cassette

    return cassette(path, mode=mode, rename_hosts=renames)


def _renames(pairs: tuple[str, ...]) -> dict[str, str]:
    environment = os.environ.get("TRACETAPE_CASSETTE_RENAME", "")
    renames = {}
    for pair in (*filter(None, environment.split(",")), *pairs):
        real, separator, shown = pair.partition("=")
        if not separator:
            raise InvalidValueError(f"{pair!r} is no pair of URLs: write FROM=TO")
        renames[real] = shown
    return renames


@contextlib.contextmanager
def _holding(path: Path | None) -> Iterator[None]:
    """Keep child processes off a tape: two writers would destroy it.

    Raises:
        CassetteError: a parent process holds it.
    """
    if path is None:
        yield
        return
    holder, _, held = os.environ.get(_HOLDER, "").partition(":")
    if held == str(path.absolute()):
        raise CassetteError(
            f"the cassette {path} is held by the process {holder} that started this one: "
            "give the child a cassette of its own"
        )
    os.environ[_HOLDER] = f"{os.getpid()}:{path.absolute()}"
    try:
        yield
    finally:
        del os.environ[_HOLDER]
