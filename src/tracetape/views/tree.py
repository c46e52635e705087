"""A trace as a tree, for the terminal and for snapshots in tests."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import orjson

from tracetape.entities import Span, SpanStatusCode, SpanType, Trace, TraceState
from tracetape.views.format import clean, duration, one_line, tokens
from tracetape.views.preview import input_preview, output_preview

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text
    from rich.tree import Tree

__all__ = ["render_tree", "tree_text"]

_STATES = {TraceState.OK: "green", TraceState.ERROR: "bold red"}
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

    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(render_tree(trace, times=times, full=full), highlight=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above
    return "\n".join(line.rstrip() for line in text.splitlines())


def render_tree(trace: Trace, *, times: bool = True, full: bool = False) -> RenderableType:
    """The tree as rich shows it."""
    from rich.tree import Tree

    root = Tree(_header(trace, times), guide_style="dim")
    branches: dict[str, Tree] = {}
    for span in trace.data.spans:  # parents come first; one in another process may be missing
        above = branches.get(span.parent_id or "", root)
        branches[span.span_id] = above.add(_label(span, times))
        _add_details(branches[span.span_id], span, full)
    return root


def _header(trace: Trace, times: bool) -> Text:
    from rich.text import Text

    info = trace.info
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(one_line(info.name or "(no root yet)", 60), style="bold")
    text.append(f"  {info.state.value.replace('_', ' ')}", style=_STATES.get(info.state, "yellow"))
    if times:
        text.append(f"  {duration(trace.duration_ns)}")
    if info.token_usage:
        text.append(f"  {tokens(info.token_usage)}", style="cyan")
    if times:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.request_time / 1000))
        text.append(f"\n{info.trace_id}  {when}", style="dim")
    return text


def _label(span: Span, times: bool) -> Text:
    from rich.text import Text

    failed = span.status.status_code is SpanStatusCode.ERROR
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(one_line(span.name, 80), style="bold red" if failed else "bold")
    if span.span_type != SpanType.UNKNOWN:
        text.append(f"  {one_line(span.span_type, 30)}", style="magenta")
    if times:
        text.append(f"  {duration(span.duration_ns)}")
    if span.end_time_ns is None:
        text.append("  running", style="yellow")
    if span.model_name:
        model = f"{span.provider}/{span.model_name}" if span.provider else span.model_name
        text.append(f"  {one_line(model, 60)}", style="blue")
    if span.token_usage:
        text.append(f"  {tokens(span.token_usage)}", style="cyan")
    first = span.time_to_first_token_ns
    if times and first is not None:
        text.append(f"  first after {duration(first)}", style="dim")
    return text


def _add_details(branch: Tree, span: Span, full: bool) -> None:
    if full:
        for sign, value in (("in", span.inputs), ("out", span.outputs)):
            if value is not None:
                branch.add(_whole(sign, value))
    else:
        for sign, preview in (("→", input_preview(span)), ("←", output_preview(span))):
            if preview:
                branch.add(_line(f"{sign} {one_line(preview, _PREVIEW)}", "dim"))
    failed = span.status.status_code is SpanStatusCode.ERROR
    for event in span.events:
        said = event.attributes.get("exception.message")
        if event.name != "exception":
            branch.add(_line(f"• {one_line(event.name, _PREVIEW)}", "dim"))
        elif full and event.attributes.get("exception.stacktrace"):
            stack = clean(str(event.attributes["exception.stacktrace"]))
            branch.add(_line(stack, "red", wrap=True))
        elif not failed:  # one that was handled
            kind = event.attributes.get("exception.type", "exception")
            branch.add(_line(f"• {one_line(f'{kind}: {said}', _PREVIEW)}", "dim"))
    if failed:
        description = span.status.description or "no description"
        branch.add(_line(f"✗ {one_line(description, _PREVIEW)}", "red"))


def _line(text: str, style: str, *, wrap: bool = False) -> Text:
    from rich.text import Text

    return Text(text, style=style, no_wrap=not wrap, overflow="fold" if wrap else "ellipsis")


def _whole(sign: str, value: object) -> Text:
    body = value if isinstance(value, str) else orjson.dumps(value, option=_INDENT).decode()
    return _line(f"{sign}: {clean(body)}", "dim", wrap=True)


_INDENT = orjson.OPT_INDENT_2
