"""`tracetape run --cassette`: recorded once, replayed ever after."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tracetape.cassettes import Interaction, Request, Response, Tape, save
from tracetape.cli.run.cassette import open_tape
from tracetape.exceptions import InvalidValueError

Tracetape = Callable[..., subprocess.CompletedProcess[str]]
Script = Callable[..., str]

KEY = "sk-" + "a1" * 20  # no real one, but shaped like one
FOREIGN_KEY = "sk-" + "b2" * 20  # of another program: no request logs in with it
SERVER = """
import http.server, json
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
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
ASK = """
import openai
def ask():
    message = [{'role': 'user', 'content': 'hi'}]
    answer = openai.OpenAI().chat.completions.create(model='m', messages=message)
    print(answer.choices[0].message.content)
"""
# The same request without the SDK, which takes a second to import.
PLAIN_ASK = """
import os, httpx
def ask():
    message = [{'role': 'user', 'content': 'hi'}]
    answer = httpx.post(
        os.environ["OPENAI_BASE_URL"] + "/chat/completions",
        headers={"authorization": "Bearer " + os.environ["OPENAI_API_KEY"]},
        json={"model": "m", "messages": message},
    )
    print(answer.json()["choices"][0]["message"]["content"])
"""


@pytest.fixture
def model_server(start_python: Callable[..., subprocess.Popen[str]]) -> dict[str, str]:
    """A server with one answer; gives the variables by which a program finds it."""
    process = start_python(SERVER)
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}


def test_a_program_is_recorded_once_and_then_replayed_without_key_or_server(
    warm_command: Tracetape,
    script: Script,
    tmp_path: Path,
    model_server: dict[str, str],
    span_names: Callable[[], list[str]],
) -> None:
    """The first run needs the server, the second neither it nor the variables."""
    arguments = ["run", "--cassette", "tapes/t.yaml", script(ASK + "ask()\n")]
    recorded = warm_command(*arguments, **model_server)
    assert recorded.stdout == "hello\n"
    assert "tracetape: recorded 1 interaction to tapes/t.yaml\n" in recorded.stderr
    assert KEY not in (tmp_path / "tapes" / "t.yaml").read_text()

    replayed = warm_command(*arguments)
    assert replayed.stdout == "hello\n"
    assert "tracetape: replayed 1 interaction from tapes/t.yaml\n" in replayed.stderr
    assert span_names() == ["Completions", "Completions"]


def test_calls_after_the_programs_last_line_are_on_the_tape(
    warm_command: Tracetape, script: Script, model_server: dict[str, str]
) -> None:
    """Those of a thread, and of an exit handler."""
    # A first import of the thread pools fails in a thread that outlives the main one.
    source = f"{ASK}import atexit, concurrent.futures.thread, threading\n"
    source += "threading.Thread(target=ask).start()\n"
    arguments = ["run", "--cassette", "t.yaml", script(source + "atexit.register(ask)\n")]
    assert "recorded 2 interactions" in warm_command(*arguments, **model_server).stderr
    replayed = warm_command(*arguments)
    assert replayed.stdout == "hello\nhello\n", replayed.stderr
    assert "replayed 2 interactions" in replayed.stderr


def test_a_tape_may_name_another_host_than_was_asked(
    warm_command: Tracetape, script: Script, tmp_path: Path, model_server: dict[str, str]
) -> None:
    """By an option, or by a variable for whole suites."""
    url = model_server["OPENAI_BASE_URL"]
    program = script(PLAIN_ASK + "ask()\n")
    rename = f"{url}=https://api.openai.com/v1"
    option = ["run", "--cassette", "a.yaml", "--cassette-rename", rename, program]
    warm_command(*option, **model_server)
    variable = {"TRACETAPE_CASSETTE_RENAME": rename, **model_server}
    warm_command("run", "--cassette", "b.yaml", program, **variable)
    for name in ("a.yaml", "b.yaml"):
        text = (tmp_path / name).read_text()
        assert "https://api.openai.com/v1/chat/completions" in text
        assert url not in text


def test_a_program_that_fails_leaves_a_tape_that_is_continued(
    warm_command: Tracetape, script: Script, model_server: dict[str, str]
) -> None:
    """What was recorded is not asked for again."""
    arguments = ["run", "--cassette", "t.yaml", "app.py"]
    script(PLAIN_ASK + "ask()\nraise SystemExit(2)\n")
    assert warm_command(*arguments, **model_server).returncode == 2
    script(PLAIN_ASK + "ask()\nask()\n")
    continued = warm_command(*arguments, **model_server)
    assert "replayed 1 interaction from t.yaml, and recorded 1 new" in continued.stderr


def test_what_must_not_be_on_a_tape_fails_the_run(
    warm_command: Tracetape, script: Script, tmp_path: Path, model_server: dict[str, str]
) -> None:
    """The program itself runs to its end."""
    source = PLAIN_ASK.replace("'hi'", repr(FOREIGN_KEY)) + "ask()\n"
    done = warm_command("run", "--cassette", "t.yaml", script(source), **model_server)
    assert done.stdout == "hello\n"
    assert done.returncode == 1
    assert "tracetape: error: t.yaml: " in done.stderr
    assert "tracetape: 1 interaction not recorded\n" in done.stderr
    assert "cassette(scrub=…)" in done.stderr
    tape = tmp_path / "t.yaml"
    assert not tape.exists() or FOREIGN_KEY not in tape.read_text()


def test_a_miss_is_counted_and_its_remedy_is_an_option_of_the_command(
    warm_command: Tracetape, script: Script, tmp_path: Path
) -> None:
    """Where there is no tape, and where the tape holds another request."""
    source = "import openai\ntry:\n    ask('m')\nexcept openai.APIError: pass\nask('n')\n"
    program = script(ASK.replace("ask()", "ask(model)").replace("='m'", "=model") + source)
    tape = tmp_path / "t.yaml"
    done = warm_command(
        "run", "--cassette", "t.yaml", "--cassette-mode", "none", program, OPENAI_MAX_RETRIES="0"
    )
    assert "tracetape: 1 request not found on t.yaml\n" in done.stderr
    assert "the cassette t.yaml does not exist. Record it first, with --cassette-mode=once" in (
        done.stderr
    )
    request = Request("POST", "https://api.openai.com/v1/chat/completions")
    save(tape, Tape([Interaction(request, Response(200))]))
    done = warm_command("run", "--cassette", "t.yaml", program)
    assert "--cassette-mode=new_episodes" in done.stderr
    assert "--cassette-ignore FIELD" in done.stderr


def test_fields_and_hosts_are_options_too(tmp_path: Path) -> None:
    """As `ignore` and `allow_hosts` of a block."""
    save(tmp_path / "t.yaml", Tape([]))
    with open_tape(tmp_path / "t.yaml", "none", (), ("body.user",), ("api.test",)) as tape:
        assert tape.passes("https://api.test/x")
    with pytest.raises(InvalidValueError, match="cannot ignore 'user'"):
        open_tape(tmp_path / "u.yaml", "none", (), ("user",))


def test_a_run_without_requests_says_so(warm_command: Tracetape, script: Script) -> None:
    """Instead of silence."""
    done = warm_command("run", "--cassette", "t.yaml", script("pass"))
    assert "the program made no request that t.yaml could answer or record" in done.stderr


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


@pytest.mark.parametrize(
    "option",
    [
        "--cassette-mode=none",
        "--cassette-rename=http://a=http://b",
        "--cassette-ignore=body.user",
        "--cassette-allow-host=api.test",
    ],
)
def test_an_option_of_cassettes_needs_one(
    warm_command: Tracetape, script: Script, option: str
) -> None:
    """Else the program would call the real service, though the user wanted a replay."""
    done = warm_command("run", option, script("print('ran')"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs --cassette PATH" in done.stderr
