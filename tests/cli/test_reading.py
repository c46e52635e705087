"""`tracetape ls` and `tracetape show`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracetape
from tracetape.cli import main
from tracetape.entities import SpanType, Trace
from tracetape.store import TraceUpdate, open_store

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Script = Callable[[str], str]


@pytest.fixture
def two_traces(store_path: Path) -> list[str]:
    """Ids of a good trace and of a later one that failed."""
    with tracetape.start_span("good", span_type=SpanType.CHAIN) as good:
        good.set_inputs({"question": "why?"})
        good.set_outputs("because")
    with pytest.raises(ValueError, match="no"), tracetape.start_span("bad") as bad:
        raise ValueError("no")
    assert tracetape.flush() == 0
    return [good.trace_id, bad.trace_id]


def read(command: Tracetape, store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(*arguments, "--store", str(store))


def make_empty(store_path: Path) -> None:
    store = open_store(str(store_path))
    store.open()
    store.close()


def test_ls_lists_the_newest_first(
    tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """With state, duration, number of spans, tokens and errors."""
    header, bad, good = read(tracetape_command, store_path, "ls").stdout.splitlines()
    assert header.split() == [
        *["id", "when", "name", "state", "duration", "spans", "tokens", "errors"]
    ]
    assert bad.split()[4:6] == ["bad", "ERROR"]
    assert good.split()[4:6] == ["good", "OK"]
    assert two_traces[0].startswith(f"tr-{good.split()[0]}")
    assert len(read(tracetape_command, store_path, "ls", "--limit", "1").stdout.splitlines()) == 2


def test_ls_gives_json_for_programs(
    tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """One object a line, with the whole id."""
    import json

    lines = read(tracetape_command, store_path, "ls", "--json").stdout.splitlines()
    bad, good = map(json.loads, lines)
    assert [good["trace_id"], bad["trace_id"]] == two_traces
    assert (good["state"], bad["state"], bad["error_count"]) == ("OK", "ERROR", 1)


def test_show_gives_the_last_trace(
    tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """Errors stand under their span."""
    lines = read(tracetape_command, store_path, "show").stdout.splitlines()
    assert lines[0].startswith("bad  ERROR")
    assert lines[1].startswith(two_traces[1])
    assert lines[-1] == "    └── ✗ ValueError: no"


@pytest.mark.parametrize("form", ["{}", "{:.12}", "{:.12}|upper"])
def test_show_takes_the_beginning_of_an_id(
    form: str, tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """With or without `tr-`, in any case."""
    name = form.removesuffix("|upper").format(two_traces[0].removeprefix("tr-"))
    name = name.upper() if form.endswith("upper") else name
    done = read(tracetape_command, store_path, "show", name)
    assert done.stdout.startswith("good  OK")
    assert read(tracetape_command, store_path, "show", f"tr-{name}").stdout == done.stdout


def test_show_full_prints_everything(
    tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """Whole inputs and outputs, and the stack trace of an error."""
    good = read(tracetape_command, store_path, "show", "--full", two_traces[0]).stdout
    assert '"question": "why?"' in good
    bad = read(tracetape_command, store_path, "show", "--full", two_traces[1]).stdout
    assert "Traceback (most recent call last)" in bad


def test_an_unknown_id_is_an_error_that_names_it(
    tracetape_command: Tracetape, store_path: Path, two_traces: list[str]
) -> None:
    """And says how to find one."""
    done = read(tracetape_command, store_path, "show", "tr-nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("tracetape: error: there is no trace whose id begins with 'tr-n")
    assert "tracetape ls" in done.stderr


def test_an_ambiguous_id_is_an_error(tracetape_command: Tracetape, store_path: Path) -> None:
    """With 17 traces two begin with the same digit."""
    for _ in range(17):
        with tracetape.start_span("one"):
            pass
    assert tracetape.flush() == 0
    for digit in "0123456789abcdef":
        done = read(tracetape_command, store_path, "show", digit)
        if "is the beginning of several ids" in done.stderr:
            return
    pytest.fail("no digit was ambiguous")


def test_a_missing_store_says_how_to_get_one(tracetape_command: Tracetape) -> None:
    """No file is made by looking."""
    done = tracetape_command("ls", TRACETAPE_STORE="none.db")  # else one above would be found
    assert done.returncode == 1
    assert "there is no trace store at" in done.stderr
    assert "TRACETAPE_STORE" in done.stderr


def test_an_empty_store_is_no_error(tracetape_command: Tracetape, store_path: Path) -> None:
    """It says how to make a trace."""
    make_empty(store_path)
    done = read(tracetape_command, store_path, "ls")
    assert done.returncode == 0
    assert "tracetape run" in done.stdout


def test_help_and_version(tracetape_command: Tracetape) -> None:
    """Both are there, and `python -m tracetape` calls itself tracetape."""
    assert tracetape_command("--version").stdout.startswith("tracetape, version ")
    assert "Usage: tracetape [OPTIONS]" in tracetape_command("--help").stdout


def test_the_help_says_what_each_command_does(runner: CliRunner) -> None:
    """In whole sentences, on a terminal of 80 columns."""
    said = runner.invoke(main, ["--help"], terminal_width=80).stdout
    commands = said.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert len(commands) == len(main.commands)
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_what_is_running_is_listed_as_running(store_path: Path) -> None:
    """Also when its process was killed meanwhile."""
    store = open_store(str(store_path))
    store.write([TraceUpdate(trace_id=1, start_ns=time.time_ns(), spans=[], name="slow")])
    store.close()
    done = CliRunner().invoke(main, ["ls", "--store", str(store_path)])
    assert done.output.splitlines()[1].split()[4:7] == ["slow", "running", "…"]


def test_the_spans_of_a_running_trace_are_counted(store_path: Path) -> None:
    """Those that are stored, though the root has not ended."""
    with tracetape.start_span("root"):
        with tracetape.start_span("child"):
            pass
        tracetape.flush()
        for command in (["ls"], ["tail", "--once"]):
            done = CliRunner().invoke(main, [*command, "--store", str(store_path)])
            line = done.output.splitlines()[-1].split()
            assert line[-4:] == ["root", "running", "…", "2"]


def test_ids_are_shown_as_long_as_they_must_be(store_path: Path) -> None:
    """What `ls` prints is enough for `show`."""
    store = open_store(str(store_path))
    for trace_id in (0xABCDEF0123 << 88, 0xABCDEF0124 << 88):
        store.write([TraceUpdate(trace_id=trace_id, start_ns=time.time_ns(), spans=[], name="one")])
    store.close()
    listed = CliRunner().invoke(main, ["ls", "--store", str(store_path)]).output.splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["abcdef0124", "abcdef0123"]


def test_show_gives_json_for_programs(store_path: Path, two_traces: list[str]) -> None:
    """All there is, in the form that `Trace.from_json` and MLflow read."""
    arguments = ["show", "--json", two_traces[0], "--store", str(store_path)]
    trace = Trace.from_json(CliRunner().invoke(main, arguments).output)
    assert trace.info.trace_id == two_traces[0]
    assert trace.data.spans[0].outputs == "because"


def test_an_empty_store_has_no_last_trace(store_path: Path) -> None:
    """`show` says how to make one."""
    make_empty(store_path)
    done = CliRunner().invoke(main, ["show", "--store", str(store_path)])
    assert done.exit_code == 1
    assert "tracetape: error: there are no traces in" in done.output
    assert "`tracetape run app.py`" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ls", "--limit", "0"], "0 is not in the range"),
        (["show", "--full", "--json"], "exclude each other"),
        (["shwo"], "No such command 'shwo'"),
    ],
)
def test_a_wrong_use_is_explained(arguments: list[str], message: str) -> None:
    """As click does it, with exit status 2."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    """And left as it is."""
    (tmp_path / "notes.txt").write_text("no database, but longer than the header of one " * 9)
    done = CliRunner().invoke(main, ["ls", "--store", "notes.txt"])
    assert done.exit_code == 1
    assert "notes.txt cannot be read: file is not a database" in done.output
    assert (tmp_path / "notes.txt").read_text().startswith("no database")


def test_colours_are_for_terminals_only(tracetape_command: Tracetape, script: Script) -> None:
    """What is piped has none, and is not cut where no width is known."""
    name = "long " * 20
    tracetape_command("run", script(f"import tracetape\nwith tracetape.start_span({name!r}): pass"))
    listed = tracetape_command("ls", COLUMNS="")
    assert name.strip() in listed.stdout
    assert "\x1b" not in listed.stdout + tracetape_command("show").stdout
    assert "\x1b[" in tracetape_command("show", FORCE_COLOR="1", TERM="xterm").stdout


def test_errors_hold_nothing_that_a_terminal_obeys(
    tracetape_command: Tracetape, tmp_path: Path
) -> None:
    """Colours, titles, the order of reading and separators of lines stay out of messages."""
    strange = tmp_path / "a\x1b]0;title\x07\x9b31m\u202e\u2066\u2028.db"
    result = read(tracetape_command, strange, "ls")
    assert result.returncode == 1
    assert "no trace store" in result.stderr
    assert not set("\x1b\x07\x9b\u202e\u2066\u2028") & set(result.stderr)
