"""A trace as a tree, for the terminal and for snapshots in tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from tracetape._json import dumps
from tracetape.entities import Span, SpanEvent, SpanStatusCode, SpanType, Trace, TraceInfo
from tracetape.live.liveness import is_unfinished
from tracetape.views.branches import Branch, cut, folded, joined, stacked
from tracetape.views.format import (
    clean,
    duration,
    local_time,
    one_line,
    sign_of_life,
    state,
    tokens,
)
from tracetape.views.preview import input_preview, output_preview

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["render_tree", "tree_text"]

_PREVIEW = 400  # characters of a preview at most, however wide the terminal is


def tree_text(trace: Trace, *, times: bool = True, full: bool = False, width: int = 100) -> str:
    """The tree as plain text.

    Args:
        trace: the trace.
        times: with durations, ids and moments; without them two runs give the same text.
        full: whole inputs and outputs instead of previews.
        width: characters a line.
    """
    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, legacy_windows=False)
    console.print(render_tree(trace, times=times, full=full), highlight=False)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def render_tree(trace: Trace, *, times: bool = True, full: bool = False) -> RenderableType:
    """The tree as rich shows it: cut to the width, or folded if `full`."""
    heading = joined([*_heading(trace, times)])
    root = Branch(stacked(heading, cut(_identity(trace))) if times else heading)
    branches: dict[str, Branch] = {}
    for span in trace.data.spans:
        branches[span.span_id] = Branch(joined([*_label(span, times, trace.info)]))
        if full and times:
            branches[span.span_id].add(_line(f"id {span.span_id}", "dim"))
        for detail in _details(span, full):
            branches[span.span_id].add(detail)
    parents = {span.span_id: span.parent_id for span in trace.data.spans}
    loose = _loose(parents)
    for span_id, parent in parents.items():
        above = root if parent is None or span_id in loose else branches[parent]
        above.add(branches[span_id])
    return root


def _loose(parents: dict[str, str | None]) -> set[str]:
    """Spans to hang from the root: their parent is not in the trace, or is below them."""
    loose: set[str] = set()
    settled: set[str] = set()
    for span_id in parents:
        one: str = span_id
        way: dict[str, None] = {}
        while one not in settled and one not in way:
            way[one] = None
            above = parents[one]
            if above is None or above not in parents:
                loose.add(one)
                break
            one = above
        else:
            if one in way:
                loose.add(one)  # a ring
        settled.update(way)
    return loose


def _heading(trace: Trace, times: bool) -> Iterator[Text]:
    from rich.text import Text

    info = trace.info
    yield Text(one_line(info.name or "(no root yet)", 60), style="bold")
    yield Text(*state(info))
    if times and sign_of_life(info):
        yield Text(sign_of_life(info), style="dim")
    elif times:
        yield Text(duration(trace.duration_ns))
    if info.token_usage:
        yield Text(tokens(info.token_usage), style="cyan")


def _identity(trace: Trace) -> Text:
    from rich.text import Text

    when = local_time("%Y-%m-%d %H:%M:%S", trace.info.request_time)
    return Text(f"{trace.info.trace_id}  {when}", style="dim")


def _label(span: Span, times: bool, info: TraceInfo) -> Iterator[Text]:
    from rich.text import Text

    failed = span.status.status_code is SpanStatusCode.ERROR
    yield Text(one_line(span.name, 80), style="bold red" if failed else "bold")
    if span.span_type != SpanType.UNKNOWN:
        yield Text(one_line(span.span_type, 30), style="magenta")
    if span.end_time_ns is None:
        yield Text("unfinished", "red") if is_unfinished(info) else Text("running", "yellow")
    elif times:
        yield Text(duration(span.duration_ns))
    if span.model_name:
        model = f"{span.provider}/{span.model_name}" if span.provider else span.model_name
        yield Text(one_line(model, 60), style="blue")
    if span.token_usage:
        yield Text(tokens(span.token_usage), style="cyan")
    first = span.time_to_first_token_ns
    if times and first is not None:
        yield Text(f"first token after {duration(first)}", style="dim")


def _details(span: Span, full: bool) -> Iterator[Branch]:
    if full:
        for sign, value in (("in", span.inputs), ("out", span.outputs)):
            if value is not None:
                yield _whole(sign, value)
    else:
        for sign, preview in (("→", input_preview(span)), ("←", output_preview(span))):
            if preview:
                yield _line(f"{sign} {one_line(preview, _PREVIEW)}", "dim")
    failed = span.status.status_code is SpanStatusCode.ERROR
    for event in span.events:
        if event.name != "exception":
            yield _line(f"• {one_line(event.name, _PREVIEW)}", "dim")
        elif full and event.attributes.get("exception.stacktrace"):
            yield _text(str(event.attributes["exception.stacktrace"]), "red")
        elif not failed:
            yield _line(f"• {one_line(_handled(event), _PREVIEW)}", "dim")
    if failed:
        description = span.status.description or "failed, and did not say why"
        yield _line(f"✗ {one_line(description, _PREVIEW)}", "red")


def _handled(event: SpanEvent) -> str:
    """An exception that did not make the span fail."""
    kind = event.attributes.get("exception.type", "exception")
    return f"{kind}: {event.attributes.get('exception.message', '')}"


def _whole(sign: str, value: object) -> Branch:
    if not isinstance(value, str):
        value = dumps(value, orjson.OPT_INDENT_2).decode()
    return _text(f"{sign}: {value}", "dim")


def _text(text: str, style: str) -> Branch:
    from rich.text import Text

    return Branch(folded(Text(clean(text).expandtabs(4).rstrip("\n"), style=style)))


def _line(text: str, style: str) -> Branch:
    from rich.text import Text

    return Branch(cut(Text(text, style=style)))
