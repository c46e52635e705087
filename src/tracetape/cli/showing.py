"""`tracetape show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tracetape.cli.common import console, find_trace, opened, store_option
from tracetape.cli.output import echo_json

if TYPE_CHECKING:
    from tracetape.entities import Trace

__all__ = ["print_trace", "show"]


@click.command(name="show", short_help="Show a trace as a tree.")
@click.argument("trace_id", required=False)
@click.option("--full", is_flag=True, help="Whole inputs, outputs and stack traces; ids of spans.")
@click.option("--json", "as_json", is_flag=True, help="All there is, in MLflow's trace JSON.")
@store_option
def show(trace_id: str | None, full: bool, as_json: bool, store: str | None) -> None:
    """Show a trace as a tree: the last one, or the one whose id begins with TRACE_ID."""
    if full and as_json:
        raise click.UsageError("--full and --json exclude each other: JSON is always whole.")
    with opened(store) as source:
        trace = source.get_trace(find_trace(source, trace_id))
    if trace is None:
        return  # deleted since it was found
    if as_json:
        echo_json(trace.to_json(pretty=True))
    else:
        print_trace(trace, full=full)


def print_trace(trace: Trace, *, full: bool = False) -> None:
    """Print the tree, in colours on a terminal."""
    from tracetape.views import render_tree

    console().print(render_tree(trace, full=full))
