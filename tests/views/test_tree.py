"""A trace as a tree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import tracetape
from tracetape.entities import Document, SpanEvent, SpanType, Trace
from tracetape.views import tree_text


def test_a_tree_without_times_is_the_same_for_every_run(
    last_trace: Callable[[], Trace],
) -> None:
    """Names, types, previews and errors; no durations, no ids."""

    @tracetape.trace(span_type=SpanType.RETRIEVER)
    def find(question: str) -> list[Document]:
        return [Document("Paris is in France."), Document("Rome is not.")]

    def run() -> str:
        with contextlib.suppress(KeyError):
            with tracetape.start_span("root", span_type=SpanType.CHAIN) as span:
                span.set_inputs({"question": "where?"})
                span.add_event(SpanEvent("started"))
                find("where?")
                raise KeyError("x")
        return tree_text(last_trace(), times=False)

    assert run() == run()
    assert run() == (
        "root  ERROR\n"
        "└── root  CHAIN\n"
        "    ├── → where?\n"
        "    ├── • started\n"
        "    ├── ✗ KeyError: 'x'\n"
        "    └── find  RETRIEVER\n"
        "        ├── → where?\n"
        "        └── ← 2 documents: Paris is in France. · Rome is not."
    )


def test_a_chat_is_previewed_by_its_last_question_and_its_answer(
    last_trace: Callable[[], Trace],
) -> None:
    """Text, parts of content, and tool calls."""
    with tracetape.start_span("chat", span_type=SpanType.CHAT_MODEL) as span:
        parts = [{"type": "text", "text": "What is"}, {"type": "image_url"}]
        span.set_inputs({"messages": [{"role": "system"}, {"role": "user", "content": parts}]})
        call = {"function": {"name": "look", "arguments": '{"at": 1}'}}
        span.set_outputs({"choices": [{"message": {"content": None, "tool_calls": [call]}}]})

    lines = tree_text(last_trace(), times=False).splitlines()
    assert lines[-2:] == ["    ├── → user: What is [image_url]", '    └── ← look({"at": 1})']


def test_untrusted_text_is_shown_not_obeyed(last_trace: Callable[[], Trace]) -> None:
    """Neither rich's markup nor a terminal's escape sequences have an effect."""
    with tracetape.start_span("[red]name[/red]\x1b[2J") as span:
        span.set_outputs("\x1b]0;title\x07 [bold]x[/bold] \u202e \r\nnext")

    text = tree_text(last_trace(), times=False)
    assert "[red]name[/red]" in text
    assert "[bold]x[/bold]" in text
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


def test_long_values_are_cut_to_the_width(last_trace: Callable[[], Trace]) -> None:
    """No line is longer than asked for."""
    with tracetape.start_span("long") as span:
        span.set_outputs("word " * 1000)
    assert max(map(len, tree_text(last_trace(), width=60).splitlines())) <= 60


def test_a_running_trace_says_so(store_path: object) -> None:
    """Its open spans have no duration yet."""
    with tracetape.start_span("outer") as span:
        trace = tracetape.get_trace(span.trace_id)
        assert trace is not None
        text = tree_text(trace)
    assert text.startswith("outer  IN PROGRESS  …")
    assert "running" in text
