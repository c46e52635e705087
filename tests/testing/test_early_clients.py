"""Modules that make a client when they are imported, where there is no key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracetape.cassettes import Chunk, Interaction, Request, Response, Tape, save

pytest.importorskip("openai")
pytest_plugins = ["pytester"]

ANSWER = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}]}'
)
APP = """
import openai
client = openai.OpenAI()
def answer():
    done = client.chat.completions.create(model="m", messages=[])
    return done.choices[0].message.content
"""
TESTS = """
import os, pytest
{imported}

@pytest.mark.cassette
def test_answer():
    from app import answer
    assert answer() == "Hi."
"""
FIXTURE = """
import pytest
@pytest.fixture
def expected():
    return "Hi."
"""
WITH_FIXTURE = """
import pytest
@pytest.mark.cassette
def test_answer(expected):
    from app import answer
    assert answer() == expected
"""
SUB = """
import pytest
@pytest.mark.cassette("test_it/test_answer")
def test_sub():
    from app import answer
    assert answer() == "Hi."
"""
CLIENTS = """
import openai, pytest
@pytest.fixture(scope="session")
def client():
    return openai.OpenAI()
"""
WITH_CLIENTS = """
import openai, os, pytest, unittest
@pytest.mark.cassette
def test_answer(client):
    assert client.chat.completions.create(model="m", messages=[]).id == "c"

@pytest.mark.cassette("test_it/test_answer")
class TestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = openai.OpenAI()
    def test_it(self):
        assert self.client.chat.completions.create(model="m", messages=[]).id == "c"

def test_no_placeholder_is_left():
    assert "OPENAI_API_KEY" not in os.environ
"""
NEW = """
@pytest.mark.cassette
def test_new():
    from app import answer
    assert answer() == "Hi."
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """One test with its tape, and no key."""
    for name in ("CI", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\n")
    pytester.makepyfile(app=APP, test_it=TESTS.format(imported="from app import answer"))
    pytester.syspathinsert()
    request = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        [("content-type", "application/json")],
        b'{"messages":[],"model":"m"}',
    )
    headers = [("content-type", "application/json")]
    answer = Interaction(request, Response(200, "OK", headers, [Chunk(ANSWER)]))
    save(Path(pytester.path) / "cassettes" / "test_it" / "test_answer.yaml", Tape([answer]))
    return pytester


@pytest.mark.parametrize(
    ("files", "arguments"),
    [
        pytest.param({}, ("--cassette-mode=none",), id="a test module"),
        pytest.param({"conftest": "import app"}, ("-n", "1"), id="conftest.py"),
        pytest.param(
            {
                "conftest": "pytest_plugins = ['first']",
                "first": "pytest_plugins = 'second,third'",
                "second": "import app",
                "third": FIXTURE,
                "test_it": WITH_FIXTURE,
            },
            (),
            id="a plugin's plugin",
        ),
        pytest.param(
            {"sub/conftest": "import app", "sub/test_sub": SUB, "test_it": ""},
            (),
            id="conftest.py of a folder",
        ),
        pytest.param(
            {"conftest": CLIENTS, "test_it": WITH_CLIENTS}, (), id="fixtures before any tape"
        ),
    ],
)
def test_a_client_that_is_made_before_its_tape_is_open_replays_without_a_key(
    project: pytest.Pytester, files: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """On import or in a fixture; whether the run may record or not, and in several processes."""
    for name, source in files.items():
        file = project.path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
    outcome = project.runpytest_subprocess(*arguments)
    assert outcome.ret == 0, outcome.stderr.str()


def test_what_is_not_on_a_tape_is_not_recorded_with_a_placeholder(
    project: pytest.Pytester,
) -> None:
    """It never leaves the machine, and the error says why."""
    file = project.path / "test_it.py"
    file.write_text(file.read_text() + NEW)
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["*CassetteError: POST https://api.openai.com/*no key is set*"])
    assert not (project.path / "cassettes" / "test_it" / "test_new.yaml").exists()


def test_modules_that_need_no_key_have_no_placeholder(project: pytest.Pytester) -> None:
    """Tests that are skipped where there is no key stay so."""
    (project.path / "test_it.py").write_text(
        TESTS.format(imported="")
        + """
@pytest.mark.skipif(not os.environ.get("OPENAI_API_KEY"), reason="live")
def test_live():
    raise AssertionError
"""
    )
    project.runpytest_subprocess().assert_outcomes(passed=1, skipped=1)


def test_without_tapes_the_error_of_the_sdk_stays(project: pytest.Pytester) -> None:
    """A project that has no cassettes is left alone."""
    (project.path / "cassettes" / "test_it" / "test_answer.yaml").unlink()
    outcome = project.runpytest_subprocess()
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*OpenAIError*"])
