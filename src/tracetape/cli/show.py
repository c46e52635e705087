"""`tracetape show`."""

from __future__ import annotations

import click

from tracetape.cli.shared.output import echo_json
from tracetape.cli.shared.stores import find_trace, opened, print_trace, store_option

__all__ = ["show"]


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
