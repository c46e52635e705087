"""`tracetape ls`."""

from __future__ import annotations

import click

from tracetape.cli.common import opened, shown_place, store_option
from tracetape.entities import TraceInfo, TraceState

__all__ = ["ls"]

_ID = 8  # digits of an id that are shown; more where two of the list begin alike


@click.command(name="ls")
@click.option("-n", "--limit", default=20, show_default=True, help="How many, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@store_option
def ls(limit: int, as_json: bool, store: str | None) -> None:
    """List the newest traces."""
    source = opened(store)
    infos = source.list_traces(limit)
    if as_json:
        import orjson

        for info in infos:
            click.echo(orjson.dumps(_plain(info)))
    elif infos:
        _print_table(infos)
    else:
        place = shown_place(source.url)
        click.echo(f"No traces in {place} yet: run a program with `tracetape run app.py`.")


def _plain(info: TraceInfo) -> dict[str, object]:
    return {
        "trace_id": info.trace_id,
        "name": info.name,
        "state": info.state.value,
        "request_time_ms": info.request_time,
        "duration_ns": info.duration_ns,
        "span_count": info.span_count,
        "error_count": info.error_count,
        "token_usage": info.token_usage,
    }


def _print_table(infos: list[TraceInfo]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tracetape.views.format import ago, duration, one_line, tokens

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", no_wrap=True, style="dim")
    table.add_column("name", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("state", no_wrap=True)
    for name in ("duration", "spans", "errors", "tokens", "when"):
        table.add_column(name, justify="right", no_wrap=True)
    digits = _digits([info.trace_id.removeprefix("tr-") for info in infos])
    styles = {TraceState.OK: "green", TraceState.ERROR: "bold red"}
    for info in infos:
        table.add_row(
            info.trace_id.removeprefix("tr-")[:digits],
            Text(one_line(info.name or "(no root yet)", 200)),
            Text(info.state.value.replace("_", " "), style=styles.get(info.state, "yellow")),
            duration(info.duration_ns),
            str(info.span_count),
            Text(str(info.error_count), style="bold red") if info.error_count else "",
            tokens(info.token_usage).removesuffix(" tokens"),
            ago(info.request_time),
        )
    Console().print(table)


def _digits(ids: list[str]) -> int:
    digits = _ID
    while digits < 32 and len({one[:digits] for one in ids}) < len(set(ids)):
        digits += 1
    return digits
