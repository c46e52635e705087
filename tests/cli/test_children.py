"""What a program starts is traced, too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tracetape.cli.run.programs import Command

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Script = Callable[..., str]
StartGroup = Callable[..., "subprocess.Popen[str]"]

# Its span says whether calls of openai would be traced; the SDK takes two seconds to import.
CHILD = """
import tracetape
from tracetape.instrument import registry
with tracetape.start_span(f"traced: {'openai' in registry.active()}"):
    pass
"""
SPAN = "import tracetape\nwith tracetape.start_span('work'): pass\n"


def test_any_command_is_run_and_its_python_children_are_traced(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
    openai_call: str,
) -> None:
    """Through the environment; the exit status is the command's."""
    name = script(openai_call)
    done = tracetape_command("run", "sh", "-c", f"{sys.executable} {name}; exit 7")
    assert done.returncode == 7
    assert span_names() == ["Completions"]
    assert "1 trace in .tracetape/traces.db" in done.stderr


def test_children_of_a_script_write_to_the_same_store(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """Also when they run in another folder."""
    (tmp_path / "elsewhere").mkdir()
    script(CHILD, "child.py")
    child = f"subprocess.run([sys.executable, {str(tmp_path / 'child.py')!r}], cwd='elsewhere')"
    tracetape_command("run", script(f"import subprocess, sys\n{SPAN}{child}\n"))
    assert sorted(span_names()) == ["traced: True", "work"]
    assert not (tmp_path / "elsewhere" / ".tracetape").exists()


def test_a_users_own_sitecustomize_still_runs(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Ours takes its place in the children, and runs it first."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('mine')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    done = tracetape_command("run", "sh", "-c", f"{sys.executable} -c 'print(1)'", PYTHONPATH=path)
    assert "mine\n1\n" in done.stdout


def test_a_fault_in_a_users_own_sitecustomize_is_reported_as_ever(
    tracetape_command: Tracetape,
    script: Script,
    tmp_path: Path,
    span_names: Callable[[], list[str]],
) -> None:
    """And the child is traced all the same."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("raise ValueError('theirs')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    command = ["run", "sh", "-c", f"{sys.executable} {script(CHILD)}"]
    done = tracetape_command(*command, PYTHONPATH=path)
    assert "ValueError: theirs" in done.stderr
    assert span_names() == ["traced: True"]


def test_a_child_that_calls_no_model_pays_nothing(tracetape_command: Tracetape) -> None:
    """It imports nothing of ours, and its path is its own."""
    source = "import sys; print('tracetape' in sys.modules, 'bootstrap' in str(sys.path))"
    done = tracetape_command("run", sys.executable, "-c", source)
    assert done.stdout == "False False\n"


def test_a_child_is_traced_once_it_imports_what_we_know(tracetape_command: Tracetape) -> None:
    """A client library, or tracetape itself; not by asking whether it is there."""
    source = """
import importlib.util, sys
importlib.util.find_spec("openai")
print("tracetape" in sys.modules)
import openai
print(sys.modules["tracetape"].instrument.registry.active() >= {"openai"})
"""
    done = tracetape_command("run", sys.executable, "-c", source)
    assert done.stdout == "False\nTrue\n"
    source = "import tracetape.instrument.registry as r; print('openai' in r.active())"
    assert tracetape_command("run", sys.executable, "-c", source).stdout == "True\n"


def test_a_child_that_cannot_be_traced_says_so_and_runs(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """One whose Python lacks tracetape, for example."""
    script("", "openai.py")
    source = "import sys; sys.modules['tracetape'] = None; import openai; print('ran')"
    done = tracetape_command("run", sys.executable, "-c", source)
    assert done.stdout == "ran\n"
    assert f"tracetape: {sys.executable} is not traced: " in done.stderr


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_worker_processes_are_traced(
    how: str, tracetape_command: Tracetape, script: Script, span_names: Callable[[], list[str]]
) -> None:
    """They find the program's functions, too."""
    source = f"""
import multiprocessing, tracetape
def work(number):
    with tracetape.start_span(f"work {{number}}"):
        return number
if __name__ == "__main__":
    with multiprocessing.get_context({how!r}).Pool(1) as pool:
        print(pool.map(work, [1, 2]))
        pool.close()
        pool.join()
"""
    done = tracetape_command("run", script(source))
    assert done.stdout == "[1, 2]\n", done.stderr
    assert sorted(span_names()) == ["work 1", "work 2"]


def test_a_command_that_is_killed_ends_as_a_shell_says(tracetape_command: Tracetape) -> None:
    """128 and the signal's number."""
    assert tracetape_command("run", "sh", "-c", "kill -9 $$").returncode == 137


def test_ctrl_c_is_the_commands_to_handle(start_group: StartGroup) -> None:
    """We wait for it to end."""
    child = "import time\ntry:\n  print('ready', flush=True); time.sleep(60)\n"
    child += "except KeyboardInterrupt:\n  print('tidied up', flush=True); raise SystemExit(4)\n"
    process = start_group([sys.executable, "-m", "tracetape", "run", sys.executable, "-c", child])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "tidied up\n"
    assert process.returncode == 4


def test_ctrl_c_that_arrives_with_the_commands_end_keeps_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system reports the status only once."""
    wait = os.waitpid

    def wait_and_interrupt(process: int, options: int) -> tuple[int, int]:
        ended = wait(process, options)
        if ended[0]:
            signal.raise_signal(signal.SIGINT)
        return ended

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(os, "waitpid", wait_and_interrupt)
        assert Command("sh", ["-c", "exit 4"]).run() == 4
    finally:
        signal.signal(signal.SIGINT, before)


def test_no_finder_goes_while_a_child_imports(tracetape_command: Tracetape, script: Script) -> None:
    """Python asks the finders one by one: an import of another thread would miss the next one."""
    child = """
import sys
before = list(sys.meta_path)
import openai
from tracetape.instrument import registry
assert registry.active()
assert all(finder in sys.meta_path for finder in before), before
"""
    name = script(child)
    done = tracetape_command("run", "sh", "-c", f"{sys.executable} {name}")
    assert done.returncode == 0, done.stderr
