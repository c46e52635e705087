"""`tracetape show`."""

from __future__ import annotations

import click

from tracetape.cli.common import find_trace, opened, store_option
from tracetape.entities import Trace

__all__ = ["print_trace", "show"]


@click.command(name="show")
@click.argument("trace_id", required=False)
@click.option("--full", is_flag=True, help="Whole inputs, outputs and stack traces.")
@store_option
def show(trace_id: str | None, full: bool, store: str | None) -> None:
    """Show a trace as a tree: the last one, or the one whose id begins with TRACE_ID."""
    source = opened(store)
    trace = source.get_trace(find_trace(source, trace_id))
    if trace is not None:
        print_trace(trace, full=full)


def print_trace(trace: Trace, *, full: bool = False) -> None:
    """Print the tree, in colours on a terminal."""
    from rich.console import Console

    from tracetape.views import render_tree

    Console(highlight=False).print(render_tree(trace, full=full))
