"""`tracetape tail`."""

from __future__ import annotations

import time

import click

from tracetape.cli.ls import TraceLines, with_text
from tracetape.cli.shared.output import echo
from tracetape.cli.shared.stores import console, opened, shown_place, store_option

__all__ = ["tail"]

_SECONDS = 0.3  # between two looks


@click.command(name="tail", short_help="Show traces as they come.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="How many of the latest to begin with.",
)
@click.option("--filter", "filter_string", metavar="FILTER", help="Such as \"status = 'ERROR'\".")
@click.option("--text", help="Only traces with this text in their inputs or outputs.")
@click.option("--once", is_flag=True, hidden=True, help="Look once, for tests.")
@store_option
def tail(
    limit: int, filter_string: str | None, text: str | None, once: bool, store: str | None
) -> None:
    """Show the latest traces, a line each, and those that come, until Ctrl-C.

    A trace is shown when it begins, and again when it ends, or when its process is gone. Where
    there is no store yet, the command waits for it.
    """
    from tracetape.store.filters import parse_filter
    from tracetape.store.query import TraceQuery
    from tracetape.views.format import state

    condition = with_text(parse_filter(filter_string), text)
    shown: dict[str, str] = {}
    out = console()
    first = True
    lines = TraceLines(out.width)
    if not once:
        _wait_for_store(store)
    with opened(store) as source:
        while True:
            # Long-running ones may end at any time: look at more than are new.
            query = TraceQuery(condition, limit=max(limit, 100))
            infos = [trace.info for trace in source.search(query, include_spans=False)]
            news = []
            for index, info in reversed(list(enumerate(infos))):
                now, _ = state(info)  # a process that died has left its traces unfinished
                if shown.get(info.trace_id) == now:
                    continue
                shown[info.trace_id] = now
                if not first or index < limit:
                    news.append(info)
            for line in lines.of(news):
                out.print(line, no_wrap=True, overflow="ellipsis")
            if once:
                return
            first = False
            time.sleep(_SECONDS)


def _wait_for_store(url: str | None) -> None:
    """Return once there is a store to read; say once that it is waited for.

    Raises:
        StoreError: what is there is not tracetape's, or cannot be read.
    """
    from tracetape.store import find_store, open_store
    from tracetape.store.inspection import NoStoreError

    told = False
    while True:
        # Each time again: the program may make its store in this folder, or in one above.
        store = find_store() if url is None else open_store(url, read_only=True)
        try:
            store.open()
            return
        except NoStoreError:
            if not told:
                place = shown_place(store.url)
                echo(f"tracetape: waiting for the first trace in {place}", err=True)
                told = True
        finally:
            store.close()
        time.sleep(_SECONDS)
