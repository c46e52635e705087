"""`tracetape cassette scrub` and `migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from tracetape._terminal import plural, visible_line
from tracetape.cli.cassette.files import paths_argument, tape_files
from tracetape.cli.shared.output import echo

__all__ = ["migrate_command", "scrub_command"]


@click.command(name="scrub", short_help="Take secrets out of cassettes.")
@paths_argument
@click.option(
    "--replace",
    "replacements",
    metavar="NAME=OTHER",
    multiple=True,
    help="A name to replace everywhere, such as that of an account, an organisation or a host; "
    "may be repeated.",
)
def scrub_command(paths: tuple[Path, ...], replacements: tuple[str, ...]) -> None:
    """Take secrets out of cassettes, and rewrite those that had any.

    Headers are kept by the list of those that recordings keep; credentials and all that looks
    like a key become REDACTED. Files, or folders and all below them; without PATH, `cassettes`.
    """
    from tracetape.cassettes.rewrite import scrub
    from tracetape.exceptions import CassetteError

    pairs = dict(_pair(text) for text in replacements)
    files = tape_files(paths)
    changed: list[Path] = []
    problems: list[str] = []
    for path in files:
        try:
            if scrub(path, pairs):
                changed.append(path)
                echo(visible_line(path))
        except CassetteError as error:  # the others are rewritten anyway
            problems.append(str(error))
    echo(f"tracetape: {len(changed):,} of {plural(len(files), 'cassette')} rewritten", err=True)
    if problems:
        raise CassetteError("\n".join(problems))


@click.command(name="migrate", short_help="Rewrite other tools' cassettes as ours.")
@paths_argument
def migrate_command(paths: tuple[Path, ...]) -> None:
    """Rewrite other tools' cassettes (vcrpy, ruby's VCR, LangChain, Datadog) as ours.

    Secrets are taken out as `scrub` does. YAML files are replaced, except those that are ours
    already. A JSON or packed file stays, and a .yaml file is written next to it.
    Files, or folders and all below them; without PATH, `cassettes`.
    """
    from tracetape.cassettes.rewrite import YAML, migrate
    from tracetape.exceptions import InvalidValueError

    for path in tape_files(paths):
        target = path if path.suffix in YAML else _beside(path)
        if target != path and target.exists():
            raise InvalidValueError(f"{path} was not migrated: {target} exists already")
        length = migrate(path, target)
        if length is None:
            echo(f"{visible_line(path)}: unchanged, it is a tracetape cassette already")
        else:
            echo(f"{visible_line(path)} → {visible_line(target)}: {plural(length, 'request')}")


def _beside(path: Path) -> Path:
    """``a.yaml.gz`` and ``a.json`` become ``a.yaml``."""
    bare = path.with_suffix("") if path.suffix == ".gz" else path
    return (
        bare.with_suffix(".yaml")
        if bare.suffix in (".json", ".yaml", ".yml")
        else Path(f"{bare}.yaml")
    )


def _pair(text: str) -> tuple[str, str]:
    from tracetape.exceptions import InvalidValueError

    name, separator, other = text.partition("=")
    if not (name and separator):
        raise InvalidValueError(f"--replace {text!r} does not name two texts: write NAME=OTHER")
    return name, other
