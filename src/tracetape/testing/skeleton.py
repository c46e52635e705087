"""A pytest file made of a stored trace, with the snapshots that it compares."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from tracetape._terminal import visible_json
from tracetape.entities import Span, Trace, TraceData
from tracetape.entities.span import record_of
from tracetape.live.summary import summarise
from tracetape.testing.captured_traces import CapturedTrace

__all__ = ["skeleton"]

_CALLS = '''\
"""Replays {trace_id}: made by `tracetape cassette from-trace`."""

from pathlib import Path

import pytest
from tracetape.testing import assert_snapshot, replay_calls

HERE = Path(__file__).parent
TAPE = str(HERE / {tape})


@pytest.mark.cassette(TAPE, mode="none"{ignore})
def {name}_calls(cassette, traces):
    """The recorded calls, made again, give the recorded spans."""
    replay_calls(cassette{asynchronous})
    trees = "\\n".join(trace.tree() for trace in traces)
    assert_snapshot(trees, HERE / {calls})
'''
_PROGRAM = '''

@pytest.mark.skip(reason="import your program, and call it in here")
@pytest.mark.cassette(TAPE, mode="none"{ignore})
def {name}_program(traces):
    """The program, run again, gives the recorded tree."""
    # What was traced is {root}, called with
    # {arguments}
    assert_snapshot(traces[0].tree(), HERE / {program})
'''
_ARGUMENTS = 80  # characters of them that are shown


def skeleton(trace: Trace, calls: Sequence[Span], tape: Path, test: Path) -> dict[Path, str]:
    """The files to write: the test, and its snapshots next to it.

    Args:
        trace: the stored trace.
        calls: those of its spans that are on the tape.
        tape: the tape's path.
        test: the test's path.
    """
    calls_file = test.with_name(f"{test.stem}.calls.txt")
    program_file = test.with_name(f"{test.stem}.program.txt")
    tape_path = Path(os.path.relpath(tape.absolute(), test.absolute().parent)).as_posix()
    names = {
        "trace_id": trace.trace_id,
        "name": _identifier(test.stem),
        "tape": _quoted(tape_path),
        "calls": _quoted(calls_file.name),
        "program": _quoted(program_file.name),
        "ignore": _ignored(calls),
        "asynchronous": _asynchronous(calls),
    }
    alone = "\n".join(_alone(span).tree() for span in calls)
    files = {test: _CALLS.format(**names), calls_file: alone + "\n"}
    roots = [span for span in trace.data.spans if span.parent_id is None]
    if roots and roots[0] not in calls:
        root = f"{roots[0].name!a}"
        arguments = _short(ascii(roots[0].inputs))
        files[test] += _PROGRAM.format(**names, root=root, arguments=arguments)
        program = CapturedTrace(trace.info, trace.data).tree()
        files[program_file] = program + "\n"
    return files


def _quoted(text: str) -> str:
    """A string of Python, in the quotes that formatters like; JSON's escapes are Python's too."""
    return visible_json(json.dumps(text, ensure_ascii=False))


def _identifier(stem: str) -> str:
    safe = "".join(each if each.isascii() and each.isalnum() else "_" for each in stem)
    return safe if safe.startswith("test_") else f"test_{safe}"


def _ignored(calls: Sequence[Span]) -> str:
    # A trace does not hold the version of Azure's API, which its client sends.
    azure = any(span.provider == "azure" for span in calls)
    return ', ignore=["query.api-version"]' if azure else ""


def _asynchronous(calls: Sequence[Span]) -> str:
    numbers = [number for number, span in enumerate(calls) if span.name.startswith("Async")]
    return f", asynchronous={numbers}" if numbers else ""


def _alone(span: Span) -> CapturedTrace:
    """The trace of a call without a parent."""
    root = record_of(span).replace(parent_id=None)
    return CapturedTrace(summarise(root.trace_id, [root]), TraceData([Span(root)]))


def _short(text: str) -> str:
    return text if len(text) <= _ARGUMENTS else f"{text[:_ARGUMENTS]} (shortened)"
