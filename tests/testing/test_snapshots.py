"""Trees of traces as text, and snapshots in files."""

from __future__ import annotations

from pathlib import Path

import pytest

import tracetape
from tracetape.entities import SpanEvent, Trace
from tracetape.entities.attachment import Attachment
from tracetape.testing import assert_snapshot, capture


def work(text: str) -> None:
    with tracetape.start_span("agent", span_type="AGENT") as span:
        span.set_inputs({"question": text})
        with tracetape.start_span("look up") as inner:
            inner.set_outputs(Attachment(content_type="image/png", content_bytes=b"1234"))
            inner.add_event(SpanEvent("found"))


def test_a_tree_is_the_same_in_each_run() -> None:
    """Without times and ids, also in references to media; with names, values and events."""
    with capture() as traces:
        work("Why?")
        work("Why?")
        work("How?")
    first, second, third = (trace.tree() for trace in traces)
    assert first == second != third
    assert traces[0].tree(full=True) == traces[1].tree(full=True)
    lines = first.splitlines()
    assert lines[0] == "agent  OK"
    assert "agent  AGENT" in lines[1]
    assert "→ Why?" in lines[2]
    assert "look up" in lines[3]
    assert "found" in lines[-1]


def test_captured_traces_are_traces() -> None:
    """They compare equal to the same trace from elsewhere."""
    with capture() as traces:
        work("Why?")
    again = Trace.from_json(traces[0].to_json())
    assert traces[0] == again
    assert again == traces[0]
    assert traces[0] != 1


def test_capture_works_without_pytest(run_python: object) -> None:
    """In a script: what is traced in the block is there after it, and in no store."""
    done = run_python(  # type: ignore[operator]
        """
        import tracetape
        from tracetape.testing import capture

        with capture() as traces:
            with tracetape.start_span("work"):
                pass
        print(traces[0].tree())
        """
    )
    assert done.stdout == "work  OK\n└── work\n"
    assert not Path(".tracetape").exists()


def test_a_snapshot_is_written_once_and_compared_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference is shown line by line, with what to do if it is right."""
    path = tmp_path / "deep" / "tree.txt"
    with pytest.raises(AssertionError, match="TRACETAPE_UPDATE_SNAPSHOTS=1"):
        assert_snapshot("a\nb", path)
    assert not path.exists()
    monkeypatch.setenv("TRACETAPE_UPDATE_SNAPSHOTS", "1")
    assert_snapshot("a\nb", path)
    monkeypatch.delenv("TRACETAPE_UPDATE_SNAPSHOTS")
    assert_snapshot("a\nb", path)
    with pytest.raises(AssertionError, match=r"(?s)-b\n\+c\n.*TRACETAPE_UPDATE_SNAPSHOTS=1"):
        assert_snapshot("a\nc", path)
    assert path.read_text() == "a\nb\n"
