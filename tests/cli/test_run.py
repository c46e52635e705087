"""`tracetape run`: a program runs as without us, and is traced."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Script = Callable[..., str]

SPAN = "import tracetape\nwith tracetape.start_span('work'): pass\n"
# The far end of an OpenAI call within the process: it is traced if `autolog` is on.
CALL = """
import httpx2, openai
body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=body))
client = openai.OpenAI(api_key="k", http_client=httpx2.Client(transport=transport))
client.chat.completions.create(model="m", messages=[])
"""


def names(folder: Path) -> list[str]:
    database = folder / ".tracetape" / "traces.db"
    if not database.exists():
        return []
    connection = sqlite3.connect(database)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM spans ORDER BY start_ns")]
    finally:
        connection.close()


def test_a_program_that_knows_nothing_of_us_is_traced(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Its OpenAI calls become spans, and one line says where they are."""
    done = tracetape_command("run", script(CALL))
    assert done.returncode == 0
    assert names(tmp_path) == ["Completions"]
    assert done.stderr == (
        "tracetape: 1 trace in .tracetape/traces.db — look at it with: "
        "tracetape ls, tracetape show\n"
    )


def test_a_script_finds_itself_as_python_runs_it(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Arguments, name, file, and the modules beside it are the same."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "helper.py").write_text("HELP = 'found'\n")
    source = "import sys, helper\nprint(sys.argv, __name__, __file__, helper.HELP, sys.path[0])\n"
    name = script(source, "sub/app.py")
    arguments = [name, "-v", "--show", "x y"]
    plain = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert tracetape_command("run", *arguments).stdout == plain.stdout


def test_a_module_is_run_with_m(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """As `python -m` does."""
    script("import sys\nprint(__name__, sys.argv[1:])\n" + SPAN, "tool.py")
    done = tracetape_command("run", "-m", "tool", "a")
    assert done.stdout == "__main__ ['a']\n"
    assert names(tmp_path) == ["work"]


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
) -> None:
    """Exit status, message and traceback are its own, and its spans are kept."""
    done = tracetape_command("run", script(SPAN + end))
    assert done.returncode == status
    assert said in done.stderr
    assert "tracetape/cli" not in done.stderr
    assert names(tmp_path) == ["work"]


def test_any_command_is_run_and_its_python_children_are_traced(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Through the environment; the exit status is the command's."""
    name = script(CALL)
    done = tracetape_command("run", "sh", "-c", f"{sys.executable} {name}; exit 7")
    assert done.returncode == 7
    assert names(tmp_path) == ["Completions"]
    assert "1 trace in .tracetape/traces.db" in done.stderr


def test_children_of_a_script_write_to_the_same_store(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Also when they run in another folder."""
    (tmp_path / "elsewhere").mkdir()
    script(CALL, "child.py")
    child = f"subprocess.run([sys.executable, {str(tmp_path / 'child.py')!r}], cwd='elsewhere')"
    tracetape_command("run", script(f"import subprocess, sys\n{SPAN}{child}\n"))
    assert sorted(names(tmp_path)) == ["Completions", "work"]
    assert not (tmp_path / "elsewhere" / ".tracetape").exists()


def test_a_users_own_sitecustomize_still_runs(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Ours takes its place in the children, and runs it first."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('mine')\n")
    path = os.pathsep.join(filter(None, [str(tmp_path / "site"), os.environ.get("PYTHONPATH")]))
    done = tracetape_command("run", "sh", "-c", f"{sys.executable} -c 'print(1)'", PYTHONPATH=path)
    assert done.stdout.endswith("mine\n1\n")


def test_disabled_it_only_runs_the_program(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """TRACETAPE_DISABLED=1 patches nothing and makes no store."""
    done = tracetape_command("run", script(CALL + SPAN), TRACETAPE_DISABLED="1")
    assert done.returncode == 0
    assert "no traces were recorded" in done.stderr
    assert not (tmp_path / ".tracetape").exists()


def test_the_store_can_be_named(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """By an option; `ls` and `show` take the same."""
    tracetape_command("run", "--store", "sqlite:///other.db", script(SPAN))
    assert "work" in tracetape_command("ls", "--store", "other.db").stdout
    assert tracetape_command("show", "--store", "sqlite:///other.db").stdout.startswith("work  OK")


def test_show_prints_the_traces_of_this_run_only(
    tracetape_command: Tracetape, script: Script
) -> None:
    """Up to five trees, oldest first."""
    tracetape_command("run", script(SPAN.replace("work", "earlier")))
    done = tracetape_command("run", "--show", script(SPAN + SPAN.replace("work", "second")))
    assert "earlier" not in done.stdout
    assert done.stdout.index("work  OK") < done.stdout.index("second  OK")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.py"], "there is no script 'missing.py'"),
        (["no-such-command"], "a Python module is run with -m no-such-command"),
        (["--cassette-rename", "x", "--cassette", "t.yaml", "app.py"], "write FROM=TO"),
        (["--cassette", "t.yaml", "--cassette-mode", "none", "app.py"], "no cassette t.yaml"),
        (["--store", "redis://x", "app.py"], "'redis://x' is no store"),
    ],
)
def test_bad_input_gets_one_clear_line(
    arguments: list[str], message: str, tracetape_command: Tracetape, script: Script
) -> None:
    """No traceback, and exit status 1."""
    script(SPAN)
    done = tracetape_command("run", *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_store_is_one_warning_and_the_program_runs(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Its traces are kept in memory, and the last line says that they are gone."""
    (tmp_path / "folder").mkdir()
    done = tracetape_command("run", "--store", "folder", script(SPAN + "print('done')"))
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "cannot be opened" in done.stderr
    assert "in memory only, and gone now" in done.stderr


def test_a_tape_is_held_by_one_process(tracetape_command: Tracetape, script: Script) -> None:
    """A child that is to use the same one gets an error that names the holder."""
    child = (
        "subprocess.run([sys.executable, '-m', 'tracetape', 'run', '--cassette', 't.yaml', 'a.py'])"
    )
    script("", "a.py")
    done = tracetape_command(
        "run", "--cassette", "t.yaml", script(f"import subprocess, sys\n{child}\n")
    )
    assert "the cassette t.yaml is held by the process" in done.stderr


def test_a_program_is_recorded_once_and_then_replayed_without_key_or_server(
    tracetape_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """The first run needs the server, the second neither it nor the variables."""
    server = """
import http.server, json, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "hello"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                           "choices": choices}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
if __name__ == "__main__":
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
"""
    program = script(
        "import openai\n"
        "message = [{'role': 'user', 'content': 'hi'}]\n"
        "answer = openai.OpenAI().chat.completions.create(model='m', messages=message)\n"
        "print(answer.choices[0].message.content)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", server], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    key = "sk-" + "a" * 40
    recorded = tracetape_command(
        "run",
        "--cassette",
        "tapes/t.yaml",
        program,
        OPENAI_API_KEY=key,
        OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1",
    )
    process.kill()
    process.communicate()
    assert recorded.stdout == "hello\n"
    assert "recorded 1 interaction to tapes/t.yaml" in recorded.stderr
    assert key not in (tmp_path / "tapes" / "t.yaml").read_text()

    replayed = tracetape_command("run", "--cassette", "tapes/t.yaml", program)
    assert replayed.stdout == "hello\n"
    assert "replayed 1 interaction from tapes/t.yaml" in replayed.stderr
    assert names(tmp_path) == ["Completions", "Completions"]
