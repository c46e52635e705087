"""`tracetape ls`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tracetape.cli.shared.output import echo, echo_json
from tracetape.cli.shared.stores import console, opened, shown_place, store_option

if TYPE_CHECKING:
    from rich.text import Text

    from tracetape.entities import TraceInfo
    from tracetape.store.query import Condition

__all__ = ["TraceLines", "ls", "with_text"]

# The columns, and how wide they are at least: `tail` does not know the lines to come.
_WIDTHS = {
    "id": 8,
    "when": 8,
    "name": 4,
    "state": 7,
    "duration": 8,
    "spans": 5,
    "tokens": 11,
    "errors": 6,
}
_RIGHT = ("when", "duration", "spans", "tokens", "errors")
_NAME = 40
_ID = 8  # digits of an id that are shown; more where two of the list begin alike


@click.command(name="ls", short_help="List the newest traces, or those that a filter finds.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@click.option("--filter", "filter_string", metavar="FILTER", help="Such as \"status = 'ERROR'\".")
@click.option("--text", help="Only traces with this text in their inputs or outputs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@store_option
def ls(
    limit: int, filter_string: str | None, text: str | None, as_json: bool, store: str | None
) -> None:
    """List the newest traces, running ones too, or those that a filter finds.

    Filters are those of tracetape.search_traces: "status = 'ERROR' AND span.type = 'LLM'".
    """
    from tracetape.store.filters import parse_filter
    from tracetape.store.query import TraceQuery

    condition = with_text(parse_filter(filter_string), text)
    with opened(store) as source:
        query = TraceQuery(condition, limit=limit)
        infos = [trace.info for trace in source.search(query, include_spans=False)]
        if source.scanned:
            echo(
                f"{source.scanned:,} texts are not in the text index yet, and were searched one by "
                "one; `tracetape prune --optimize` finishes it.",
                err=True,
            )
    if as_json:
        import orjson

        for info in infos:
            echo_json(orjson.dumps(_plain(info)).decode())
    elif infos:
        _print_table(infos)
    elif condition is not None:
        echo(f"No traces in {shown_place(source.url)} match.")
    else:
        place = shown_place(source.url)
        echo(f"No traces in {place} yet: run a program with `tracetape run app.py`.")


def with_text(condition: Condition | None, text: str | None) -> Condition | None:
    """Also that a text is in the trace, in upper or lower case."""
    from tracetape.store.filters import check_text
    from tracetape.store.query import And, Comparison

    if text is None:
        return condition
    check_text(text, "Invalid --text")
    found = Comparison("trace", "text", "ILIKE", f"%{text}%")
    return found if condition is None else And((condition, found))


def _plain(info: TraceInfo) -> dict[str, object]:
    from tracetape.live.liveness import is_unfinished

    return {
        "trace_id": info.trace_id,
        "name": info.name,
        "state": info.state.value,
        "unfinished": is_unfinished(info),
        "request_time_ms": info.request_time,
        "duration_ns": info.duration_ns,
        "span_count": info.span_count,
        "error_count": info.error_count,
        "token_usage": info.token_usage,
    }


def _print_table(infos: list[TraceInfo]) -> None:
    digits = _digits([info.trace_id.removeprefix("tr-") for info in infos])
    out = console()
    longest = max(len(info.name or "") for info in infos)
    for line in TraceLines(out.width, digits, longest).of(infos):
        out.print(line, no_wrap=True, overflow="ellipsis")


def _cells(info: TraceInfo, digits: int) -> list[Text]:
    from rich.text import Text

    from tracetape.views.format import ago, duration, one_line, state, token_counts

    said, style = state(info)
    return [
        Text(info.trace_id.removeprefix("tr-")[:digits], style="cyan"),
        Text(ago(info.request_time), style="dim"),
        Text(one_line(info.name or "(no root yet)", 200), style="bold"),
        Text(said, style=style),
        Text(duration(info.duration_ns)),
        Text(str(info.span_count)),
        Text(token_counts(info.token_usage)),
        Text(str(info.error_count or ""), style="bold red"),
    ]


class TraceLines:
    """Traces on lines of their own, in columns that grow with what comes."""

    def __init__(self, width: int, digits: int = _ID, name: int = _NAME) -> None:
        """Begin without a line.

        Args:
            width: of the output.
            digits: of an id.
            name: columns of a name, where there is room; a longer one moves what follows.
        """
        self._width, self._digits, self._name = width, digits, name
        self._widths = dict(_WIDTHS)
        self._is_headed = False

    def of(self, infos: list[TraceInfo]) -> Iterator[Text]:
        """A line for each; the names of the columns come before the first."""
        from rich.text import Text

        rows = [_cells(info, self._digits) for info in infos]
        for row in rows:
            for name, cell in zip(_WIDTHS, row, strict=True):
                if name != "name":
                    self._widths[name] = max(self._widths[name], cell.cell_len)
        if rows and not self._is_headed:
            self._is_headed = True
            rows.insert(0, [Text(name, style="dim") for name in _WIDTHS])
        for row in rows:
            yield self._aligned(row)

    def _aligned(self, cells: list[Text]) -> Text:
        from rich.text import Text

        others = sum(self._widths.values()) - self._widths["name"] + 2 * (len(cells) - 1)
        room = max(_WIDTHS["name"], self._width - others)
        for (name, wanted), cell in zip(self._widths.items(), cells, strict=True):
            if name == "name":
                cell.truncate(room, overflow="ellipsis")
                cell.pad_right(max(0, min(max(self._name, _WIDTHS[name]), room) - cell.cell_len))
            elif name in _RIGHT:
                cell.pad_left(wanted - cell.cell_len)
            else:
                cell.pad_right(wanted - cell.cell_len)
        return Text("  ").join(cells)


def _digits(ids: list[str]) -> int:
    digits = _ID
    while digits < 32 and len({one[:digits] for one in ids}) < len(set(ids)):
        digits += 1
    return digits
