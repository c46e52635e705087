"""`tracetape cassette from-trace`: a stored trace becomes a tape, and a test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner
from far_end import ASK, FarEnd, chunk, events, http

import tracetape
from tracetape.cassettes import load
from tracetape.cli import main
from tracetape.instrument import autolog

PytestRun = Callable[..., "subprocess.CompletedProcess[str]"]


def sse(*chunks: dict[str, Any]) -> Any:
    headers = {"content-type": "text/event-stream"}
    return http.Response(200, content=events(*chunks), headers=headers)


@pytest.fixture
def trace_id() -> Any:
    """A stored trace: an agent that asks plainly, in a stream, and for what is not there."""
    autolog()
    far_end = FarEnd()
    missing = {"error": {"message": "no such model"}}
    retry = http.Response(429, json={}, headers={"retry-after-ms": "1"})
    stream = sse(chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}))
    far_end.answers = [retry, None, stream, http.Response(404, json=missing)]
    far_end.answers[1] = http.Response(200, json=far_end_completion())
    client = far_end.client()

    @tracetape.trace
    def agent(question: str) -> str:
        answer = client.chat.completions.create(**ASK).choices[0].message.content
        parts = client.chat.completions.create(**ASK, stream=True)
        text = "".join(part.choices[0].delta.content or "" for part in parts)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{**ASK, "model": "none"})
        return f"{answer} {text}"

    assert agent("Why?") == "Hi Hello"
    tracetape.flush()
    yield tracetape.get_last_active_trace_id()
    autolog(disable=True)


def far_end_completion() -> dict[str, Any]:
    from far_end import COMPLETION

    return COMPLETION


@pytest.fixture
def run(store_path: Path) -> Callable[..., Any]:
    def call(*arguments: str) -> Any:
        return CliRunner().invoke(
            main, ["cassette", "from-trace", *arguments, "--store", str(store_path)]
        )

    return call


@pytest.fixture
def pytest_run(command_warm: PytestRun, few_plugins: None) -> PytestRun:
    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TRACETAPE_", "CI"))}
        options = ("-q", "-p", "no:cacheprovider", *arguments)
        return command_warm(*options, module="pytest", environment={**inherited, **environment})

    return call


def test_the_calls_of_a_trace_become_a_tape(
    run: Callable[..., Any], trace_id: str, tmp_path: Path
) -> None:
    """In their order, refused attempts too; what is there is not overwritten unasked."""
    done = run(trace_id[:12], "-o", "a.yaml")
    assert done.exit_code == 0, done.output
    assert done.output == f"a.yaml: 4 requests of {trace_id}\n"
    found = load(tmp_path / "a.yaml").interactions
    assert [one.response and one.response.status for one in found] == [429, 200, 200, 404]
    done = run(trace_id, "-o", "a.yaml")
    assert done.exit_code == 1
    assert "a.yaml exists already" in done.output
    assert run(trace_id, "-o", "a.yaml", "--force").exit_code == 0


def test_a_tape_that_no_test_would_find_is_refused(
    run: Callable[..., Any], trace_id: str, tmp_path: Path
) -> None:
    """The marker of a test adds `.yaml` to a name without it."""
    done = run(trace_id, "-o", "cases/a", "--test", "tests/test_x.py")
    assert done.exit_code == 1
    assert "choose one that ends in .yaml" in done.output
    assert not (tmp_path / "tests").exists()


def test_single_spans_may_be_chosen(
    run: Callable[..., Any], trace_id: str, tmp_path: Path, store_path: Path
) -> None:
    """By what their ids begin with, as `show --full` has them; one that is not there is named."""
    trace = tracetape.get_trace(trace_id)
    assert trace is not None
    spans = trace.search_spans(span_type="CHAT_MODEL")
    shown = CliRunner().invoke(main, ["show", "--full", trace_id, "--store", str(store_path)])
    assert all(span.span_id in shown.stdout for span in trace.data.spans)
    chosen = spans[1].span_id[:10].upper()
    assert run(trace_id, "-o", "a.yaml", "--span", chosen).exit_code == 0
    (one,) = load(tmp_path / "a.yaml").interactions
    assert one.response is not None
    assert one.response.is_event_stream
    done = run(trace_id, "-o", "b.yaml", "--span", "xyz")
    assert done.exit_code == 1
    assert "has no span 'xyz'" in done.output


def test_the_test_that_is_written_runs_and_notices_changes(
    run: Callable[..., Any], pytest_run: PytestRun, trace_id: str, tmp_path: Path
) -> None:
    """The calls pass at once; with the program put in, the recorded tree is what is expected."""
    done = run(trace_id, "-o", "cassettes/a.yaml", "--test", "tests/test_agent.py")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[1:] == [
        "tests/test_agent.py",
        "tests/test_agent.calls.txt",
        "tests/test_agent.program.txt",
    ]
    first = pytest_run("tests")
    assert "1 passed, 1 skipped" in first.stdout, first.stdout

    test = tmp_path / "tests" / "test_agent.py"
    text = test.read_text()
    assert "# What was traced is 'agent', called with\n    # {'question': 'Why?'}" in text
    skip = '@pytest.mark.skip(reason="import your program, and call it in here")\n'
    test.write_text(text.replace(skip, "").replace("    # What was", f"{PROGRAM}    # What was"))
    assert "2 passed" in (second := pytest_run("tests")).stdout, second.stdout

    tree = tmp_path / "tests" / "test_agent.calls.txt"
    kept = tree.read_text()
    tree.write_text(kept.replace("Hello", "Good bye"))
    third = pytest_run("tests")
    assert "1 failed, 1 passed" in third.stdout
    assert "Good bye" in third.stdout
    assert "2 passed" in pytest_run("tests", TRACETAPE_UPDATE_SNAPSHOTS="1").stdout
    assert tree.read_text() == kept


PROGRAM = f"""\
    import openai, tracetape
    client = openai.OpenAI(api_key="k", base_url="https://far.end/v1")
    ask = {ASK!r}

    @tracetape.trace
    def agent(question):
        answer = client.chat.completions.create(**ask).choices[0].message.content
        parts = client.chat.completions.create(**ask, stream=True)
        text = "".join(part.choices[0].delta.content or "" for part in parts)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{{**ask, "model": "none"}})
        return f"{{answer}} {{text}}"

    agent("Why?")
"""
