"""Switching the integration on and off."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from openai import AsyncOpenAI, OpenAI

import tracetape
import tracetape.openai
from tracetape.exceptions import InvalidValueError
from tracetape.testing import CapturedTraces

RunPython = Callable[..., subprocess.CompletedProcess[str]]
CLIENTS = (OpenAI, AsyncOpenAI)

# A server's far end within the process, so that no tape is needed to see whether a call is traced.
PROGRAM = """
try:
    import httpx2 as http
except ImportError:
    import httpx as http
def client():
    import openai
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    transport = http.MockTransport(lambda request: http.Response(200, json=body))
    return openai.OpenAI(api_key="k", http_client=http.Client(transport=transport))
def ask(client):
    client.chat.completions.create(model="m", messages=[])
import tracetape
tracetape.configure(store="memory://")
"""
COUNT = "print(tracetape.flush(), tracetape.stats()['recorded'])"


@pytest.fixture(autouse=True)
def off_afterwards() -> Iterator[None]:
    """No test leaves the integration on."""
    yield
    tracetape.autolog(disable=True)


@pytest.mark.parametrize(
    "order",
    [
        "import openai; tracetape.autolog(); ask(client())",
        "tracetape.autolog(); import openai; ask(client())",
        "early = client(); tracetape.openai.autolog(); ask(early)",
        "import tracetape.openai; tracetape.openai.autolog(); tracetape.autolog(); ask(client())",
    ],
)
def test_it_works_whenever_openai_is_imported(order: str, run_python: RunPython) -> None:
    """Before or after, also for clients that exist already; twice is once."""
    assert run_python(f"{PROGRAM}\n{order}\n{COUNT}").stdout == "0 1\n"


def test_disabling_restores_the_originals() -> None:
    """`request` is inherited, and so it is again; a second round works as well."""
    for _ in range(2):
        tracetape.autolog()
        assert all("request" in vars(client) for client in CLIENTS)
        tracetape.autolog(disable=True)
        assert not any("request" in vars(client) for client in CLIENTS)


def test_a_mock_of_the_base_class_is_called() -> None:
    """`request` is looked up in the base class at each call, as without tracetape."""
    tracetape.autolog()
    with mock.patch("openai._base_client.SyncAPIClient.request", return_value=8) as request:
        assert OpenAI(api_key="k").post("/chat/completions", cast_to=int, body={}) == 8
    assert request.call_count == 1
    with mock.patch("openai._base_client.AsyncAPIClient.request", return_value=8) as request:
        sent = AsyncOpenAI(api_key="k").post("/chat/completions", cast_to=int, body={})
        assert asyncio.run(sent) == 8
    assert request.call_count == 1


def test_beneath_another_wrapper_it_becomes_a_pass_through(
    monkeypatch: pytest.MonkeyPatch, run_warm: RunPython
) -> None:
    """Who wrapped us later keeps working, and nothing is traced any more."""
    program = f"""{PROGRAM}
tracetape.autolog()
import openai
ours = openai.OpenAI.request
def theirs(self, *args, **kwargs):
    print("theirs")
    return ours(self, *args, **kwargs)
openai.OpenAI.request = theirs
tracetape.autolog(disable=True)
assert openai.OpenAI.request is theirs
ask(client())
{COUNT}
tracetape.autolog()
ask(client())
{COUNT}
"""
    assert run_warm(program).stdout.split() == ["theirs", "0", "0", "theirs", "0", "1"]


def test_an_absent_package_is_no_error_unless_it_is_asked_for_by_name(
    run_python: RunPython,
) -> None:
    """`autolog()` goes on; `tracetape.openai.autolog()` says what to install."""
    program = """
    import sys
    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "openai":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    sys.meta_path.insert(0, Absent())
    import importlib.util
    real = importlib.util.find_spec
    importlib.util.find_spec = lambda name, *a: None if name == "openai" else real(name, *a)
    import tracetape, tracetape.openai
    tracetape.configure(store="memory://")
    tracetape.autolog()
    try:
        tracetape.openai.autolog()
    except ImportError as error:
        print(isinstance(error, tracetape.TracetapeException), error)
    """
    done = run_python(program)
    assert "True tracetape.openai.autolog() needs the package 'openai'" in done.stdout
    assert "pip install openai" in done.stdout
    assert done.stderr == ""


def test_switching_on_again_imports_nothing(run_python: RunPython) -> None:
    """What the program imports only later is wrapped then, and once."""
    program = f"""{PROGRAM}
import sys
for _ in range(2):
    tracetape.autolog()
    tracetape.autolog(disable=True)
tracetape.autolog()
print("openai" in sys.modules)
ask(client())
{COUNT}
"""
    assert run_python(program).stdout.split() == ["False", "0", "1"]


def test_disabled_by_the_environment_nothing_is_patched(run_warm: RunPython) -> None:
    """TRACETAPE_DISABLED=1 wins over `autolog()`."""
    program = f"""{PROGRAM}
tracetape.autolog()
ask(client())
{COUNT}
import openai, threading
print("request" in vars(openai.OpenAI), threading.Thread.start.__module__)
"""
    done = run_warm(program, TRACETAPE_DISABLED="1")
    assert done.stdout == "0 0\nFalse threading\n"


def test_an_unknown_name_to_exclude_is_an_error() -> None:
    """The message names the value and what there is."""
    with pytest.raises(
        InvalidValueError, match="'opanai': choose from agents, anthropic, databricks, openai"
    ):
        tracetape.autolog(exclude=["opanai"])


def test_excluded_integrations_stay_off() -> None:
    """`exclude` leaves a library as it is."""
    tracetape.autolog(exclude=["openai"])
    assert "request" not in vars(OpenAI)


def test_calls_that_are_no_model_calls_make_no_span(
    traces: CapturedTraces, run_warm: RunPython
) -> None:
    """Listing models, for example."""
    program = f"{PROGRAM}\ntracetape.autolog(); client().models.list()\n{COUNT}"
    assert run_warm(program).stdout == "0 0\n"


def test_wrapping_keeps_the_signature() -> None:
    """Tools that look at `OpenAI.request` see the original's name and documentation."""
    original: Any = OpenAI.request
    tracetape.autolog()
    assert OpenAI.request.__name__ == "request"
    assert OpenAI.request.__wrapped__ is original  # type: ignore[attr-defined]


def test_a_span_processor_sees_what_the_answer_says(run_warm: RunPython) -> None:
    """Mostly an answer is read on the writing thread: not where a processor wants to see it."""
    program = (
        PROGRAM
        + "seen = []\n"
        + "tracetape.configure(span_processors=[lambda span: seen.append(span.model_name)])\n"
        + "tracetape.autolog(); ask(client()); print(seen)"
    )
    assert run_warm(program).stdout == "['m']\n"
