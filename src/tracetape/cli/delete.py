"""`tracetape delete`."""

from __future__ import annotations

import sys

import click

from tracetape._terminal import plural
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import (
    find_trace,
    opened_to_change,
    shown_place,
    store_option,
    tell_rest,
)

__all__ = ["delete"]

_SHOWN = 10  # of the traces that would go
_ROUND = 50  # removed in one transaction, so that other writers wait for some ms at most


@click.command(name="delete", short_help="Remove traces for good.")
@click.argument("trace_ids", nargs=-1)
@click.option("--filter", "filter_string", metavar="FILTER", help="Such as \"status = 'ERROR'\".")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
def delete(
    trace_ids: tuple[str, ...], filter_string: str | None, yes: bool, store: str | None
) -> None:
    """Remove the traces whose ids begin with TRACE_IDS, or those that a filter finds.

    Shows them, and asks first.
    """
    from tracetape.store.filters import parse_filter
    from tracetape.store.query import TraceQuery
    from tracetape.views.format import one_line

    condition = parse_filter(filter_string)
    if bool(trace_ids) == (condition is not None):
        raise click.UsageError("Name traces, or give a --filter.")
    with opened_to_change(store) as source:
        if trace_ids:
            numbers = list(dict.fromkeys(find_trace(source, one) for one in trace_ids))
        else:
            numbers = source.find(TraceQuery(condition))
        place = shown_place(source.url)
        if not numbers:
            echo(f"No traces in {place} match.")
            return
        if not yes:
            for number in numbers[:_SHOWN]:
                trace = source.get_trace(number)
                name = "" if trace is None else one_line(trace.info.name or "", 60)
                echo(f"tr-{number:032x}  {name}")
            if len(numbers) > _SHOWN:
                echo(f"… and {len(numbers) - _SHOWN:,} more")
            if not sys.stdin.isatty():
                raise click.UsageError(
                    "Nothing was deleted: there is no terminal to ask, give --yes."
                )
            click.confirm(
                f"Delete {plural(len(numbers), 'trace')} from {place} for good?", abort=True
            )
        removed = 0
        for start in range(0, len(numbers), _ROUND):
            removed += source.delete(numbers[start : start + _ROUND])
        tell_rest(source)
    echo(f"{plural(removed, 'trace')} deleted from {place}.")
