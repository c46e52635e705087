"""A trace as a tree."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import pytest
from rich.console import Console

import tracetape
from tracetape.entities import Document, Span, SpanEvent, SpanType, Trace, TraceData
from tracetape.entities.span import record_of
from tracetape.views import render_tree, tree_text

LastTrace = Callable[[], Trace]


def test_a_tree_without_times_is_the_same_for_every_run(
    last_trace: LastTrace,
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
    last_trace: LastTrace,
) -> None:
    """Text, parts of content, and tool calls."""
    with tracetape.start_span("chat", span_type=SpanType.CHAT_MODEL) as span:
        parts = [{"type": "text", "text": "What is"}, {"type": "image_url"}]
        span.set_inputs({"messages": [{"role": "system"}, {"role": "user", "content": parts}]})
        call = {"function": {"name": "look", "arguments": '{"at": 1}'}}
        span.set_outputs({"choices": [{"message": {"content": None, "tool_calls": [call]}}]})

    lines = tree_text(last_trace(), times=False).splitlines()
    assert lines[-2:] == ["    ├── → user: What is [image_url]", '    └── ← look({"at": 1})']


@pytest.mark.parametrize(
    ("path", "inputs", "outputs", "shown"),
    [
        (
            "/responses",
            {"model": "m", "input": "Where?"},
            {
                "output": [
                    {"type": "reasoning", "summary": []},
                    {"type": "message", "content": [{"type": "output_text", "text": "There."}]},
                    {"type": "function_call", "name": "look", "arguments": '{"at": 1}'},
                ]
            },
            ("→ user: Where?", '← There. look({"at": 1})'),
        ),
        (
            "/responses",
            {
                "input": [
                    {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
                    {"type": "function_call", "name": "look", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c", "output": "a wall"},
                ]
            },
            {"id": "r", "output": []},
            ("→ tool: a wall",),
        ),
        (
            "/v1/messages",
            {"system": "s", "messages": [{"role": "user", "content": "Where?"}]},
            {
                "content": [
                    {"type": "thinking", "thinking": "Hm."},
                    {"type": "text", "text": "There."},
                    {"type": "tool_use", "name": "look", "input": {"at": 1}},
                ]
            },
            ("→ user: Where?", '← There. look({"at":1})'),
        ),
    ],
)
def test_messages_of_other_forms_are_found_by_the_endpoint(
    path: str, inputs: object, outputs: object, shown: tuple[str, ...], last_trace: LastTrace
) -> None:
    """The table of endpoints names who reads them."""
    with tracetape.start_span("call", span_type=SpanType.CHAT_MODEL) as span:
        span.set_fields({"path": path, "base_url": "https://a.test"})
        span.set_inputs(inputs)
        span.set_outputs(outputs)

    lines = tree_text(last_trace(), times=False).splitlines()[2:]
    assert tuple(line.lstrip("│├└─ ") for line in lines) == shown


def test_untrusted_text_is_shown_not_obeyed(last_trace: LastTrace) -> None:
    """Neither rich's markup nor a terminal's escape sequences have an effect."""
    with tracetape.start_span("[red]name[/red]\x1b[2J") as span:
        span.set_outputs("\x1b]0;title\x07 [bold]x[/bold] \u202e \r\nnext")

    text = tree_text(last_trace(), times=False)
    assert "[red]name[/red]" in text
    assert "[bold]x[/bold]" in text
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


def test_long_values_are_cut_to_the_width(last_trace: LastTrace) -> None:
    """No line is longer than asked for."""
    with tracetape.start_span("long") as span:
        span.set_outputs("word " * 1000)
    assert max(map(len, tree_text(last_trace(), width=60).splitlines())) <= 60


def test_a_running_trace_says_so() -> None:
    """Its open spans have no duration yet."""
    with tracetape.start_span("outer") as span:
        trace = tracetape.get_trace(span.trace_id)
        assert trace is not None
        lines = tree_text(trace).splitlines()
    assert lines[0] == "outer  running  …"
    assert lines[2] == "└── outer  running"


def test_what_is_too_wide_for_one_line_goes_on_below(last_trace: LastTrace) -> None:
    """Model, tokens and times of a span are never cut, only inputs and outputs."""
    with tracetape.start_span("Completions", span_type=SpanType.CHAT_MODEL) as span:
        usage = {"input_tokens": 1234, "output_tokens": 56, "total_tokens": 1290}
        span.set_fields({"model": "gpt-4o-2024-08-06", "provider": "openai", "usage": usage})

    assert tree_text(last_trace(), times=False, width=50).splitlines()[1:] == [
        "└── Completions  CHAT_MODEL",
        "    openai/gpt-4o-2024-08-06  1,234 → 56 tokens",
    ]


def test_a_tree_deeper_than_the_screen_is_shown(last_trace: LastTrace) -> None:
    """The guides are shortened, the names are not."""
    with contextlib.ExitStack() as stack:
        for number in range(60):
            stack.enter_context(tracetape.start_span(f"level {number}"))

    lines = tree_text(last_trace(), times=False, width=60).splitlines()
    assert lines[1] == "└── level 0"
    assert lines[-1].startswith("…")
    assert lines[-1].endswith("└── level 59")
    assert max(map(len, lines)) <= 60


def test_a_span_without_its_parent_hangs_from_the_root(last_trace: LastTrace) -> None:
    """As one does whose parent is in a process that was killed; a ring is opened."""
    with tracetape.start_span("lost"), tracetape.start_span("a"), tracetape.start_span("b"):
        pass
    trace = last_trace()
    lost, a, b = trace.data.spans

    assert tree_text(Trace(trace.info, TraceData([b, a])), times=False) == (
        "lost  OK\n└── a\n    └── b"
    )
    a = Span(record_of(a).replace(parent_id=record_of(b).span_id))
    ring = tree_text(Trace(trace.info, TraceData([lost, a, b])), times=False)
    assert ring == "lost  OK\n├── lost\n└── a\n    └── b"


def test_a_retriever_is_previewed_by_the_titles_of_its_first_documents(
    last_trace: LastTrace,
) -> None:
    """A document without a title, by its beginning."""
    with tracetape.start_span("find", span_type=SpanType.RETRIEVER) as span:
        titled = [Document("…", {"title": f"Chapter {number}"}) for number in (1, 2)]
        span.set_outputs([*titled, Document("word " * 100), Document("not shown")])

    (line,) = tree_text(last_trace(), times=False, width=200).splitlines()[2:]
    assert line.startswith("    └── ← 4 documents: Chapter 1 · Chapter 2 · word word")
    assert line.endswith("… · …")


def test_in_full_everything_is_said(last_trace: LastTrace) -> None:
    """Whole values as JSON, the stack of an error; folded where they are wider than the screen."""

    @tracetape.trace
    def work(text: str) -> None:
        raise ValueError("no\x1b[2J")

    with pytest.raises(ValueError, match="no"):
        work("word " * 40)

    text = tree_text(last_trace(), full=True, width=60)
    assert text.count("word") == 40
    assert "Traceback (most recent call last):" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 60


def test_where_lines_cannot_be_drawn_letters_stand_for_them(
    last_trace: LastTrace,
) -> None:
    """A console that knows ASCII only gets a tree, not an error."""
    with tracetape.start_span("outer"), tracetape.start_span("inner"):
        pass
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=60).print(render_tree(last_trace(), times=False))
    file.seek(0)
    assert file.read().splitlines()[1:] == ["`-- outer", "    `-- inner"]
