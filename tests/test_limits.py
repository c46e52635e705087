"""Sizes, durations and switches, as users write them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracetape
from tracetape.limits import parse_bytes, parse_flag, parse_seconds, timeout_seconds
from tracetape.media.policy import policy
from tracetape.tracing.runtime import runtime


@pytest.mark.parametrize("text", ["", "M", "5M", "5 months", "NaN", "inf", "1e3s", "--1s", "1 s s"])
def test_a_duration_that_cannot_be_read_is_named(text: str) -> None:
    """With how it is to be written."""
    with pytest.raises(tracetape.TracetapeException) as caught:
        parse_seconds(text)
    assert repr(text) in str(caught.value)
    assert "30m" in str(caught.value) or "5m" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"), [("10MB", 10**7), ("1 KiB", 1024), ("7", 7), (7, 7), ("0", 0), ("5B", 5)]
)
def test_where_a_plain_number_is_bytes(text: str | int, size: int) -> None:
    """The unit may be left out."""
    assert parse_bytes(text, plain=True) == size


@pytest.mark.parametrize("size", [-1, True, 1.5, None, "ten", "5M"])
def test_the_bound_of_attachments_is_checked(size: Any) -> None:
    """And nothing changes."""
    with pytest.raises(tracetape.TracetapeException, match=r"not a size|ambiguous"):
        tracetape.configure(max_attachment_size=size if size is not None else [])
    assert policy.now.max_bytes is None


def test_variables_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning each, with the value and what is taken instead."""
    for name in ("TRACETAPE_TRACE_MAX_ATTACHMENT_SIZE", "TRACETAPE_DISABLED"):
        monkeypatch.setenv(name, "mayhap")
        runtime.defaults()
        runtime.defaults()
        said = [one.getMessage() for one in caplog.records]
        (warning,) = [one for one in said if one.startswith(f"tracetape: {name}: ")]
        assert "'mayhap'" in warning
    assert runtime.enabled


@pytest.mark.parametrize(
    ("text", "on"), [("On", True), (" 1 ", True), ("OFF", False), ("0", False)]
)
def test_switches(text: str, on: bool) -> None:
    """In upper and lower case."""
    assert parse_flag(text) is on


@pytest.mark.parametrize("value", ["5", b"5", "soon", [], float("nan"), object()])
def test_a_timeout_that_is_no_number_is_an_error(value: Any) -> None:
    """Rather than a wait without an end."""
    with pytest.raises(tracetape.TracetapeException, match="timeout must be a number"):
        tracetape.flush(value)
    assert timeout_seconds(None) is None
    assert tracetape.flush(-1) == tracetape.flush(float("inf")) == 0


def test_who_only_reads_makes_no_store(run_python: Callable[..., Any], tmp_path: Path) -> None:
    """Neither when recording is off, nor before anything was recorded."""
    program = """
        import logging, threading, tracetape
        logging.disable()
        stats = tracetape.stats()
        assert stats["store"] == "sqlite:///" + PLACE, stats
        id = "tr-" + 32 * "1"
        assert tracetape.get_trace(id) is None
        assert tracetape.search_traces(return_type="list") == []
        assert tracetape.search_sessions() == []
        try:
            tracetape.log_feedback(trace_id=id, name="good", value=True)
        except tracetape.TracetapeException:
            pass
        assert tracetape.flush() == 0
        assert threading.active_count() == 1
    """
    default = tmp_path / ".tracetape" / "traces.db"
    run_python(program.replace("PLACE", repr(str(default))), TRACETAPE_DISABLED="1")
    run_python(program.replace("PLACE", repr(str(default))))
    named = tmp_path / "named.db"
    begin = f"import tracetape\ntracetape.configure(store={str(named)!r})\n"
    lines = program.replace("PLACE", repr(str(named))).replace("\n        ", "\n")
    run_python(begin + lines)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_another_process_made_is_read(
    run_python: Callable[..., Any], tmp_path: Path
) -> None:
    """Before this one records anything."""
    made = run_python("import tracetape\nwith tracetape.start_span() as s: print(s.trace_id)")
    read = "import sys, tracetape\nprint(tracetape.get_trace(sys.argv[1]).info.trace_id)"
    trace_id = made.stdout.strip()
    assert run_python(read, trace_id).stdout.strip() == trace_id


@pytest.mark.skipif(
    sys.version_info[:3] == (3, 13, 0),
    reason="where the folder is gone, Python 3.13.0 itself cannot import socket (SystemError)",
)
@pytest.mark.parametrize("named", ["", "tracetape.configure(store='mine.db')"])
def test_a_working_directory_that_is_gone(
    named: str, run_python: Callable[..., Any], tmp_path: Path
) -> None:
    """Traces are kept in memory, with one warning; all that reads goes on."""
    done = run_python(
        f"""
        import os, tracetape
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir(os.getcwd())
        {named}
        print(tracetape.stats()["store"])
        with tracetape.start_span("kept") as span:
            pass
        print(tracetape.flush(20), tracetape.stats()["written"], tracetape.stats()["store"])
        print(tracetape.get_trace(span.trace_id).info.name, tracetape.stats()["faults"])
        """
    )
    assert done.stdout == "memory://\n0 1 memory://\nkept {}\n"
    assert done.stderr.count("kept in memory only") == 1
    assert done.stderr.count("working directory was deleted") == 1
    assert list(tmp_path.iterdir()) == []
