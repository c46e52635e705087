"""A packaged program that lacks modules: it runs, and hears in one line what is missing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

# As in a program that was packaged without some modules.
WITHOUT = """
import logging, sys
logging.basicConfig(format="%(message)s")
MISSING = sys.argv[1:]
class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in MISSING):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import tracetape
tracetape.configure(store="memory://")
"""
CALL = """
try:
    import httpx2 as http
except ImportError:
    import httpx as http
import openai
import openai.resources.responses.responses
body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
transport = http.MockTransport(lambda request: http.Response(200, json=body))
client = openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
for _ in range(2):
    assert client.chat.completions.create(model="m", messages=[]).id == "1"
print(tracetape.flush(), tracetape.stats()["recorded"])
"""


@pytest.mark.parametrize(
    ("missing", "lost", "spans"),
    [
        ("tracetape_databricks", "providers are named by their host only", 2),
        ("tracetape_agents", "calls of agents are not traced", 2),
        ("tracetape_openai", "calls of openai are not traced", 0),
        ("tracetape_openai.chat", "calls of its endpoints are traced in part, or not at all", 2),
        (
            "tracetape_openai.websockets",
            r"calls of (Responses|Realtime)Connection\.send are not traced",
            2,
        ),
        ("tracetape.instrument.threads", "calls of threads are not traced", 2),
    ],
)
def test_it_runs_and_says_once_what_is_missing(
    missing: str, lost: str, spans: int, run_warm: Run
) -> None:
    """One line, with the module and the remedy; what is there is traced."""
    program = f"{WITHOUT}\ntracetape.autolog()\ntracetape.autolog()\n{CALL}"
    done = run_warm(program, missing)
    assert done.stdout.split() == ["0", str(spans)]
    # The Databricks integration has a line of its own where it is OpenAI's that is missing.
    (line,) = [one for one in done.stderr.splitlines() if f"tracetape: {missing} " in one]
    begin, _, rest = line.partition(", so ")
    assert begin == f"tracetape: {missing} cannot be imported (No module named '{missing}')"
    what, _, remedy = rest.partition(": ")
    assert re.fullmatch(lost, what)  # the first that this version of the SDK imports
    assert remedy == "install tracetape again (pip install --force-reinstall --no-deps tracetape)"


def test_the_remedy_of_a_packaged_program(run_warm: Run) -> None:
    """Is an option for what packaged it."""
    program = f"{WITHOUT}\nsys.frozen = True\ntracetape.autolog()"
    (line,) = run_warm(program, "tracetape_databricks").stderr.splitlines()
    assert "--collect-submodules tracetape_databricks" in line
    assert "--include-package=tracetape_databricks" in line


def test_asked_for_by_name(run_warm: Run) -> None:
    """It is a warning too: the program was right to ask."""
    program = f"{WITHOUT}\nimport tracetape.openai\ntracetape.openai.autolog()"
    (line,) = run_warm(program, "tracetape_openai").stderr.splitlines()
    assert "tracetape_openai cannot be imported" in line


@pytest.mark.parametrize("times", ["tracetape.autolog(); tracetape.autolog(disable=True)", ""])
def test_a_wrapper_that_is_missing_when_it_is_switched_on_again(times: str, run_warm: Run) -> None:
    """Whether at the import of the SDK or long after, `autolog` never raises."""
    program = (
        f"{WITHOUT}\nimport openai.resources.responses.responses\n{times}\ntracetape.autolog()"
    )
    done = run_warm(program, "tracetape_openai.websockets")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "databricks",
    [
        'sys.modules["databricks"] = None',
        'import types; sys.modules["databricks"] = types.ModuleType("databricks")',
        'import unittest.mock; sys.modules["databricks"] = unittest.mock.MagicMock()',
        'open("databricks.py", "w").close(); sys.path.insert(0, "")',
        'open("databricks.py", "w").write("1/0"); sys.path.insert(0, "")',
    ],
)
def test_something_else_has_the_name_of_an_sdk(databricks: str, run_warm: Run) -> None:
    """A mock, a module of the program's own: looking for the SDK raises nothing."""
    program = f"{WITHOUT}\n{databricks}\ntracetape.autolog()\n{CALL}"
    done = run_warm(program)
    assert (done.stdout.split(), done.stderr) == (["0", "2"], "")


def test_doctor_without_databricks(run_warm: Run) -> None:
    """`databricks.sdk` cannot even be looked for where there is no `databricks`."""
    command = "sys.argv[1:] = ['doctor', '--import']"
    program = f"{WITHOUT}\nfrom tracetape.cli import main\n{command}\nmain()"
    done = run_warm(program, "databricks", "agents", "anthropic", "openai", COLUMNS="200")
    assert "not installed" in done.stdout
    assert "nothing is wrong" in done.stdout
