"""`tracetape run`: a program runs as without us, and is traced."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Script = Callable[..., str]

SPAN = "import tracetape\nwith tracetape.start_span('work'): pass\n"


def test_a_program_that_knows_nothing_of_us_is_traced(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
    openai_call: str,
) -> None:
    """Its OpenAI calls become spans, and one line says where they are."""
    done = tracetape_command("run", script(openai_call))
    assert done.returncode == 0
    assert span_names() == ["Completions"]
    assert done.stderr == (
        "tracetape: 1 trace in .tracetape/traces.db — look at it with: tracetape show\n"
    )


def test_a_script_finds_itself_as_python_runs_it(
    tracetape_command: Tracetape, run_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Arguments, name, file, and the modules beside it are the same."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "helper.py").write_text("HELP = 'found'\n")
    source = "import sys, helper\nprint(sys.argv, __name__, __file__, helper.HELP, sys.path[0])\n"
    name = script(source, "sub/app.py")
    arguments = [name, "-v", "--show", "x y"]
    plain = run_command([sys.executable, *arguments])
    assert plain.returncode == 0, plain.stderr
    assert tracetape_command("run", *arguments).stdout == plain.stdout


def test_a_module_is_run_with_m(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """As `python -m` does."""
    script("import sys\nprint(__name__, sys.argv[1:])\n" + SPAN, "tool.py")
    done = tracetape_command("run", "-m", "tool", "a")
    assert done.stdout == "__main__ ['a']\n"
    assert span_names() == ["work"]


def test_a_package_is_run_by_its_main_module(
    tracetape_command: Tracetape, run_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Which finds in itself what Python puts there, and can be found again by name."""
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "__init__.py").touch()
    source = """
import pickle, sys
class Kept: pass
pickle.loads(pickle.dumps(Kept()))
print(__name__, __package__, __spec__.name, __file__, sys.argv)
"""
    script(source, "tool/__main__.py")
    arguments = ["-m", "tool", "a"]
    plain = run_command([sys.executable, *arguments])
    assert plain.returncode == 0, plain.stderr
    assert tracetape_command("run", *arguments).stdout == plain.stdout


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_folder_or_an_archive_is_run_by_its_main_module(
    kind: str,
    run_command: Callable[..., subprocess.CompletedProcess[str]],
    tracetape_command: Tracetape,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """As Python does: with its modules, and without a package."""
    parts = {
        "__main__.py": "import sys, tracetape, beside_it\n"
        "with tracetape.start_span('work'):\n"
        "    print(sys.argv, __name__, __package__, __file__, __spec__.name, beside_it.VALUE)\n"
        "    print(sys.path[0])\n",
        "beside_it.py": "VALUE = 7\n",
    }
    if kind == "folder":
        (tmp_path / "app").mkdir()
        for name, text in parts.items():
            (tmp_path / "app" / name).write_text(text)
    else:
        with zipfile.ZipFile(tmp_path / "app", "w") as archive:
            for name, text in parts.items():
                archive.writestr(name, text)
    environment = {**os.environ, "TRACETAPE_STORE": "memory://"}
    plain = run_command([sys.executable, "app", "-x"], environment, 60)
    done = tracetape_command("run", "app", "-x")
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain.stdout
    assert span_names() == ["work"]


def test_a_script_needs_no_suffix(tracetape_command: Tracetape, script: Script) -> None:
    """A file is Python's if it says so, or if it could not be run by itself."""
    name = script("print(__name__, __file__.rpartition('/')[2])\n", "tool")
    assert tracetape_command("run", name).stdout == "__main__ tool\n"


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('no such user')", 1, "no such user\n"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("{}['missing']", 1, "KeyError: 'missing'"),
    ],
)
def test_a_program_ends_as_it_would_without_us(
    end: str,
    status: int,
    said: str,
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """Exit status, message and traceback are its own, and its spans are kept."""
    done = tracetape_command("run", script(SPAN + end))
    assert done.returncode == status
    assert said in done.stderr
    assert "tracetape/cli" not in done.stderr
    assert span_names() == ["work"]


def test_disabled_it_only_runs_the_program(
    warm_command: Tracetape, script: Script, tmp_path: Path, openai_call: str
) -> None:
    """TRACETAPE_DISABLED=1 patches nothing and makes no store."""
    done = warm_command("run", script(openai_call + SPAN), TRACETAPE_DISABLED="1")
    assert done.returncode == 0
    assert done.stderr == "tracetape: tracing is off (TRACETAPE_DISABLED)\n"
    assert not (tmp_path / ".tracetape").exists()
    seen = "import os; print([name for name in os.environ if name.startswith('TRACETAPE')])"
    off = warm_command("run", script(seen), TRACETAPE_DISABLED="1")
    assert off.stdout == "['TRACETAPE_DISABLED']\n"


def test_a_command_that_is_not_on_path_is_shown_with_its_path(
    tracetape_command: Tracetape, script: Script
) -> None:
    """As after `make demo`: what the last line says can be typed."""
    done = tracetape_command("run", script(SPAN), PATH=os.defpath)
    command = Path(sys.executable).with_name("tracetape")
    assert f"look at it with: {command} show\n" in done.stderr


def test_the_store_can_be_named(warm_command: Tracetape, script: Script, tmp_path: Path) -> None:
    """By an option; `ls` and `show` take the same, and the last line says so."""
    done = warm_command("run", "--store", "sqlite:///other.db", script(SPAN))
    assert "look at it with: tracetape show --store other.db" in done.stderr
    assert "work" in warm_command("ls", "--store", "other.db").stdout
    assert warm_command("show", "--store", "sqlite:///other.db").stdout.startswith("work  OK")


def test_show_prints_the_traces_of_this_run_only(warm_command: Tracetape, script: Script) -> None:
    """Up to five trees, oldest first."""
    warm_command("run", script(SPAN.replace("work", "earlier")))
    done = warm_command("run", "--show", script(SPAN + SPAN.replace("work", "second")))
    assert "earlier" not in done.stdout
    assert done.stdout.index("work  OK") < done.stdout.index("second  OK")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.py"], "there is no script 'missing.py'"),
        (["no-such-command"], "to run a Python module use -m no-such-command"),
        (["-m", "no.such.module"], "there is no module no.such.module to run"),
        (["--cassette-rename", "x", "--cassette", "t.yaml", "app.py"], "write FROM=TO"),
        (["--cassette", "t.yaml", "sh", "-c", "true"], "the command 'sh' runs in another"),
        (["--store", "redis://x", "app.py"], "'redis://x' does not name a store"),
    ],
)
def test_bad_input_gets_one_clear_line(
    arguments: list[str], message: str, warm_command: Tracetape, script: Script
) -> None:
    """No traceback, and exit status 1."""
    script(SPAN)
    done = warm_command("run", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tape_that_is_not_there_answers_nothing(warm_command: Tracetape, script: Script) -> None:
    """In mode `none`: the error of the first request names it."""
    call = "import httpx2; httpx2.get('http://127.0.0.1:9/', trust_env=False)"
    arguments = ["--cassette", "t.yaml", "--cassette-mode", "none", script(call)]
    done = warm_command("run", *arguments)
    assert done.returncode == 1
    assert "the cassette t.yaml does not exist" in done.stderr


def test_an_unwritable_store_is_one_warning_and_the_program_runs(
    warm_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Its traces are kept in memory, and the last line says that they are gone."""
    (tmp_path / "folder").mkdir()
    done = warm_command("run", "--store", "folder", script(SPAN + "print('done')"))
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count("is a folder, not a file") == 1
    assert "in memory only, and gone now" in done.stderr


def test_the_tape_and_the_report_wait_for_the_programs_last_thread(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """Threads, pools and exit handlers go on after the last line, as in Python."""
    source = """
import atexit, concurrent.futures, sys, threading, time, tracetape
def work(name):
    time.sleep(0.2)
    with tracetape.start_span(name):
        sys.stdout.write(name + chr(10))  # at once: print writes the end of the line by itself
threading.Thread(target=work, args=["thread"]).start()
concurrent.futures.ThreadPoolExecutor().submit(work, "pool").add_done_callback(lambda _: None)
atexit.register(work, "exit")
print("main")
"""
    done = tracetape_command("run", "--show", script(source))
    assert done.stdout.startswith("main\n")
    assert set(done.stdout.splitlines()[1:3]) == {"thread", "pool"}
    assert done.stdout.splitlines()[3] == "exit"
    assert "3 traces in" in done.stderr
    assert sorted(span_names()) == ["exit", "pool", "thread"]


def test_a_forked_child_tells_nothing(tracetape_command: Tracetape, script: Script) -> None:
    """The report is the parent's."""
    source = "import os\nif os.fork(): os.wait()\n"
    done = tracetape_command("run", script(source))
    assert done.stderr == "tracetape: no traces were recorded\n"


def test_a_program_may_close_its_output(tracetape_command: Tracetape, script: Script) -> None:
    """The exit status and our line are the same."""
    done = tracetape_command("run", script(SPAN + "import sys; sys.stdout.close(); sys.exit(3)"))
    assert done.returncode == 3
    assert done.stderr.startswith("tracetape: 1 trace in")


def test_a_fault_in_the_programs_own_hook_is_shown_like_python_does(
    tracetape_command: Tracetape, script: Script
) -> None:
    """The program's error is not lost over it."""
    source = "import sys\nsys.excepthook = lambda *error: 1 / 0\nraise KeyError('mine')\n"
    done = tracetape_command("run", script(source))
    assert done.returncode == 1
    assert "KeyError: 'mine'" in done.stderr


def test_many_traces_are_listed_not_shown(warm_command: Tracetape, script: Script) -> None:
    """With --show the last of more than five is printed."""
    source = "import tracetape\nfor n in range(120):\n  with tracetape.start_span(f'n{n}'): pass\n"
    done = warm_command("run", "--show", script(source))
    assert done.stdout.startswith("… 119 earlier traces: `tracetape ls` lists them\n\nn119  OK")
    assert "120 traces in" in done.stderr


def test_a_folder_is_no_tape(warm_command: Tracetape, script: Script) -> None:
    """In one line, before the program is run."""
    done = warm_command("run", "--cassette", ".", script("print('ran')"))
    assert done.returncode == 2
    assert "is a directory" in done.stderr
    assert done.stdout == ""


def test_what_is_not_read_to_its_end_is_in_the_report(
    warm_command: Tracetape, script: Script
) -> None:
    """A stream and a generator, also where the program fails: with what came so far."""
    source = """
import httpx2, openai, tracetape
@tracetape.trace
def items():
    yield "first"
    yield "second"
left = items()
next(left)
chunk = b'{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}'
events = b"data: " + chunk + b"\\n\\ndata: " + chunk + b"\\n\\n"
answer = httpx2.Response(200, content=events, headers={"content-type": "text/event-stream"})
transport = httpx2.MockTransport(lambda request: answer)
client = openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))
stream = client.chat.completions.create(model="m", messages=[], stream=True)
next(stream)
raise RuntimeError
"""
    done = warm_command("run", "--show", script(source))
    assert "Completions" in done.stdout
    assert '← ["first"]' in done.stdout
    assert "2 traces in .tracetape/traces.db" in done.stderr
