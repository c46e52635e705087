"""`tracetape cassette from-trace`."""

from __future__ import annotations

from pathlib import Path

import click

from tracetape._terminal import plural, visible_line
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import find_trace, opened, store_option

__all__ = ["from_trace_command"]


@click.command(name="from-trace", short_help="Make a cassette, and a test, of a stored trace.")
@click.argument("trace_id")
@click.option(
    "--span",
    "spans",
    metavar="ID",
    multiple=True,
    help="Only this call, by its id in `show --full`. May be given several times.  "
    "[default: all calls]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The cassette to write.",
)
@click.option(
    "--test",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a pytest file that replays the calls and compares the tree of their spans.",
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@store_option
def from_trace_command(
    trace_id: str,
    spans: tuple[str, ...],
    output: Path,
    test: Path | None,
    force: bool,
    store: str | None,
) -> None:
    """Make a cassette of the trace whose id begins with TRACE_ID.

    Its calls of models are written as a recording would have them: chats, responses, completions,
    embeddings, plain and streamed, with their refused attempts and errors. The program that was
    traced then runs from it. Nothing is written if one of them cannot be replayed; the error says
    why, and --span leaves it out.
    """
    from tracetape.cassettes.rewrite import write
    from tracetape.exceptions import InvalidValueError, TracetapeException
    from tracetape.exchange.from_trace import calls_of, interactions_of
    from tracetape.privacy.files import write_private
    from tracetape.testing.skeleton import skeleton

    if output.suffix not in (".yaml", ".yml"):
        raise InvalidValueError(
            f"{output} is not a name for a cassette: choose one that ends in .yaml"
        )
    with opened(store) as source:
        trace = source.get_trace(find_trace(source, trace_id))
        if trace is None:
            why = "cannot be read" if source.unreadable.count() else "was deleted in the meantime"
            raise TracetapeException(f"the trace {trace_id} {why}")
        calls = calls_of(trace, spans)
        interactions = [
            one for span in calls for one in interactions_of(span, source.get_attachment)
        ]
    files = {} if test is None else skeleton(trace, calls, output, test)
    for path in () if force else (output, *files):
        if path.exists():
            raise InvalidValueError(f"{path} exists already: choose another name, or give --force")
    write(output, interactions)
    for path, text in files.items():
        write_private(path, text.encode())
    echo(f"{visible_line(output)}: {plural(len(interactions), 'request')} of {trace.trace_id}")
    for path in files:
        echo(visible_line(path))
